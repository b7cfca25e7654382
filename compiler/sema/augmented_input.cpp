// What a recipe's augmentation makes of the network's input: which images the graph gets, and the operators that turn
// them into what the network takes (decision 9).
#include "compiler/sema/elaborator.h"

namespace netc {
namespace {

using Kind = AugmentSpec::Kind;

// The size that the leading steps make of any image, where they fix one.
std::optional<SizeDatum> fixed_size(const std::vector<PreprocessSpec>& steps) {
  std::optional<SizeDatum> size;
  for (const PreprocessSpec& step : steps) {
    size.reset();
    if (step.width > 0) size = SizeDatum{step.height, step.width};
  }
  return size;
}

}  // namespace

// The images that the graph gets, without the batch: as the steps leave them with which `augment` begins, or as the
// network takes them. Checks that the list ends in what the network takes.
Shape Elaborator::augmented_input(const Shape& shape, DType dtype) {
  const std::vector<AugmentSpec>& list = recipe_->augment;
  const size_t steps = recipe_->augment_preprocess.size();
  if (shape.size() != 3)
    fail(error("E0510", setting_place("augment", 0), "augmentation takes images [C, H, W], the input is " + to_string(shape)));
  for (size_t i = 0; i < list.size(); ++i)
    if (parts_of({list[i]}).paints() && (dtype != DType::u8 || (shape[0] != 1 && shape[0] != 3)))
      fail(error("E0510", setting_place("augment", steps + i), "colours are those of u8 pictures of 1 or 3 channels, the input is " +
                                                        std::string(name_of(dtype)) + " " + to_string(shape)));
  Shape stored = shape;
  const std::optional<SizeDatum> fixed = fixed_size(recipe_->augment_preprocess);
  if (fixed) stored = {shape[0], fixed->height, fixed->width};
  SizeDatum size{stored[1], stored[2]};
  size_t last = steps > 0 ? steps - 1 : 0;  // what gave the size
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i].kind != Kind::crop && list[i].kind != Kind::random_resized_crop) continue;
    size = {list[i].height, list[i].width};
    last = steps + i;
  }
  if (size.height != shape[1] || size.width != shape[2]) {
    const bool crops = last >= steps && !list.empty();
    const std::string what = crops ? (list[last - steps].kind == Kind::crop ? "`crop`" : "`random_resized_crop`") : "`augment`";
    fail(error("E0510", setting_place("augment", last), what + " gives " + to_text(size) + ", the network takes " +
                                                 to_text(SizeDatum{shape[1], shape[2]})));
  }
  return stored;
}

// Geometry, sharpness and colours, in the units of the data.
ValueId Elaborator::augment_image(ValueId value, const Shape& shape, Span span) {
  const AugmentParts parts = parts_of(recipe_->augment);
  if (parts.geometry) {
    const ValueId matrix = builder_.add_input("affine", {DType::f32, {config_.batch, 2, 3}});
    const ValueId box = parts.box && !crops_when_read(*recipe_) ? builder_.add_input("box", {DType::f32, {config_.batch, 4}}) : ValueId{};
    value = emit("affine_sample", {value, matrix, box}, {{"height", shape[1]}, {"width", shape[2]}, {"fill", 0.0}}, span)[0];
  }
  if (parts.sharpen)
    value = emit("sharpen_sample", {value, builder_.add_input("sharpness", {DType::f32, {config_.batch}})}, {}, span)[0];
  if (parts.color)
    value = emit("color_sample", {value, builder_.add_input("color", {DType::f32, {config_.batch, 14}})}, {}, span)[0];
  if (parts.curve)
    value = emit("curve_sample", {value, builder_.add_input("curve", {DType::f32, {config_.batch, 3, 256}})}, {}, span)[0];
  return value;
}

// After the normalisation, where 0 is the data's mean: erased rectangles, mixed samples.
ValueId Elaborator::mix_images(ValueId value, Span span) {
  const AugmentParts parts = parts_of(recipe_->augment);
  if (parts.erase)
    value = emit("erase_sample", {value, builder_.add_input("erase", {DType::f32, {config_.batch, 4}})}, {}, span)[0];
  if (parts.mix && config_.purpose == Purpose::train) {
    mix_ = builder_.add_input("mix", {DType::f32, {config_.batch, 7}});
    value = emit("mix_samples", {value, mix_}, {}, span)[0];
  }
  return value;
}

}  // namespace netc
