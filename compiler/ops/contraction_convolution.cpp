// Convolution and its two gradients: one contraction, three choices of the output.
//
//   y[n, g*K + k, oh, ow] = sum over c, kh, kw of
//       x[n, g*C + c, s*oh + d*kh - p, s*ow + d*kw - p] * w[g*K + k, c, kh, kw]
// where C and K are the channels of one group. Zero padding is "outside of x contributes nothing".
// Operands of a narrow type (bf16) are multiplied as they are; the sum, and with it the result, is f32.
// `convolution` with a bias decomposes into this `correlation` (what the sum is called in mathematics) and an addition.
#include <fmt/format.h>

#include "compiler/ops/build.h"
#include "compiler/ops/check.h"
#include "compiler/ops/families.h"
#include "compiler/ops/registry.h"
#include "compiler/ops/rows.h"

namespace netc {
namespace {

constexpr const char* kGeometry[] = {"stride_h", "stride_w", "pad_h", "pad_w", "dilation_h", "dilation_w", "groups"};

struct Geometry {
  int64_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups;
};

Geometry geometry(const Attrs& attrs) {
  return {attrs.integer("stride_h"),   attrs.integer("stride_w"),   attrs.integer("pad_h"), attrs.integer("pad_w"),
          attrs.integer("dilation_h"), attrs.integer("dilation_w"), attrs.integer("groups")};
}

Geometry checked_geometry(const OpCall& call) {
  for (const char* name : kGeometry) check::integer_between(call, name, name[0] == 'p' ? 0 : 1);
  return geometry(call.attrs);
}

// [N, K, OH, OW] from x: [N, C, H, W] and weight: [K, C / groups, KH, KW].
Shape output_shape(const Shape& x, const Shape& weight, const Geometry& g) {
  check::require_argument(x[1] % g.groups == 0, fmt::format("groups = {} does not divide {} input channels", g.groups, x[1]), "groups");
  check::require_argument(weight[0] % g.groups == 0,
                          fmt::format("groups = {} does not divide {} output channels", g.groups, weight[0]), "groups");
  if (weight[1] != x[1] / g.groups)
    throw OpError("E0204", fmt::format("the weight {} is for {} input channels, got {}", to_string(weight),
                                       weight[1] * g.groups, x[1]));
  int64_t span_h = g.dilation_h * (weight[2] - 1) + 1, span_w = g.dilation_w * (weight[3] - 1) + 1;
  int64_t room_h = x[2] + 2 * g.pad_h, room_w = x[3] + 2 * g.pad_w;
  if (span_h > room_h || span_w > room_w) {
    std::string text = fmt::format("window {}x{} exceeds its input {}", weight[2], weight[3], check::per_sample(x));
    if (g.dilation_h > 1 || g.dilation_w > 1) text += fmt::format(" (dilated it spans {}x{})", span_h, span_w);
    throw OpError("E0203", text, "window");
  }
  Shape y{x[0], weight[0], (room_h - span_h) / g.stride_h + 1, (room_w - span_w) / g.stride_w + 1};
  check::count(y);
  return y;
}

Contraction describe(const Shape& x, const Shape& weight, const Shape& y, const Geometry& g, int output) {
  Contraction c;
  enum { n, channel, filter, oh, ow, kh, kw, group };
  c.axes = {{"n", x[0]},  {"c", weight[1]}, {"k", weight[0] / g.groups}, {"oh", y[2]},
            {"ow", y[3]}, {"kh", weight[2]}, {"kw", weight[3]}};
  AxisSum x_channel{{{channel, 1}}, 0}, filters{{{filter, 1}}, 0};
  if (g.groups > 1) {
    c.axes.push_back({"g", g.groups});
    x_channel.terms.insert(x_channel.terms.begin(), {group, weight[1]});
    filters.terms.insert(filters.terms.begin(), {group, weight[0] / g.groups});
  }
  auto plain = [](int axis) { return AxisSum{{{axis, 1}}, 0}; };
  AxisSum ih{{{oh, g.stride_h}, {kh, g.dilation_h}}, -g.pad_h};
  AxisSum iw{{{ow, g.stride_w}, {kw, g.dilation_w}}, -g.pad_w};
  c.tensors[0] = {x, {plain(n), x_channel, ih, iw}};
  c.tensors[1] = {weight, {filters, plain(channel), plain(kh), plain(kw)}};
  c.tensors[2] = {y, {plain(n), filters, plain(oh), plain(ow)}};
  c.output = output;
  return c;
}

Attrs with(const Attrs& attrs, std::initializer_list<std::pair<const std::string, Attr>> more) {
  Attrs result;
  for (const char* name : kGeometry) result.set(name, attrs.integer(name));
  for (const auto& [name, value] : more) result.set(name, value);
  return result;
}

// The gradients of y = correlation(x, weight).
ValueId data_gradient(Builder& b, const Attrs& attrs, ValueId weight, ValueId gradient, const Shape& x) {
  return b.emit(op("convolution_data_gradient"), {weight, gradient}, with(attrs, {{"height", x[2]}, {"width", x[3]}}));
}
ValueId weight_gradient(Builder& b, const Attrs& attrs, ValueId x, ValueId gradient, const Shape& weight) {
  return b.emit(op("convolution_weight_gradient"), {x, gradient},
                with(attrs, {{"window_h", weight[2]}, {"window_w", weight[3]}}));
}

std::vector<TensorType> infer_correlation(const OpCall& call) {
  check::floating(call, 0);
  check::same_dtype(call, 0, 1);
  check::rank(call, 0, 4, "[C, H, W]");
  check::rank(call, 1, 4, "a weight [K, C, KH, KW]");
  return {{DType::f32, output_shape(call.inputs[0].shape, call.inputs[1].shape, checked_geometry(call))}};
}

std::vector<TensorType> infer_convolution(const OpCall& call) {
  std::vector<TensorType> outputs = infer_correlation(call);
  if (call.present[2]) {
    check::bias(call, call.inputs[1].shape[0]);
  }
  return outputs;
}

std::vector<ValueId> vjp_correlation(Builder& b, const VjpCall& call) {
  ValueId x = call.inputs[0], weight = call.inputs[1];
  const TensorType of_x = b.type(x), of_weight = b.type(weight);
  ValueId gradient = build::cast(b, call.output_gradients[0], of_x.dtype);
  return {build::cast(b, data_gradient(b, call.attrs, weight, gradient, of_x.shape), of_x.dtype),
          build::cast(b, weight_gradient(b, call.attrs, x, gradient, of_weight.shape), of_weight.dtype)};
}

std::vector<ValueId> vjp_convolution(Builder& b, const VjpCall& call) {
  std::vector<ValueId> gradients = vjp_correlation(b, call);
  gradients.push_back(ValueId{});
  if (call.inputs[2].valid())
    gradients[2] = build::reduce_sum(b, call.output_gradients[0], {0, 2, 3});
  return gradients;
}

std::vector<ValueId> decompose_convolution(Builder& b, const Attrs& attrs, const std::vector<ValueId>& inputs) {
  ValueId y = b.emit(op("correlation"), {inputs[0], inputs[1]}, attrs);
  if (!inputs[2].valid()) return {y};
  return {build::add(b, y, build::reshape(b, inputs[2], {1, b.type(inputs[2]).shape[0], 1, 1}))};
}

Contraction contract_correlation(const OpCall& call) {
  return describe(call.inputs[0].shape, call.inputs[1].shape, call.outputs[0].shape, geometry(call.attrs), 2);
}

// convolution_data_gradient(weight, gradient): [N, C, height, width].
std::vector<TensorType> infer_data_gradient(const OpCall& call) {
  const Shape &weight = call.inputs[0].shape, &gradient = call.inputs[1].shape;
  check::floating(call, 0);
  check::same_dtype(call, 0, 1);
  check::rank(call, 0, 4, "a weight [K, C, KH, KW]");
  check::rank(call, 1, 4, "a gradient [K, OH, OW]");
  Geometry g = checked_geometry(call);
  Shape x{gradient[0], weight[1] * g.groups, check::integer_between(call, "height", 1), check::integer_between(call, "width", 1)};
  check::count(x);
  check::shape(call, 1, output_shape(x, weight, g), "the gradient");
  return {{DType::f32, x}};
}

std::vector<ValueId> vjp_data_gradient(Builder& b, const VjpCall& call) {
  ValueId weight = call.inputs[0], gradient = call.inputs[1];
  const DType dtype = b.type(weight).dtype;
  ValueId upstream = build::cast(b, call.output_gradients[0], dtype);
  return {build::cast(b, weight_gradient(b, call.attrs, upstream, gradient, b.type(weight).shape), dtype),
          build::cast(b, b.emit(op("convolution"), {upstream, weight, ValueId{}}, with(call.attrs, {})), dtype)};
}

Contraction contract_data_gradient(const OpCall& call) {
  return describe(call.outputs[0].shape, call.inputs[0].shape, call.inputs[1].shape, geometry(call.attrs), 0);
}

// convolution_weight_gradient(x, gradient): [K, C / groups, window_h, window_w].
std::vector<TensorType> infer_weight_gradient(const OpCall& call) {
  const Shape &x = call.inputs[0].shape, &gradient = call.inputs[1].shape;
  check::floating(call, 0);
  check::same_dtype(call, 0, 1);
  check::rank(call, 0, 4, "[C, H, W]");
  check::rank(call, 1, 4, "a gradient [K, OH, OW]");
  Geometry g = checked_geometry(call);
  Shape weight{gradient[1], x[1] / g.groups, check::integer_between(call, "window_h", 1), check::integer_between(call, "window_w", 1)};
  check::shape(call, 1, output_shape(x, weight, g), "the gradient");
  return {{DType::f32, weight}};
}

std::vector<ValueId> vjp_weight_gradient(Builder& b, const VjpCall& call) {
  ValueId x = call.inputs[0], gradient = call.inputs[1];
  const TensorType of_x = b.type(x);
  ValueId upstream = build::cast(b, call.output_gradients[0], of_x.dtype);
  return {build::cast(b, data_gradient(b, call.attrs, upstream, gradient, of_x.shape), of_x.dtype),
          build::cast(b, b.emit(op("convolution"), {x, upstream, ValueId{}}, with(call.attrs, {})), of_x.dtype)};
}

Contraction contract_weight_gradient(const OpCall& call) {
  return describe(call.inputs[0].shape, call.outputs[0].shape, call.inputs[1].shape, geometry(call.attrs), 1);
}

std::vector<AttrDef> geometry_attrs(std::vector<AttrDef> more = {}) {
  std::vector<AttrDef> attrs{
      integer_attr("stride_h", "rows from one window to the next", 1),
      integer_attr("stride_w", "columns from one window to the next", 1),
      integer_attr("pad_h", "zero rows above and below", 0),
      integer_attr("pad_w", "zero columns left and right", 0),
      integer_attr("dilation_h", "rows between elements of a window", 1),
      integer_attr("dilation_w", "columns between elements of a window", 1),
      integer_attr("groups", "independent convolutions, each of C/groups input and K/groups output channels", 1),
  };
  attrs.insert(attrs.end(), more.begin(), more.end());
  return attrs;
}

// One geometry of the samples; every operator of the family is tested on all of them.
struct Case {
  const char* name;
  Shape x, weight;
  Geometry g;
};

std::vector<Case> cases() {
  return {
      {"3x3", {2, 3, 5, 6}, {4, 3, 3, 3}, {1, 1, 1, 1, 1, 1, 1}},
      {"3x3 unpadded", {1, 2, 4, 5}, {3, 2, 3, 3}, {1, 1, 0, 0, 1, 1, 1}},
      {"stride 2, odd input", {2, 3, 7, 5}, {4, 3, 3, 3}, {2, 2, 1, 1, 1, 1, 1}},
      {"stride 2 leaves a row", {1, 2, 6, 6}, {2, 2, 3, 3}, {2, 2, 0, 0, 1, 1, 1}},
      {"stride exceeds the window", {1, 2, 7, 8}, {3, 2, 2, 1}, {3, 2, 0, 0, 1, 1, 1}},
      {"1x1", {2, 5, 3, 3}, {3, 5, 1, 1}, {1, 1, 0, 0, 1, 1, 1}},
      {"1x1 stride 2", {2, 3, 5, 4}, {2, 3, 1, 1}, {2, 2, 0, 0, 1, 1, 1}},
      {"dilation", {1, 2, 8, 7}, {3, 2, 3, 3}, {1, 1, 2, 1, 2, 2, 1}},
      {"dilation and stride", {1, 2, 9, 8}, {2, 2, 3, 2}, {2, 3, 2, 1, 3, 2, 1}},
      {"groups", {2, 4, 5, 5}, {6, 2, 3, 3}, {1, 1, 1, 1, 1, 1, 2}},
      {"depthwise", {2, 3, 5, 4}, {3, 1, 3, 3}, {1, 1, 1, 1, 1, 1, 3}},
      {"depthwise, two filters, stride 2", {1, 3, 6, 5}, {6, 1, 3, 3}, {2, 2, 1, 1, 1, 1, 3}},
      {"1x5 window", {1, 2, 3, 7}, {2, 2, 1, 5}, {1, 1, 0, 2, 1, 1, 1}},
      {"4x3 window, strides 1 and 2", {1, 2, 6, 7}, {2, 2, 4, 3}, {1, 2, 2, 1, 1, 1, 1}},
      {"7x7 on a smaller input", {1, 3, 5, 4}, {2, 3, 7, 7}, {2, 2, 3, 3, 1, 1, 1}},
      {"window covers the input", {2, 3, 4, 4}, {5, 3, 4, 4}, {1, 1, 0, 0, 1, 1, 1}},
      {"padding beyond the window", {1, 1, 2, 2}, {1, 1, 1, 2}, {1, 1, 2, 3, 1, 1, 1}},
  };
}

Attrs attrs_of(const Geometry& g) {
  return {{"stride_h", g.stride_h},     {"stride_w", g.stride_w},     {"pad_h", g.pad_h},  {"pad_w", g.pad_w},
          {"dilation_h", g.dilation_h}, {"dilation_w", g.dilation_w}, {"groups", g.groups}};
}

std::vector<OpSample> samples_correlation() {
  std::vector<OpSample> samples;
  for (const Case& c : cases()) samples.push_back({c.name, {reals(c.x), reals(c.weight)}, attrs_of(c.g)});
  return samples;
}

std::vector<OpSample> samples_convolution() {
  std::vector<OpSample> samples;
  for (const Case& c : cases())
    samples.push_back({c.name, {reals(c.x), reals(c.weight), reals({c.weight[0]})}, attrs_of(c.g)});
  Case first = cases().front();
  samples.push_back({"without bias", {reals(first.x), reals(first.weight), reals({-1})}, attrs_of(first.g)});
  return samples;
}

std::vector<OpSample> samples_data_gradient() {
  std::vector<OpSample> samples;
  for (const Case& c : cases()) {
    Attrs attrs = with(attrs_of(c.g), {{"height", c.x[2]}, {"width", c.x[3]}});
    samples.push_back({c.name, {reals(c.weight), reals(output_shape(c.x, c.weight, c.g))}, attrs});
  }
  return samples;
}

std::vector<OpSample> samples_weight_gradient() {
  std::vector<OpSample> samples;
  for (const Case& c : cases()) {
    Attrs attrs = with(attrs_of(c.g), {{"window_h", c.weight[2]}, {"window_w", c.weight[3]}});
    samples.push_back({c.name, {reals(c.x), reals(output_shape(c.x, c.weight, c.g))}, attrs});
  }
  return samples;
}

OpDef make_convolution() {
  OpDef def;
  def.name = "convolution";
  def.doc = "y[n, k, i, j] = bias[k] + sum of x[n, c, s*i + d*a - p, s*j + d*b - p] * weight[k, c, a, b] over c, a, b (LeCun et al. 1989).";
  def.inputs = {{"x", "x: [N, C, H, W]"}, {"weight", "weight: [K, C/groups, KH, KW]"}, {"bias", "bias: [K]", true}};
  def.outputs = {"y"};
  def.attrs = geometry_attrs();
  def.infer = infer_convolution;
  def.vjp = vjp_convolution;
  def.decompose = decompose_convolution;
  def.arithmetic = Arithmetic::contraction;
  def.samples = samples_convolution;
  return def;
}

OpDef make_correlation() {
  OpDef def;
  def.name = "correlation";
  def.doc = "A convolution without its bias: y[n, k, i, j] = sum of x[n, c, s*i + d*a - p, s*j + d*b - p] * weight[k, c, a, b] over c, a, b.";
  def.inputs = {{"x", "x: [N, C, H, W]"}, {"weight", "weight: [K, C/groups, KH, KW]"}};
  def.outputs = {"y"};
  def.attrs = geometry_attrs();
  def.infer = infer_correlation;
  def.vjp = vjp_correlation;
  def.contract = contract_correlation;
  def.arithmetic = Arithmetic::contraction;
  def.samples = samples_correlation;
  return def;
}

OpDef make_data_gradient() {
  OpDef def;
  def.name = "convolution_data_gradient";
  def.doc = "The gradient of a convolution's input, given the gradient of its output; also known as a transposed convolution.";
  def.inputs = {{"weight", "weight: [K, C/groups, KH, KW]"}, {"gradient", "gradient: [N, K, OH, OW]"}};
  def.outputs = {"x_gradient"};
  def.attrs = geometry_attrs({integer_attr("height", "H of the convolution's input"), integer_attr("width", "W of the convolution's input")});
  def.infer = infer_data_gradient;
  def.vjp = vjp_data_gradient;
  def.contract = contract_data_gradient;
  def.arithmetic = Arithmetic::contraction;
  def.samples = samples_data_gradient;
  return def;
}

OpDef make_weight_gradient() {
  OpDef def;
  def.name = "convolution_weight_gradient";
  def.doc = "The gradient of a convolution's weight, given its input and the gradient of its output.";
  def.inputs = {{"x", "x: [N, C, H, W]"}, {"gradient", "gradient: [N, K, OH, OW]"}};
  def.outputs = {"weight_gradient"};
  def.attrs = geometry_attrs({integer_attr("window_h", "KH of the weight"), integer_attr("window_w", "KW of the weight")});
  def.infer = infer_weight_gradient;
  def.vjp = vjp_weight_gradient;
  def.contract = contract_weight_gradient;
  def.arithmetic = Arithmetic::contraction;
  def.samples = samples_weight_gradient;
  return def;
}

}  // namespace

std::vector<OpDef> convolution_ops() {
  return {make_convolution(), make_correlation(), make_data_gradient(), make_weight_gradient()};
}

}  // namespace netc
