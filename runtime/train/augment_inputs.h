// The augmentation's inputs of a training graph: "affine", "box", "sharpness", "color", "curve", "erase" and "mix", of which a program has those that
// its recipe needs, and the records that fill them.
//
//   AugmentInputs inputs(io);                        // what the entry has
//   inputs.draw(i, view, pixels);                    // for every sample of the batch
//   inputs.bind(io);
#pragma once

#include <cstddef>
#include <vector>

#include "runtime/train/augment.h"
#include "runtime/train/entry_io.h"

namespace netc {

// Which view of which sample: what its draws are keyed by.
struct SampleView {
  const Recipe& recipe;
  uint64_t seed = 0;
  int64_t epoch = 0, sample = 0;
};

// Writes the image of a view as the graph gets it: the sample's, or the reader's crop of it.
void copy_view(const Dataset& data, const SampleView& view, std::byte* to);

class AugmentInputs {
 public:
  AugmentInputs() = default;  // none
  explicit AugmentInputs(const EntryIo& io);

  // Draws the records of the sample at `position` of the batch. `pixels`: the image that the graph gets, dense.
  void draw(int64_t position, const SampleView& view, const std::byte* pixels);
  // Where the next run takes the inputs from. This object must stay in place.
  void bind(EntryIo& io) const;

 private:
  MeanColor mean_color(const std::byte* pixels) const;

  ImageFormat format_;
  int64_t batch_ = 0;
  std::vector<AffineMatrix> affine_;
  std::vector<BoxRecord> box_;
  std::vector<float> sharpness_;
  std::vector<ColorRecord> color_;
  std::vector<ToneCurves> curve_;
  std::vector<EraseRecord> erase_;
  std::vector<MixRecord> mix_;
};

}  // namespace netc
