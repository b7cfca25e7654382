// What a data set's preprocessing and a recipe's augmentation make of the network's input: whether they end in what it takes,
// which images the graph gets, and the operators that turn them into it (decision 9).
#include <algorithm>

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

// The pictures of a source whose format fixes their size.
std::optional<SizeDatum> stored_size(const DataSourceSpec& source) {
  const bool cifar = source.kind == DataSourceSpec::Kind::cifar10 || source.kind == DataSourceSpec::Kind::cifar100;
  return cifar ? std::optional<SizeDatum>(SizeDatum{32, 32}) : std::nullopt;
}

}  // namespace

// The size of pictures of size `size` after `steps`, where it is known; the crops must fit. `place`: of a step.
std::optional<SizeDatum> Elaborator::prepared_size(std::optional<SizeDatum> size, const std::vector<PreprocessSpec>& steps,
                                                   const std::function<Span(size_t)>& place) {
  for (size_t i = 0; i < steps.size(); ++i) {
    const PreprocessSpec& step = steps[i];
    const bool crops = step.kind == PreprocessSpec::Kind::center_crop;
    if (crops && size && (step.height > size->height || step.width > size->width))
      fail(error("E0510", place(i), "`center_crop` of " + to_text(SizeDatum{step.height, step.width}) + " from pictures of " + to_text(*size)));
    const bool square = size && size->height == size->width;
    if (step.width > 0) size = SizeDatum{step.height, step.width};
    else if (square) size = SizeDatum{step.height, step.height};  // the shorter side of a square
    else size.reset();
  }
  return size;
}

// Pictures end up in the size that the network takes. What is known of them before they are read is checked here, the rest
// when they are.
void Elaborator::check_prepared(const Shape& shape, Span input, bool augments) {
  if (shape.size() != 3 || config_.purpose == Purpose::predict) return;
  const std::optional<SizeDatum> stored = stored_size(*recipe_->dataset.train);
  const SizeDatum taken{shape[1], shape[2]};
  const auto refuse = [&](Span span, const std::string& what, SizeDatum size, const std::string& fix) {
    Diagnostic d = error("E0510", span, what + " " + to_text(size) + ", the network takes " + to_text(taken));
    if (presentable(input.file) && !project_.sources().file(input.file).is_stdlib) d.secondary.push_back({input, "the input"});
    if (!fix.empty()) d.fixes.push_back({fix, "", {}});
    fail(std::move(d));
  };
  const auto differs = [&](const std::optional<SizeDatum>& size) { return size && (size->height != taken.height || size->width != taken.width); };
  const std::vector<PreprocessSpec>& steps = recipe_->dataset.preprocess;
  const std::optional<SizeDatum> prepared = prepared_size(stored, steps, [&](size_t i) { return dataset_place("preprocess", i); });
  if (differs(prepared) && steps.empty()) refuse(dataset_place("train", 0), "these pictures have", *prepared, "preprocess = resize(" + to_text(taken) + ")");
  if (differs(prepared)) refuse(dataset_place("preprocess", steps.size() - 1), "`preprocess` gives", *prepared, "");
  // In training `augment` takes the place of `preprocess`.
  if (augments && recipe_->augment_preprocess.empty() && differs(stored))
    refuse(setting_place("augment", 0), "`augment` takes the place of `preprocess`: its pictures have", *stored, "resize(" + to_text(taken) + ") at the head of `augment`");
  if (augments) prepared_size(stored, recipe_->augment_preprocess, [&](size_t i) { return setting_place("augment", i); });
}

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
