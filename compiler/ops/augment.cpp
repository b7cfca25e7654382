// What augmentation does to the values of pictures (decision 9): colours, erased rectangles, mixed samples. As for
// affine_sample, the host draws a few numbers a sample and these operators do the work.
#include "compiler/ops/check.h"
#include "compiler/ops/families.h"
#include "compiler/ops/nest.h"
#include "compiler/ops/rows.h"

namespace netc {
namespace {

constexpr const char* kData = "augmentation applies to inputs, which are not trained";

// Element `column` of the sample's row of operand 1.
ExprId record(Dag& d, ExprId sample, int64_t column) { return d.load(1, {sample, d.index(column)}); }

// ---- color_sample

constexpr int64_t kColorRecord = 14;

std::vector<TensorType> infer_color_sample(const OpCall& call) {
  check::floating(call, 0);
  check::rank(call, 0, 4, "[C, H, W]");
  const Shape& shape = call.inputs[0].shape;
  if (shape[1] != 1 && shape[1] != 3)
    throw OpError("E0204", "colours are those of 1 or 3 channels, the picture has " + std::to_string(shape[1]));
  check::shape(call, 1, {shape[0], kColorRecord}, "the records");
  return {call.inputs[0]};
}

LoopNest scalar_color_sample(const OpCall& call) {
  const Shape& shape = call.inputs[0].shape;
  LoopNest nest = map_over(shape);
  Dag& d = nest.dag;
  const ExprId n = d.axis(0), c = d.axis(1), row = d.index_mul(c, int64_t{4});
  auto weight = [&](int64_t k) { return d.load(1, {n, d.index_add(row, d.index(k))}); };
  auto pixel = [&](ExprId channel) { return d.load(0, {n, channel, d.axis(2), d.axis(3)}); };
  ExprId value;
  if (shape[1] == 1) {  // a grey picture is one whose three channels are equal
    value = d.mul(pixel(c), d.add(d.add(weight(0), weight(1)), weight(2)));
  } else {
    value = d.mul(weight(0), pixel(d.index(0)));
    for (int64_t k = 1; k < 3; ++k) value = d.add(value, d.mul(weight(k), pixel(d.index(k))));
  }
  const ExprId top = d.real(255), zero = d.real(0);
  value = d.min(d.max(d.add(value, weight(3)), zero), top);
  value = d.select(d.less_equal(record(d, n, 12), value), d.sub(top, value), value);
  const ExprId step = record(d, n, 13);
  const ExprId steps = d.mul(d.unary(ExprKind::floor, d.div(value, d.max(step, d.real(1)))), step);
  nest.stores = {{0, d.select(d.less(zero, step), steps, value)}};
  return nest;
}

OpDef color_sample_row() {
  OpDef def;
  def.name = "color_sample";
  def.doc =
      "Of values in 0..255: y[c] = m[4c] r + m[4c+1] g + m[4c+2] b + m[4c+3], clamped to 0..255; then 255 - y where y >= m[12]; "
      "then y rounded down to a multiple of m[13], if that is above 0. A grey picture has r = g = b.";
  def.inputs = {{"image", "image: [N, C, H, W], C of 1 or 3"}, {"record", "record m: [N, 14]"}};
  def.outputs = {"y"};
  def.infer = infer_color_sample;
  def.no_gradient = kData;
  def.scalar = scalar_color_sample;
  def.samples = [] {
    return std::vector<OpSample>{{"color", {reals({2, 3, 4, 5}, 0, 255), reals({2, 14}, -1, 3)}, {}},
                                 {"grey", {reals({3, 1, 3, 4}, 0, 255), reals({3, 14}, -0.5, 1)}, {}}};
  };
  return def;
}

// ---- curve_sample

constexpr int64_t kTones = 256;

std::vector<TensorType> infer_curve_sample(const OpCall& call) {
  check::floating(call, 0);
  check::rank(call, 0, 4, "[C, H, W]");
  const Shape& shape = call.inputs[0].shape;
  if (shape[1] != 1 && shape[1] != 3)
    throw OpError("E0204", "colours are those of 1 or 3 channels, the picture has " + std::to_string(shape[1]));
  check::floating(call, 1);
  check::shape(call, 1, {shape[0], 3, kTones}, "the curves");
  return {call.inputs[0]};
}

LoopNest scalar_curve_sample(const OpCall& call) {
  const Shape& shape = call.inputs[0].shape;
  LoopNest nest = map_over(shape);
  Dag& d = nest.dag;
  const ExprId at = d.min(d.max(load_same(d, 0, shape), d.real(0)), d.real(kTones - 1));
  auto tone = [&](ExprId level) { return d.load(1, {d.axis(0), d.axis(1), clamped(d, level, kTones)}); };
  const ExprId level = d.index_floor(at), low = tone(level), high = tone(d.index_add(level, d.index(1)));
  const ExprId fraction = d.sub(at, d.unary(ExprKind::floor, at));
  nest.stores = {{0, d.add(low, d.mul(fraction, d.sub(high, low)))}};
  return nest;
}

OpDef curve_sample_row() {
  OpDef def;
  def.name = "curve_sample";
  def.doc =
      "Of values in 0..255: y[c] = t[c, x] for whole x, and on the straight line between two of them; values beyond are moved "
      "to 0..255 first. A grey picture has the first curve.";
  def.inputs = {{"image", "image: [N, C, H, W], C of 1 or 3"}, {"curves", "curves t: [N, 3, 256]"}};
  def.outputs = {"y"};
  def.infer = infer_curve_sample;
  def.no_gradient = kData;
  def.scalar = scalar_curve_sample;
  def.samples = [] {
    return std::vector<OpSample>{{"color", {reals({2, 3, 4, 5}, -20, 275), reals({2, 3, kTones}, 0, 255)}, {}},
                                 {"grey", {reals({3, 1, 3, 4}, 0, 255), reals({3, 3, kTones}, 0, 255)}, {}}};
  };
  return def;
}

// ---- sharpen_sample

std::vector<TensorType> infer_sharpen_sample(const OpCall& call) {
  check::floating(call, 0);
  check::rank(call, 0, 4, "[C, H, W]");
  check::floating(call, 1);
  check::shape(call, 1, {call.inputs[0].shape[0]}, "the factors");
  return {call.inputs[0]};
}

LoopNest scalar_sharpen_sample(const OpCall& call) {
  const Shape& shape = call.inputs[0].shape;
  LoopNest nest = map_over(shape);
  Dag& d = nest.dag;
  auto pixel = [&](int64_t dy, int64_t dx) {
    return d.load(0, {d.axis(0), d.axis(1), clamped(d, d.index_add(d.axis(2), d.index(dy)), shape[2]),
                      clamped(d, d.index_add(d.axis(3), d.index(dx)), shape[3])});
  };
  const ExprId own = pixel(0, 0);
  ExprId sum = d.mul(own, d.real(5));
  for (int64_t dy = -1; dy <= 1; ++dy)
    for (int64_t dx = -1; dx <= 1; ++dx)
      if (dy != 0 || dx != 0) sum = d.add(sum, pixel(dy, dx));
  // Whether the pixel before it and the one after it are in the picture.
  auto inner = [&](int axis, int64_t extent) {
    return d.logical_and(d.in_range(d.index_add(d.axis(axis), d.index(-1)), extent), d.in_range(d.index_add(d.axis(axis), d.index(1)), extent));
  };
  const ExprId smooth = d.div(sum, d.real(13)), factor = d.load(1, {d.axis(0)});
  const ExprId blended = d.min(d.max(d.add(smooth, d.mul(factor, d.sub(own, smooth))), d.real(0)), d.real(255));
  nest.stores = {{0, d.select(d.logical_and(inner(2, shape[2]), inner(3, shape[3])), blended, own)}};
  return nest;
}

OpDef sharpen_sample_row() {
  OpDef def;
  def.name = "sharpen_sample";
  def.doc =
      "Of values in 0..255: f * x + (1 - f) * s, clamped to 0..255, s being the mean of the 3x3 pixels around x with the weight 5 "
      "for x itself and 1 for its neighbours; the outermost pixels stay. 1 changes nothing, 0 smooths, 2 sharpens.";
  def.inputs = {{"image", "image: [N, C, H, W]"}, {"factor", "factor f: [N]"}};
  def.outputs = {"y"};
  def.infer = infer_sharpen_sample;
  def.no_gradient = kData;
  def.scalar = scalar_sharpen_sample;
  def.samples = [] {
    return std::vector<OpSample>{{"image", {reals({3, 2, 5, 6}, 0, 255), reals({3}, 0, 3)}, {}},
                                 {"thin", {reals({2, 1, 2, 5}, 0, 255), reals({2}, 0, 3)}, {}}};
  };
  return def;
}

// ---- erase_sample

// Whether the pixel lies in rows record[first].. below record[first + 2], and columns likewise.
ExprId in_rectangle(Dag& d, int64_t first) {
  auto within = [&](int axis, int64_t low, int64_t high) {
    const ExprId at = d.from_index(d.axis(axis));
    return d.logical_and(d.less_equal(record(d, d.axis(0), low), at), d.less(at, record(d, d.axis(0), high)));
  };
  return d.logical_and(within(2, first, first + 2), within(3, first + 1, first + 3));
}

std::vector<TensorType> infer_erase_sample(const OpCall& call) {
  check::floating(call, 0);
  check::rank(call, 0, 4, "[C, H, W]");
  check::shape(call, 1, {call.inputs[0].shape[0], 4}, "the rectangles");
  return {call.inputs[0]};
}

LoopNest scalar_erase_sample(const OpCall& call) {
  LoopNest nest = map_over(call.inputs[0].shape);
  Dag& d = nest.dag;
  nest.stores = {{0, d.select(in_rectangle(d, 0), d.real(0), load_same(d, 0, call.inputs[0].shape))}};
  return nest;
}

OpDef erase_sample_row() {
  OpDef def;
  def.name = "erase_sample";
  def.doc = "0 in the rectangle top, left, bottom, right (the last two outside of it), x elsewhere.";
  def.inputs = {{"x", "x: [N, C, H, W]"}, {"rectangle", "rectangle: [N, 4]"}};
  def.outputs = {"y"};
  def.infer = infer_erase_sample;
  def.no_gradient = kData;
  def.scalar = scalar_erase_sample;
  def.samples = [] {
    return std::vector<OpSample>{{"image", {reals({3, 2, 5, 6}), reals({3, 4}, 0, 6)}, {}}};
  };
  return def;
}

// ---- mix_samples, mix_targets

constexpr int64_t kMixRecord = 7;

ExprId partner(Dag& d, int64_t samples) { return clamped(d, d.index_floor(record(d, d.axis(0), 0)), samples); }

// share * own + (1 - share) * other
ExprId blend(Dag& d, ExprId share, ExprId own, ExprId other) { return d.add(other, d.mul(share, d.sub(own, other))); }

std::vector<TensorType> infer_mix_samples(const OpCall& call) {
  check::floating(call, 0);
  check::rank(call, 0, 4, "[C, H, W]");
  check::shape(call, 1, {call.inputs[0].shape[0], kMixRecord}, "the records");
  return {call.inputs[0]};
}

LoopNest scalar_mix_samples(const OpCall& call) {
  const Shape& shape = call.inputs[0].shape;
  LoopNest nest = map_over(shape);
  Dag& d = nest.dag;
  const ExprId own = load_same(d, 0, shape);
  const ExprId other = d.load(0, {partner(d, shape[0]), d.axis(1), d.axis(2), d.axis(3)});
  nest.stores = {{0, d.select(in_rectangle(d, 2), other, blend(d, record(d, d.axis(0), 1), own, other))}};
  return nest;
}

OpDef mix_samples_row() {
  OpDef def;
  def.name = "mix_samples";
  def.doc =
      "Mixup and cutmix (Zhang et al. 2018, Yun et al. 2019): the sample at position m[0] in the rectangle top, left, "
      "bottom, right = m[2..5], elsewhere m[1] of the own sample and 1 - m[1] of that one.";
  def.inputs = {{"x", "x: [N, C, H, W]"}, {"record", "record m: [N, 7]"}};
  def.outputs = {"y"};
  def.infer = infer_mix_samples;
  def.no_gradient = kData;
  def.scalar = scalar_mix_samples;
  def.samples = [] {
    return std::vector<OpSample>{{"image", {reals({4, 2, 3, 5}), reals({4, 7}, 0, 4)}, {}}};
  };
  return def;
}

std::vector<TensorType> infer_mix_targets(const OpCall& call) {
  check::floating(call, 0);
  check::rank(call, 0, 2, "a distribution over classes, [C]");
  check::shape(call, 1, {call.inputs[0].shape[0], kMixRecord}, "the records");
  return {call.inputs[0]};
}

LoopNest scalar_mix_targets(const OpCall& call) {
  const Shape& shape = call.inputs[0].shape;
  LoopNest nest = map_over(shape);
  Dag& d = nest.dag;
  const ExprId other = d.load(0, {partner(d, shape[0]), d.axis(1)});
  nest.stores = {{0, blend(d, record(d, d.axis(0), 6), load_same(d, 0, shape), other)}};
  return nest;
}

OpDef mix_targets_row() {
  OpDef def;
  def.name = "mix_targets";
  def.doc = "m[6] of the own sample's target and 1 - m[6] of that at position m[0]: what belongs to mix_samples.";
  def.inputs = {{"target", "target: [N, C]"}, {"record", "record m: [N, 7]"}};
  def.outputs = {"y"};
  def.infer = infer_mix_targets;
  def.no_gradient = kData;
  def.scalar = scalar_mix_targets;
  def.samples = [] {
    return std::vector<OpSample>{{"classes", {reals({4, 5}, 0, 1), reals({4, 7}, 0, 4)}, {}}};
  };
  return def;
}

}  // namespace

std::vector<OpDef> augment_ops() {
  return {color_sample_row(), curve_sample_row(), sharpen_sample_row(), erase_sample_row(), mix_samples_row(), mix_targets_row()};
}

}  // namespace netc
