#include "runtime/train/augment_inputs.h"

#include <algorithm>

#include "compiler/base/error.h"

namespace netc {
namespace {

// Of a channel of `pixels` values.
double mean_byte(const std::byte* values, int64_t pixels) {
  int64_t sum = 0;
  for (int64_t i = 0; i < pixels; ++i) sum += static_cast<int64_t>(values[i]);
  return static_cast<double>(sum) / static_cast<double>(pixels);
}

}  // namespace

void copy_view(const Dataset& data, const SampleView& view, std::byte* to) {
  const auto own_size = data.own_size(view.sample);
  if (!own_size) return data.copy_image(view.sample, to);
  const CropBox box = draw_crop(view.recipe.augment, 0, {own_size->first, own_size->second}, view.seed, view.epoch, view.sample);
  data.copy_crop(view.sample, box.top, box.left, box.height, box.width, to);
}

AugmentInputs::AugmentInputs(const EntryIo& io) {
  const TensorType& image = io.input("image").type;
  if (image.shape.size() != 4) return;  // vectors are not augmented
  format_ = {image.dtype, image.shape[1], image.shape[2], image.shape[3]};
  batch_ = image.shape[0];
  const auto count = static_cast<size_t>(batch_);
  if (io.has_input("affine")) affine_.resize(count);
  if (io.has_input("box")) box_.resize(count);
  if (io.has_input("sharpness")) sharpness_.resize(count);
  if (io.has_input("color")) color_.resize(count);
  if (io.has_input("curve")) curve_.resize(count);
  if (io.has_input("erase")) erase_.resize(count);
  if (io.has_input("mix")) mix_.resize(count);
}

MeanColor AugmentInputs::mean_color(const std::byte* pixels) const {
  if (color_.empty()) return {};
  NETC_CHECK(format_.dtype == DType::u8, "colours are those of bytes");
  const int64_t plane = format_.height * format_.width;
  MeanColor mean;
  for (int64_t c = 0; c < 3; ++c)
    mean[static_cast<size_t>(c)] = mean_byte(pixels + std::min(c, format_.channels - 1) * plane, plane);
  return mean;
}

void AugmentInputs::draw(int64_t position, const SampleView& view, const std::byte* pixels) {
  if (batch_ == 0) return;
  const auto at = static_cast<size_t>(position);
  const std::vector<AugmentSpec>& list = view.recipe.augment;
  const ImageSize size{format_.height, format_.width};
  if (!affine_.empty() || !sharpness_.empty() || !color_.empty() || !erase_.empty()) {
    const size_t first = crops_when_read(view.recipe) ? 1 : 0;
    const Picture picture{curve_.empty() ? nullptr : pixels, format_.channels, format_.height * format_.width};
    const AugmentDraw draw =
        draw_augmentation(list, size, mean_color(pixels), view.seed, view.epoch, view.sample, first, picture);
    if (!affine_.empty()) affine_[at] = draw.affine;
    if (!box_.empty()) box_[at] = draw.box;
    if (!sharpness_.empty()) sharpness_[at] = draw.sharpness;
    if (!curve_.empty()) curve_[at] = draw.curves.value_or(straight_curves());
    if (!color_.empty()) color_[at] = draw.color;
    if (!erase_.empty()) erase_[at] = draw.erase;
  }
  if (!mix_.empty())
    mix_[at] = draw_mix(list, augmented_size(list, size), batch_, view.seed, view.epoch, view.sample);
}

void AugmentInputs::bind(EntryIo& io) const {
  if (!affine_.empty()) io.set_input("affine", affine_.data());
  if (!box_.empty()) io.set_input("box", box_.data());
  if (!sharpness_.empty()) io.set_input("sharpness", sharpness_.data());
  if (!color_.empty()) io.set_input("color", color_.data());
  if (!curve_.empty()) io.set_input("curve", curve_.data());
  if (!erase_.empty()) io.set_input("erase", erase_.data());
  if (!mix_.empty()) io.set_input("mix", mix_.data());
}

}  // namespace netc
