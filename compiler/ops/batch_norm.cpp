// Batch normalisation (Ioffe and Szegedy 2015). Channels are axis 1 of [N, C, ...].
//
// Training, after decomposition: one pass for the sums of (x - c) and (x - c)^2 with c the running
// mean (so that they do not cancel), one small node on [C] that finalises them, and one map
// y = scale[c] * x + shift[c]. The gradient: one pass for two sums, one small node, one map. The sums may be
// taken in the epilogue of x's producer and the map in that of a later kernel.
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

constexpr const char* kDecomposed = "made by decomposition, which follows differentiation";

// Elements of a channel.
int64_t channel_count(const Shape& x) { return element_count(x) / x[1]; }

// Input 0 is [N, C, ...]; inputs first..last are [C]. Returns [C].
Shape check_channels(const OpCall& call, size_t first, size_t last) {
  check::floating(call, 0);
  check::at_least_rank(call, 0, 2, "[C] or [C, H, W]");
  Shape channels{call.inputs[0].shape[1]};
  for (size_t i = first; i <= last; ++i) {
    check::floating(call, i);
    check::shape(call, i, channels, "a parameter of each channel");
  }
  return channels;
}

void check_epsilon(const OpCall& call) {
  double epsilon = call.attrs.real("epsilon");
  check::require_argument(epsilon >= 0 && epsilon < 1, "`epsilon` must be from 0 to 1", "epsilon");
}

// Small nodes over [C]: all inputs and outputs have that shape.
std::vector<TensorType> infer_per_channel(const OpCall& call, size_t outputs) {
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    check::floating(call, i);
    check::rank(call, i, 1, "a number of each channel");
    check::shape(call, i, call.inputs[0].shape, "a number of each channel");
  }
  check::integer_between(call, "count", 1, int64_t{1} << 50);
  return std::vector<TensorType>(outputs, {DType::f32, call.inputs[0].shape});
}

OpDef row(const char* name, const char* doc, std::vector<InputDef> inputs, std::vector<std::string> outputs) {
  OpDef def;
  def.name = name;
  def.doc = doc;
  def.inputs = std::move(inputs);
  def.outputs = std::move(outputs);
  return def;
}

AttrDef epsilon_attr() { return real_attr("epsilon", "added to the variance", 1e-5); }
AttrDef count_attr() { return integer_attr("count", "elements of a channel"); }

InputDef channel_input(const char* name) { return {name, std::string(name) + ": [C]"}; }

// A nest over [C] that reduces the other axes of x: [N, C, ...]; `element` are x's indices.
LoopNest channel_sums(const Shape& x, std::vector<ExprId> (*bodies)(Dag&, const std::vector<ExprId>& element)) {
  Shape reduced{x[0]};
  reduced.insert(reduced.end(), x.begin() + 2, x.end());
  LoopNest nest = reduce_over({x[1]}, reduced);
  Dag& d = nest.dag;
  std::vector<ExprId> element = axes_of(d, x.size() - 2, 2);
  element.insert(element.begin(), {d.axis(1), d.axis(0)});
  for (ExprId body : bodies(d, element)) {
    int number = static_cast<int>(nest.reductions.size());
    nest.reductions.push_back({ReduceKind::sum, body});
    nest.stores.push_back({number, d.reduced(number)});
  }
  return nest;
}

// ---- training, forward

std::vector<TensorType> infer_batch_norm(const OpCall& call) {
  Shape channels = check_channels(call, 1, 4);
  check_epsilon(call);
  double momentum = call.attrs.real("momentum");
  check::require_argument(momentum >= 0 && momentum <= 1, "`momentum` must be from 0 to 1", "momentum");
  TensorType per_channel{DType::f32, channels};
  return {call.inputs[0], per_channel, per_channel, per_channel, per_channel};
}

