// Small pictures in rows and columns as one image, enlarged by whole numbers until they can be seen.
//
//   ImageSheet sheet({.channels = 3, .height = 32, .width = 32}, 6, 8);
//   sheet.put(row, column, [&](int64_t c, int64_t y, int64_t x) { return 255.0 * value(c, y, x); });
//   write_png("sheet.png", sheet.take());
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/data/image.h"

namespace netc {

class ImageSheet {
 public:
  struct Cell {
    int64_t channels = 1, height = 0, width = 0;
    int64_t smallest = 64;  // pixels of the longer side; smaller pictures are enlarged
  };

  ImageSheet(const Cell& cell, int64_t rows, int64_t columns)
      : cell_(cell), factor_(std::max<int64_t>(1, cell.smallest / std::max(cell.height, cell.width))) {
    image_.channels = cell.channels;
    image_.height = rows * (cell.height * factor_ + kGap) + kGap;
    image_.width = columns * (cell.width * factor_ + kGap) + kGap;
    image_.pixels.assign(static_cast<size_t>(image_.channels * image_.height * image_.width), kBackground);
  }

  // `value(c, y, x)`: 0..255, rounded and clamped; black where it is no number.
  template <class Value>
  void put(int64_t row, int64_t column, Value value) {
    const int64_t top = kGap + row * (cell_.height * factor_ + kGap), left = kGap + column * (cell_.width * factor_ + kGap);
    for (int64_t c = 0; c < image_.channels; ++c)
      for (int64_t y = 0; y < cell_.height * factor_; ++y)
        for (int64_t x = 0; x < cell_.width * factor_; ++x)
          image_.pixels[static_cast<size_t>((c * image_.height + top + y) * image_.width + left + x)] =
              shade(value(c, y / factor_, x / factor_));
  }
  Image take() { return std::move(image_); }

 private:
  static constexpr int64_t kGap = 2;  // pixels between cells
  static constexpr uint8_t kBackground = 128;

  static uint8_t shade(double value) { return value > 0 ? static_cast<uint8_t>(std::lround(std::min(value, 255.0))) : 0; }

  Cell cell_;
  int64_t factor_;
  Image image_;
};

}  // namespace netc
