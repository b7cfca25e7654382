// Curves over the levels 0..255 of each channel, and the histograms from which some of them are made.
//
//   ToneCurves curves = kStraight;
//   curves = chained(autocontrast(histogram(picture, color)), curves);
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace netc {

constexpr size_t kTones = 256;
using ToneCurve = std::array<float, kTones>;
using ToneCurves = std::array<ToneCurve, 3>;  // of a grey picture the first counts
using Histogram = std::array<std::array<int64_t, kTones>, 3>;

// Pixels of a picture, dense [C, H, W]; C is 1 or 3.
struct Picture {
  const std::byte* pixels = nullptr;
  int64_t channels = 0, plane = 0;  // plane: H * W
};

ToneCurves straight_curves();

// Of what the colour record (runtime/train/augment.h) and then `curves` make of the picture, rounded to
// levels. A grey picture has three equal histograms.
Histogram histogram(const Picture& picture, const std::array<float, 14>& color, const ToneCurves& curves);

// From the least level that occurs to the greatest: 0 to 255; straight where there is only one.
// torchvision.transforms.functional.autocontrast, without its rounding down.
ToneCurves autocontrast(const Histogram& levels);

// About as many pixels of each level as of any other. torchvision.transforms.functional.equalize.
ToneCurves equalize(const Histogram& levels);

// First `inner`, rounded to levels, then `outer`.
ToneCurves chained(const ToneCurves& outer, const ToneCurves& inner);

}  // namespace netc
