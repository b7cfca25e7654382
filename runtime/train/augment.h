// What is random about the samples of an epoch: their order, and for each one how it is seen. Every draw is keyed by
// (seed, epoch, purpose, sample), so it depends neither on the batch size nor on threads, and a resumed run sees what
// an uninterrupted one would.
//
// A sample's augmentations become a few numbers; operators of the training graph do the work on the pixels:
//   geometry  `affine_sample`  a 2x3 matrix, from output pixels to input pixels:
//                              input_y = m[0] * y + m[1] * x + m[2],  input_x = m[3] * y + m[4] * x + m[5]
//             with a box where a part of a picture is resized: pixels beyond it are none
//   sharpness `sharpen_sample` a factor
//   colours   `color_sample`   a 3x4 matrix over (r, g, b, 1), a threshold, a step
//             `curve_sample`   a curve over the levels of each channel
//   erase     `erase_sample`   a rectangle
//   mix       `mix_samples`    another sample of the batch, shares and a rectangle
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "compiler/base/recipe.h"
#include "runtime/train/tone_curve.h"

namespace netc {

using AffineMatrix = std::array<float, 6>;
using ColorRecord = std::array<float, 14>;
using BoxRecord = std::array<float, 4>;    // first row, first column, last row, last column of the picture to sample
using EraseRecord = std::array<float, 4>;  // top, left, bottom, right; bottom and right are outside
using MixRecord = std::array<float, 7>;    // partner, share of the pixels, rectangle of the partner, share of the label

struct ImageSize {
  int64_t height = 0, width = 0;
  bool operator==(const ImageSize&) const = default;
};
using MeanColor = std::array<double, 3>;  // 0..255; of a grey picture three times the same

struct AugmentDraw {
  AffineMatrix affine;
  BoxRecord box;
  float sharpness;
  ColorRecord color;
  EraseRecord erase;
  std::optional<ToneCurves> curves;  // none: straight ones
};

// The size that `augment` makes of an image. THROWS RuntimeError E0710 if a crop exceeds its padded image.
ImageSize augmented_size(const std::vector<AugmentSpec>& augment, ImageSize input);

// The records of sample `sample` in epoch `epoch`: the list's first entry is applied first, within geometry, within colours and
// within curves. Geometry about the centre is about the centre of the image as it then is. `mean`: of the sample's pixels; what
// contrast pulls towards, as the colours before it have changed it. `picture`: the sample, from whose histogram, after all colours,
// curves are made; without pixels they are straight.
// `first`: entries before it have been applied already (the crop of a reader), and `input` is what they gave.
// REQUIRES: augmented_size does not throw.
AugmentDraw draw_augmentation(const std::vector<AugmentSpec>& augment, ImageSize input, const MeanColor& mean,
                              uint64_t seed, int64_t epoch, int64_t sample, size_t first = 0, const Picture& picture = {});

// With which sample of a batch of `batch` this one is mixed, and how. Of several mixing entries one is drawn.
MixRecord draw_mix(const std::vector<AugmentSpec>& augment, ImageSize size, int64_t batch, uint64_t seed, int64_t epoch,
                   int64_t sample);

// The part of an image that entry `index`, a random_resized_crop, takes: a share of the area and a ratio of the
// sides from 3/4 to 4/3 (Szegedy et al. 2014); after ten tries that do not fit, the greatest central one that does.
struct CropBox {
  int64_t top = 0, left = 0, height = 0, width = 0;
};
CropBox draw_crop(const std::vector<AugmentSpec>& augment, size_t index, ImageSize image, uint64_t seed, int64_t epoch,
                  int64_t sample);

// The order of an epoch: a permutation of 0..count-1 (Fisher and Yates).
std::vector<int64_t> epoch_order(int64_t count, uint64_t seed, int64_t epoch);

}  // namespace netc
