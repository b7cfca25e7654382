// What is random about the samples of an epoch: their order, and for each one the geometry that it is seen
// in. Every draw is keyed by (seed, epoch, purpose, sample), so it depends neither on the batch size nor on
// threads, and a resumed run sees what an uninterrupted one would.
//
// A sample's augmentations become one 2x3 matrix, from output pixels to input pixels:
//   input_y = m[0] * y + m[1] * x + m[2]
//   input_x = m[3] * y + m[4] * x + m[5]
// The operator `affine_sample` reads the image there; outside of it, the image is its padding.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "compiler/base/recipe.h"

namespace netc {

using AffineMatrix = std::array<float, 6>;

struct ImageSize {
  int64_t height = 0, width = 0;
  bool operator==(const ImageSize&) const = default;
};

// The size that `augment` makes of an image. THROWS RuntimeError E0710 if a crop exceeds its padded image.
ImageSize augmented_size(const std::vector<AugmentSpec>& augment, ImageSize input);

// The matrix of sample `sample` in epoch `epoch`: the list's first entry is applied first. A flip happens
// with probability 1/2; crops and shifts are whole pixels; rotations are about the centre, counter-clockwise.
// REQUIRES: augmented_size(augment, input) does not throw.
AffineMatrix draw_affine(const std::vector<AugmentSpec>& augment, ImageSize input, uint64_t seed,
                         int64_t epoch, int64_t sample);

// The order of an epoch: a permutation of 0..count-1 (Fisher and Yates).
std::vector<int64_t> epoch_order(int64_t count, uint64_t seed, int64_t epoch);

}  // namespace netc