Values decompose_batch_norm(Builder& b, const Attrs& attrs, const Values& inputs) {
  ValueId x = inputs[0], gamma = inputs[1], beta = inputs[2], running_mean = inputs[3], running_variance = inputs[4];
  Values sums = b.emit_all(op("batch_norm_sums"), {x, running_mean});
  Attrs statistics = attrs;
  statistics.set("count", channel_count(b.type(x).shape));
  Values s = b.emit_all(op("batch_norm_statistics"), {sums[0], sums[1], gamma, beta, running_mean, running_variance},
                        statistics);
  return {b.emit(op("channel_affine"), {x, s[0], s[1]}), s[2], s[3], s[4], s[5]};
}

Values vjp_batch_norm(Builder& b, const VjpCall& call) {
  if (!call.output_gradients[0].valid()) return Values(5);
  Values gradients = b.emit_all(op("batch_norm_gradient"),
                                {call.output_gradients[0], call.inputs[0], call.inputs[1], call.outputs[3], call.outputs[4]});
  gradients.resize(5);  // the running statistics are not differentiated
  return gradients;
}

OpDef batch_norm_row() {
  OpDef def = row("batch_norm",
                  "y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, with mean and (biased) variance of each "
                  "channel over the batch; the running ones become (1 - momentum) * old + momentum * new, with the "
                  "unbiased variance (Ioffe and Szegedy 2015).",
                  {{"x", "x: [N, C, ...]"}, channel_input("gamma"), channel_input("beta"), channel_input("running_mean"),
                   channel_input("running_variance")},
                  {"y", "running_mean", "running_variance", "mean", "inverse_std"});
  def.attrs = {epsilon_attr(), real_attr("momentum", "the weight of the new statistics", 0.1)};
  def.infer = infer_batch_norm;
  def.vjp = vjp_batch_norm;
  def.decompose = decompose_batch_norm;
  def.state_updates = {{3, 1}, {4, 2}};
  def.samples = [] {
    auto sample = [](const char* name, Shape x, Attrs attrs) {
      Shape c{x[1]};
      return OpSample{name, {reals(x, -1, 2), reals(c, 0.5, 1.5), reals(c), reals(c, 0, 0.5), reals(c, 0.5, 2)}, attrs};
    };
    return std::vector<OpSample>{sample("image", {3, 4, 3, 5}, {}),
                                 sample("vector", {7, 3}, {{"epsilon", 1e-3}, {"momentum", 0.3}}),
                                 sample("one_channel", {2, 1, 3, 3}, {})};
  };
  return def;
}

std::vector<TensorType> infer_sums(const OpCall& call) {
  Shape channels = check_channels(call, 1, 1);
  return {{DType::f32, channels}, {DType::f32, channels}};
}

LoopNest scalar_sums(const OpCall& call) {
  return channel_sums(call.inputs[0].shape, [](Dag& d, const std::vector<ExprId>& element) {
    ExprId centered = d.sub(d.load(0, element), d.load(1, {element[1]}));
    return std::vector<ExprId>{centered, d.mul(centered, centered)};
  });
}

OpDef sums_row() {
  OpDef def = row("batch_norm_sums", "For each channel the sums of (x - center) and of (x - center)^2.",
                  {{"x", "x: [N, C, ...]"}, channel_input("center")}, {"sum", "squares"});
  def.infer = infer_sums;
  def.no_gradient = kDecomposed;
  def.scalar = scalar_sums;
  def.samples = [] {
    return std::vector<OpSample>{{"image", {reals({2, 3, 4, 5}), reals({3})}, {}}, {"vector", {reals({5, 2}), reals({2})}, {}}};
  };
  return def;
}

