// One image in memory, decoded from PNG or JPEG and preprocessed as a network wants it.
//
//   Image image = decode_image_file("cat.jpg");
//   image = preprocess(image, spec.preprocess, "cat.jpg");
//   image = with_channels(image, 3, "cat.jpg");
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "compiler/base/recipe.h"

namespace netc {

// T is uint8_t (0..255) or float.
template <class T>
struct BasicImage {
  int64_t channels = 0, height = 0, width = 0;
  std::vector<T> pixels;  // [channels, height, width]
};
using Image = BasicImage<uint8_t>;
using FloatImage = BasicImage<float>;

// PNG or JPEG, told apart by their first bytes. 1 channel for grey files, otherwise 3: transparency is
// dropped, 16 bits become 8, palettes and CMYK become RGB. `name` is used in messages.
// THROWS RuntimeError E0703 (neither format), E0704 (corrupt or truncated), E0709 (too large).
Image decode_image(std::span<const std::byte> bytes, const std::string& name);
Image decode_image_file(const std::string& path);

// 8 bits, grey or RGB. REQUIRES: 1 or 3 channels.
std::vector<uint8_t> encode_png(const Image& image);
void write_png(const std::string& path, const Image& image);  // THROWS RuntimeError E0604

// Grey to RGB repeats the channel; RGB to grey is ITU-R BT.601 luma, rounded as Pillow does.
// THROWS RuntimeError E0710 for any other pair.
template <class T>
BasicImage<T> with_channels(BasicImage<T> image, int64_t channels, const std::string& name);

// Bilinear with antialiasing: a triangle filter as wide as the scale (Pillow's BILINEAR, with the same
// fixed-point arithmetic for u8).
template <class T>
BasicImage<T> resize(const BasicImage<T>& image, int64_t height, int64_t width);

// Rows top.. and columns left.. of an image. REQUIRES: they lie within it.
template <class T>
BasicImage<T> crop(const BasicImage<T>& image, int64_t top, int64_t left, int64_t height, int64_t width);

// Applies the list in order. THROWS RuntimeError E0710 if a crop exceeds its image.
template <class T>
BasicImage<T> preprocess(BasicImage<T> image, const std::vector<PreprocessSpec>& specs,
                         const std::string& name);

}  // namespace netc
