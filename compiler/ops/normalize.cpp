// Normalisations within a sample: softmax, log_softmax, layer norm, local response norm.
#include "compiler/base/error.h"
#include "compiler/ops/build.h"
#include "compiler/ops/check.h"
#include "compiler/ops/families.h"
#include "compiler/ops/nest.h"
#include "compiler/ops/registry.h"
#include "compiler/ops/rows.h"

namespace netc {
namespace {

using Values = std::vector<ValueId>;

// ---- softmax and log_softmax

std::vector<TensorType> infer_softmax(const OpCall& call) {
  check::floating(call, 0);
  check::axis(call);
  return {call.inputs[0]};
}

// x less its maximum along the axis: exponentials of it do not overflow.
ValueId centered(Builder& b, ValueId x, const Ints& axis) { return build::sub(b, x, build::reduce_max(b, x, axis, true)); }

Values decompose_softmax(Builder& b, const Attrs& attrs, const Values& inputs) {
  Ints axis{attrs.integer("axis")};
  ValueId e = build::exp(b, centered(b, inputs[0], axis));
  return {build::div(b, e, build::reduce_sum(b, e, axis, true))};
}

Values vjp_softmax(Builder& b, const VjpCall& call) {
  ValueId y = call.outputs[0], dy = call.output_gradients[0];
  ValueId projection = build::reduce_sum(b, build::mul(b, dy, y), {call.attrs.integer("axis")}, true);
  return {build::mul(b, y, build::sub(b, dy, projection))};
}

Values decompose_log_softmax(Builder& b, const Attrs& attrs, const Values& inputs) {
  Ints axis{attrs.integer("axis")};
  ValueId c = centered(b, inputs[0], axis);
  return {build::sub(b, c, build::log(b, build::reduce_sum(b, build::exp(b, c), axis, true)))};
}

Values vjp_log_softmax(Builder& b, const VjpCall& call) {
  ValueId dy = call.output_gradients[0];
  ValueId sum = build::reduce_sum(b, dy, {call.attrs.integer("axis")}, true);
  return {build::sub(b, dy, build::mul(b, build::exp(b, call.outputs[0]), sum))};
}

OpDef softmax_row(const char* name, const char* doc, decltype(OpDef::decompose) decompose, decltype(OpDef::vjp) vjp) {
  OpDef def;
  def.name = name;
  def.doc = doc;
  def.inputs = {{"x", "x: any shape"}};
  def.outputs = {"y"};
  def.attrs = {integer_attr("axis", "which axis, the batch being 0", 1)};
  def.infer = infer_softmax;
  def.arithmetic = Arithmetic::unrounded;
  def.vjp = vjp;
  def.decompose = decompose;
  def.samples = [] {
    return std::vector<OpSample>{{"classes", {reals({4, 7}, -3, 3)}, {}},
                                 {"last", {reals({2, 3, 5})}, {{"axis", int64_t{2}}}},
                                 {"large", {reals({3, 4}, -500, 500)}, {}}};
  };
  return def;
}

// ---- layer norm

// x's last axes, of which gamma says how many.
Ints normalised_axes(Builder& b, size_t rank, ValueId gamma) {
  Ints axes;
  for (size_t i = rank - b.type(gamma).shape.size(); i < rank; ++i) axes.push_back(static_cast<int64_t>(i));
  return axes;
}

std::vector<TensorType> infer_layer_norm(const OpCall& call) {
  check::floating(call, 0);
  check::at_least_rank(call, 0, 2, "a tensor with axes");
  const Shape &x = call.inputs[0].shape, &gamma = call.inputs[1].shape;
  if (gamma.empty() || gamma.size() >= x.size())
    throw OpError("E0205", "takes parameters of its last axes, got " + to_string(gamma));
  Shape normalised(x.end() - static_cast<std::ptrdiff_t>(gamma.size()), x.end());
  for (size_t i : {1, 2}) {
    check::same_dtype(call, 0, i);
    check::shape(call, i, normalised, i == 1 ? "gamma" : "beta");
  }
  double epsilon = call.attrs.real("epsilon");
  check::require_argument(epsilon >= 0 && epsilon < 1, "`epsilon` must be from 0 to 1", "epsilon");
  return {call.inputs[0]};
}

// A parameter of the last axes with x's rank.
ValueId with_rank(Builder& b, ValueId parameter, size_t rank) {
  Shape shape = b.type(parameter).shape;
  shape.insert(shape.begin(), rank - shape.size(), 1);
  return build::reshape(b, parameter, shape);
}

// The normalised x and 1 / its standard deviation, by two passes: mean, then variance.
struct Normalised {
  ValueId x, inverse_std;
};
Normalised normalise(Builder& b, ValueId x, const Ints& axes, double epsilon) {
  ValueId c = build::sub(b, x, build::reduce_mean(b, x, axes, true));
  ValueId variance = build::reduce_mean(b, build::square(b, c), axes, true);
  ValueId r = build::rsqrt(b, build::add(b, variance, epsilon));
  return {build::mul(b, c, r), r};
}

Values decompose_layer_norm(Builder& b, const Attrs& attrs, const Values& inputs) {
  size_t rank = b.type(inputs[0]).shape.size();
  Normalised n = normalise(b, inputs[0], normalised_axes(b, rank, inputs[1]), attrs.real("epsilon"));
  return {build::add(b, build::mul(b, n.x, with_rank(b, inputs[1], rank)), with_rank(b, inputs[2], rank))};
}

// With g = dy * gamma and n = normalised x: dx = r * (g - mean(g) - n * mean(g * n)).
Values vjp_layer_norm(Builder& b, const VjpCall& call) {
  ValueId x = call.inputs[0], dy = call.output_gradients[0];
  size_t rank = b.type(x).shape.size();
  Ints axes = normalised_axes(b, rank, call.inputs[1]), others = build::axes_except(rank, axes);
  Normalised n = normalise(b, x, axes, call.attrs.real("epsilon"));
  ValueId g = build::mul(b, dy, with_rank(b, call.inputs[1], rank));
  ValueId projection = build::reduce_mean(b, build::mul(b, g, n.x), axes, true);
  ValueId rest = build::sub(b, build::sub(b, g, build::reduce_mean(b, g, axes, true)), build::mul(b, n.x, projection));
  return {build::mul(b, n.inverse_std, rest), build::reduce_sum(b, build::mul(b, dy, n.x), others),
          build::reduce_sum(b, dy, others)};
}

OpDef layer_norm_row() {
  OpDef def;
  def.name = "layer_norm";
  def.doc = "y = gamma * (x - mean) / sqrt(variance + epsilon) + beta over the last axes of a sample, as many as gamma has (Ba et al. 2016).";
  def.inputs = {{"x", "x: [N, ...]"}, {"gamma", "gamma: of the last axes"}, {"beta", "beta: of the last axes"}};
  def.outputs = {"y"};
  def.attrs = {real_attr("epsilon", "added to the variance", 1e-5)};
  def.infer = infer_layer_norm;
  def.vjp = vjp_layer_norm;
  def.decompose = decompose_layer_norm;
  def.samples = [] {
    return std::vector<OpSample>{
        {"vector", {reals({4, 7}), reals({7}, 0.5, 1.5), reals({7})}, {}},
        {"last", {reals({2, 3, 5}), reals({5}, 0.5, 1.5), reals({5})}, {{"epsilon", 1e-3}}},
        {"image", {reals({2, 3, 2, 4}), reals({3, 2, 4}, 0.5, 1.5), reals({3, 2, 4})}, {}}};
  };
  return def;
}

// ---- local response norm

std::vector<TensorType> infer_window_sum(const OpCall& call) {
  check::floating(call, 0);
  check::at_least_rank(call, 0, 2, "a tensor with channels");
  int64_t size = check::integer_between(call, "size", 1);
  check::integer_between(call, "before", 0, size - 1);
  return {call.inputs[0]};
}

LoopNest scalar_window_sum(const OpCall& call) {
  const Shape& shape = call.outputs[0].shape;
  LoopNest nest = reduce_over(shape, {call.attrs.integer("size")});
  Dag& d = nest.dag;
  std::vector<ExprId> indices = axes_of(d, shape.size());
  ExprId k = d.axis(nest.parallel);
  indices[1] = d.index_sub(d.index_add(indices[1], k), d.index(call.attrs.integer("before")));
  ExprId inside = d.in_range(indices[1], shape[1]);
  nest.reductions = {{ReduceKind::sum, d.load(0, std::move(indices), inside)}};
  nest.stores = {{0, d.reduced(0)}};
  return nest;
}

ValueId window_sum(Builder& b, ValueId x, int64_t size, int64_t before) {
  return b.emit(op("channel_window_sum"), {x}, {{"size", size}, {"before", before}});
}

Values vjp_window_sum(Builder& b, const VjpCall& call) {
  int64_t size = call.attrs.integer("size");
  return {window_sum(b, call.output_gradients[0], size, size - 1 - call.attrs.integer("before"))};
}

OpDef window_sum_row() {
  OpDef def;
  def.name = "channel_window_sum";
  def.doc = "y[c] = the sum of x over channels c - before to c - before + size - 1, where they exist.";
  def.inputs = {{"x", "x: [N, C, ...]"}};
  def.outputs = {"y"};
  def.attrs = {integer_attr("size", "channels of a window"), integer_attr("before", "channels before the own one")};
  def.infer = infer_window_sum;
  def.vjp = vjp_window_sum;
  def.scalar = scalar_window_sum;
  def.samples = [] {
    return std::vector<OpSample>{{"odd", {reals({2, 7, 3, 2})}, {{"size", int64_t{5}}, {"before", int64_t{2}}}},
                                 {"even", {reals({2, 3})}, {{"size", int64_t{4}}, {"before", int64_t{2}}}}};
  };
  return def;
}

std::vector<TensorType> infer_response_norm(const OpCall& call) {
  check::floating(call, 0);
  check::at_least_rank(call, 0, 3, "[C, H, W]");
  check::integer_between(call, "size", 1);
  double beta = call.attrs.real("beta");
  check::require_argument(beta > 0 && beta <= 32, "`beta` must be above 0 and at most 32", "beta");
  return {call.inputs[0]};
}

// k + alpha / size * the sum of squares over neighbouring channels.
ValueId response(Builder& b, const Attrs& attrs, ValueId x) {
  int64_t size = attrs.integer("size");
  ValueId squares = window_sum(b, build::square(b, x), size, size / 2);
  return build::add(b, build::mul(b, squares, attrs.real("alpha") / static_cast<double>(size)), attrs.real("k"));
}

Values decompose_response_norm(Builder& b, const Attrs& attrs, const Values& inputs) {
  return {build::mul(b, inputs[0], build::pow(b, response(b, attrs, inputs[0]), -attrs.real("beta")))};
}

// With s the response and p = s^-beta: dx = dy * p - 2 alpha beta / size * x * W'(dy * x * p / s), W' the window
// sum's transpose.
Values vjp_response_norm(Builder& b, const VjpCall& call) {
  ValueId x = call.inputs[0], dy = call.output_gradients[0], s = response(b, call.attrs, x);
  double alpha = call.attrs.real("alpha"), beta = call.attrs.real("beta");
  int64_t size = call.attrs.integer("size");
  ValueId direct = build::mul(b, dy, build::pow(b, s, -beta));
  ValueId through = window_sum(b, build::div(b, build::mul(b, direct, x), s), size, size - 1 - size / 2);
  ValueId factor = build::mul(b, x, 2 * alpha * beta / static_cast<double>(size));
  return {build::sub(b, direct, build::mul(b, factor, through))};
}

OpDef response_norm_row() {
  OpDef def;
  def.name = "local_response_norm";
  def.doc = "y = x * (k + alpha / size * sum of x^2 over `size` neighbouring channels)^-beta (Krizhevsky et al. 2012).";
  def.inputs = {{"x", "x: [N, C, ...]"}};
  def.outputs = {"y"};
  def.attrs = {integer_attr("size", "channels that count"), real_attr("alpha", "weight of the squares", 1e-4),
               real_attr("beta", "exponent", 0.75), real_attr("k", "added", 1)};
  def.infer = infer_response_norm;
  def.vjp = vjp_response_norm;
  def.decompose = decompose_response_norm;
  def.samples = [] {
    return std::vector<OpSample>{
        {"odd", {reals({2, 7, 3, 2})}, {{"size", int64_t{5}}, {"alpha", 0.5}, {"k", 2.0}}},
        {"even", {reals({2, 5, 2, 2})}, {{"size", int64_t{4}}, {"alpha", 1.0}, {"beta", 0.5}}},
        {"wide", {reals({1, 2, 2, 2})}, {{"size", int64_t{7}}, {"alpha", 1.0}}}};
  };
  return def;
}

}  // namespace

std::vector<OpDef> normalize_ops() {
  return {softmax_row("softmax", "y = e^x / the sum of e^x along an axis, without overflow.", decompose_softmax,
                      vjp_softmax),
          softmax_row("log_softmax", "y = x - ln of the sum of e^x along an axis, without overflow.",
                      decompose_log_softmax, vjp_log_softmax),
          layer_norm_row(), window_sum_row(), response_norm_row()};
}

}  // namespace netc