LoopNest scalar_statistics(const OpCall& call) {
  LoopNest nest = map_over(call.outputs[0].shape);
  Dag& d = nest.dag;
  auto in = [&](int operand) { return d.load(operand, {d.axis(0)}); };
  ExprId gamma = in(2), beta = in(3), old_mean = in(4), old_variance = in(5);
  double count = static_cast<double>(call.attrs.integer("count")), momentum = call.attrs.real("momentum");
  ExprId offset = d.div(in(0), d.real(count));  // mean - center
  ExprId mean = d.add(old_mean, offset);
  ExprId variance = d.max(d.sub(d.div(in(1), d.real(count)), d.mul(offset, offset)), d.real(0));
  ExprId inverse_std =
      d.div(d.real(1), d.unary(ExprKind::sqrt, d.add(variance, d.real(call.attrs.real("epsilon")))));
  ExprId scale = d.mul(gamma, inverse_std), shift = d.sub(beta, d.mul(mean, scale));
  ExprId unbiased = d.mul(variance, d.real(count / std::max(count - 1, 1.0)));
  auto blend = [&](ExprId old, ExprId fresh) {
    return d.add(d.mul(d.real(1 - momentum), old), d.mul(d.real(momentum), fresh));
  };
  nest.stores = {{0, scale}, {1, shift}, {2, blend(old_mean, mean)}, {3, blend(old_variance, unbiased)},
                 {4, mean},  {5, inverse_std}};
  return nest;
}

OpDef statistics_row() {
  OpDef def = row("batch_norm_statistics",
                  "Batch norm's numbers of each channel from its sums: y = scale * x + shift, the new running statistics, "
                  "mean and 1 / sqrt(variance + epsilon).",
                  {channel_input("sum"), channel_input("squares"), channel_input("gamma"), channel_input("beta"),
                   channel_input("running_mean"), channel_input("running_variance")},
                  {"scale", "shift", "running_mean", "running_variance", "mean", "inverse_std"});
  def.attrs = {epsilon_attr(), real_attr("momentum", "the weight of the new statistics", 0.1), count_attr()};
  def.infer = [](const OpCall& call) { return infer_per_channel(call, 6); };
  def.no_gradient = kDecomposed;
  def.scalar = scalar_statistics;
  def.samples = [] {
    return std::vector<OpSample>{{"plain",
                                  {reals({3}), reals({3}, 5, 10), reals({3}), reals({3}), reals({3}), reals({3}, 0, 1)},
                                  {{"count", int64_t{12}}}}};
  };
  return def;
}

std::vector<TensorType> infer_channel_affine(const OpCall& call) {
  check_channels(call, 1, 2);
  return {call.inputs[0]};
}

LoopNest scalar_channel_affine(const OpCall& call) {
  LoopNest nest = map_over(call.outputs[0].shape);
  Dag& d = nest.dag;
  ExprId x = load_same(d, 0, call.inputs[0].shape), scale = d.load(1, {d.axis(1)}), shift = d.load(2, {d.axis(1)});
  nest.stores = {{0, d.add(d.mul(scale, x), shift)}};
  return nest;
}

OpDef channel_affine_row() {
  OpDef def = row("channel_affine", "y = scale[c] * x + shift[c].",
                  {{"x", "x: [N, C, ...]"}, channel_input("scale"), channel_input("shift")}, {"y"});
  def.infer = infer_channel_affine;
  def.no_gradient = kDecomposed;
  def.scalar = scalar_channel_affine;
  def.samples = [] {
    return std::vector<OpSample>{{"image", {reals({2, 3, 4, 5}), reals({3}), reals({3})}, {}},
                                 {"vector", {reals({5, 2}), reals({2}), reals({2})}, {}}};
  };
  return def;
}

// ---- training, backward

std::vector<TensorType> infer_gradient(const OpCall& call) {
  check::shape(call, 1, call.inputs[0].shape, "x");
  Shape channels = check_channels(call, 2, 4);
  return {call.inputs[0], {DType::f32, channels}, {DType::f32, channels}};
}

// With xc = x - mean and r = inverse_std, over m elements:
//   dbeta = sum dy,  dgamma = r * sum dy*xc,  dx = gamma*r * (dy - sum dy / m - xc * r^2 * sum dy*xc / m).
Values decompose_gradient(Builder& b, const Attrs&, const Values& inputs) {
  ValueId dy = inputs[0], x = inputs[1], gamma = inputs[2], mean = inputs[3], inverse_std = inputs[4];
  Values sums = b.emit_all(op("batch_norm_gradient_sums"), {dy, x, mean});
  Values s = b.emit_all(op("batch_norm_gradient_statistics"), {sums[0], sums[1], gamma, inverse_std},
                        {{"count", channel_count(b.type(x).shape)}});
  ValueId dx = b.emit(op("batch_norm_gradient_apply"), {dy, x, mean, s[0], s[1], s[2]});
  return {dx, s[3], sums[0]};
}

OpDef gradient_row() {
  OpDef def = row("batch_norm_gradient", "The gradients of batch_norm with respect to x, gamma and beta.",
                  {{"dy", "dy: [N, C, ...]"}, {"x", "x: of dy's shape"}, channel_input("gamma"), channel_input("mean"),
                   channel_input("inverse_std")},
                  {"dx", "dgamma", "dbeta"});
  def.infer = infer_gradient;
  def.no_gradient = kFirstOrderOnly;
  def.decompose = decompose_gradient;
  def.samples = [] {
    return std::vector<OpSample>{
        {"image", {reals({2, 3, 4, 5}), reals({2, 3, 4, 5}), reals({3}), reals({3}), reals({3}, 0.5, 2)}, {}}};
  };
  return def;
}

std::vector<TensorType> infer_gradient_sums(const OpCall& call) {
  check::shape(call, 1, call.inputs[0].shape, "x");
  Shape channels = check_channels(call, 2, 2);
  return {{DType::f32, channels}, {DType::f32, channels}};
}

LoopNest scalar_gradient_sums(const OpCall& call) {
  return channel_sums(call.inputs[0].shape, [](Dag& d, const std::vector<ExprId>& element) {
    ExprId dy = d.load(0, element), centered = d.sub(d.load(1, element), d.load(2, {element[1]}));
    return std::vector<ExprId>{dy, d.mul(dy, centered)};
  });
}

OpDef gradient_sums_row() {
  OpDef def = row("batch_norm_gradient_sums", "For each channel the sums of dy and of dy * (x - mean).",
                  {{"dy", "dy: [N, C, ...]"}, {"x", "x: of dy's shape"}, channel_input("mean")}, {"sum", "projection"});
  def.infer = infer_gradient_sums;
  def.no_gradient = kFirstOrderOnly;
  def.scalar = scalar_gradient_sums;
  def.samples = [] {
    return std::vector<OpSample>{{"image", {reals({2, 3, 4, 5}), reals({2, 3, 4, 5}), reals({3})}, {}}};
  };
  return def;
}

LoopNest scalar_gradient_statistics(const OpCall& call) {
  LoopNest nest = map_over(call.outputs[0].shape);
  Dag& d = nest.dag;
  auto in = [&](int operand) { return d.load(operand, {d.axis(0)}); };
  ExprId sum = in(0), projection = in(1), gamma = in(2), r = in(3);
  ExprId count = d.real(static_cast<double>(call.attrs.integer("count")));
  ExprId dgamma = d.mul(r, projection), a = d.mul(gamma, r);
  ExprId b = d.unary(ExprKind::neg, d.div(d.mul(d.mul(a, r), dgamma), count));
  ExprId e = d.unary(ExprKind::neg, d.div(d.mul(a, sum), count));
  nest.stores = {{0, a}, {1, b}, {2, e}, {3, dgamma}};
  return nest;
}

OpDef gradient_statistics_row() {
  OpDef def = row("batch_norm_gradient_statistics",
                  "Batch norm's gradient of each channel from its sums: dx = a * dy + b * (x - mean) + e, and dgamma.",
                  {channel_input("sum"), channel_input("projection"), channel_input("gamma"), channel_input("inverse_std")},
                  {"a", "b", "e", "dgamma"});
  def.attrs = {count_attr()};
  def.infer = [](const OpCall& call) { return infer_per_channel(call, 4); };
  def.no_gradient = kFirstOrderOnly;
  def.scalar = scalar_gradient_statistics;
  def.samples = [] {
    return std::vector<OpSample>{
        {"plain", {reals({3}), reals({3}), reals({3}), reals({3}, 0.5, 2)}, {{"count", int64_t{12}}}}};
  };
  return def;
}

std::vector<TensorType> infer_gradient_apply(const OpCall& call) {
  check::shape(call, 1, call.inputs[0].shape, "x");
  check_channels(call, 2, 5);
  return {call.inputs[0]};
}

LoopNest scalar_gradient_apply(const OpCall& call) {
  const Shape& shape = call.outputs[0].shape;
  LoopNest nest = map_over(shape);
  Dag& d = nest.dag;
  auto channel = [&](int operand) { return d.load(operand, {d.axis(1)}); };
  ExprId dy = load_same(d, 0, shape), centered = d.sub(load_same(d, 1, shape), channel(2));
  nest.stores = {{0, d.add(d.add(d.mul(channel(3), dy), d.mul(channel(4), centered)), channel(5))}};
  return nest;
}

OpDef gradient_apply_row() {
  OpDef def = row("batch_norm_gradient_apply", "dx = a[c] * dy + b[c] * (x - mean[c]) + e[c].",
                  {{"dy", "dy: [N, C, ...]"}, {"x", "x: of dy's shape"}, channel_input("mean"), channel_input("a"),
                   channel_input("b"), channel_input("e")},
                  {"dx"});
  def.infer = infer_gradient_apply;
  def.no_gradient = kFirstOrderOnly;
  def.scalar = scalar_gradient_apply;
  def.samples = [] {
    return std::vector<OpSample>{
        {"image", {reals({2, 3, 4, 5}), reals({2, 3, 4, 5}), reals({3}), reals({3}), reals({3}), reals({3})}, {}}};
  };
  return def;
}

// ---- inference

std::vector<TensorType> infer_inference(const OpCall& call) {
  check_channels(call, 1, 4);
  check_epsilon(call);
  return {call.inputs[0]};
}

ValueId inverse_std(Builder& b, ValueId variance, const Attrs& attrs) {
  return build::rsqrt(b, build::add(b, variance, attrs.real("epsilon")));
}

Values decompose_inference(Builder& b, const Attrs& attrs, const Values& inputs) {
  ValueId scale = build::mul(b, inputs[1], inverse_std(b, inputs[4], attrs));
  ValueId shift = build::sub(b, inputs[2], build::mul(b, inputs[3], scale));
  return {b.emit(op("channel_affine"), {inputs[0], scale, shift})};
}

// The statistics are constants: gradients go to x, gamma and beta.
Values vjp_inference(Builder& b, const VjpCall& call) {
  ValueId dy = call.output_gradients[0], r = inverse_std(b, call.inputs[4], call.attrs);
  Shape channel(b.type(dy).shape.size(), 1);
  channel[1] = b.type(dy).shape[1];
  Values sums = b.emit_all(op("batch_norm_gradient_sums"), {dy, call.inputs[0], call.inputs[3]});
  ValueId dx = build::mul(b, dy, build::reshape(b, build::mul(b, call.inputs[1], r), channel));
  return {dx, build::mul(b, r, sums[1]), sums[0], ValueId{}, ValueId{}};
}

OpDef inference_row() {
  OpDef def = row("batch_norm_inference", "y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, of given statistics.",
                  {{"x", "x: [N, C, ...]"}, channel_input("gamma"), channel_input("beta"), channel_input("mean"),
                   channel_input("variance")},
                  {"y"});
  def.attrs = {epsilon_attr()};
  def.infer = infer_inference;
  def.vjp = vjp_inference;
  def.decompose = decompose_inference;
  def.samples = [] {
    return std::vector<OpSample>{
        {"image", {reals({2, 3, 4, 5}), reals({3}), reals({3}), reals({3}), reals({3}, 0.2, 2)}, {}},
        {"vector", {reals({4, 3}), reals({3}), reals({3}), reals({3}), reals({3}, 0.2, 2)}, {{"epsilon", 1e-3}}}};
  };
  return def;
}

}  // namespace

std::vector<OpDef> batch_norm_ops() {
  return {batch_norm_row(),          sums_row(),          statistics_row(),          channel_affine_row(),
          gradient_row(),            gradient_sums_row(), gradient_statistics_row(), gradient_apply_row(),
          inference_row()};
}

}  // namespace netc
