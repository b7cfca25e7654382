// Losses against a target for every class, [C] a sample: what mixed samples, class weights and ignored labels make of a
// label (compiler/sema/objective.cpp), and losses for independent classes.
#include "compiler/ops/families.h"
#include "compiler/ops/loss_parts.h"

namespace netc {
namespace {

using Values = std::vector<ValueId>;

std::vector<TensorType> infer_against_target(const OpCall& call) {
  check::floating(call, 0);
  check::same_dtype(call, 0, 1);
  check::rank(call, 0, 2, "one score a class, [C]");
  if (call.inputs[0].shape != call.inputs[1].shape)
    check::refuse_shapes("the scores and their targets differ", call.inputs[0].shape, call.inputs[1].shape);
  is_mean(call.attrs);
  return {{call.inputs[0].dtype, {}}};
}

// The sum over valid samples of rows [N, C], each class counting `share`.
Values reduce_rows(Builder& b, const Attrs& attrs, ValueId elements, double share) {
  return {b.emit(op("sum_valid"), {share == 1 ? elements : build::mul(b, elements, share)},
                 {{"reduction", attrs.text("reduction")}})};
}

std::vector<OpSample> samples_against_target(double low, double high) {
  return {{"plain", {reals({5, 7}, low, high), reals({5, 7}, 0, 1)}, {}},
          {"sum", {reals({3, 4}, low, high), reals({3, 4}, 0, 1)}, {{"reduction", std::string("sum")}}}};
}

OpDef against_target(const char* name, const char* doc) {
  OpDef def;
  def.name = name;
  def.doc = doc;
  def.inputs = {{"logits", "logits: [N, C]"}, {"target", "target: [N, C]"}};
  def.outputs = {"loss"};
  def.attrs = {reduction_attr()};
  def.infer = infer_against_target;
  return def;
}

// ---- cross_entropy_against

struct LogSoftmax {
  ValueId centered, sum;  // relative to the row's greatest: never overflows
};
LogSoftmax softmax_parts(Builder& b, ValueId logits) {
  ValueId centered = build::sub(b, logits, build::reduce_max(b, logits, {1}, true));
  return {centered, build::reduce_sum(b, build::exp(b, centered), {1}, true)};
}

// log(sum) - centered: minus the logarithms of the probabilities.
ValueId negative_log(Builder& b, const LogSoftmax& softmax) {
  return build::sub(b, build::log(b, softmax.sum), softmax.centered);
}

Values decompose_cross_entropy_against(Builder& b, const Attrs& attrs, const Values& inputs) {
  // A select keeps 0 * inf out of the sum.
  ValueId terms = build::mul(b, inputs[1], negative_log(b, softmax_parts(b, inputs[0])));
  return reduce_rows(b, attrs, build::select(b, inputs[1], terms, build::number(b, 0, terms)), 1);
}

Values vjp_cross_entropy_against(Builder& b, const VjpCall& call) {
  const ValueId logits = call.inputs[0], target = call.inputs[1];
  const LogSoftmax softmax = softmax_parts(b, logits);
  const ValueId weight = sample_weight(b, call.output_gradients[0], b.type(logits).shape, call.attrs);
  ValueId probabilities = build::div(b, build::exp(b, softmax.centered), softmax.sum);
  ValueId expected = build::mul(b, probabilities, build::reduce_sum(b, target, {1}, true));
  return {build::mul(b, build::sub(b, expected, target), weight),
          build::mul(b, negative_log(b, softmax), build::broadcast(b, weight, b.type(logits).shape))};
}

OpDef cross_entropy_against_row() {
  OpDef def = against_target("cross_entropy_against",
                             "The mean (or sum) over valid samples of -sum over c of target[c] * log softmax(logits)[c].");
  def.vjp = vjp_cross_entropy_against;
  def.decompose = decompose_cross_entropy_against;
  def.samples = [] { return samples_against_target(-3, 3); };
  return def;
}

// ---- binary_cross_entropy

// max(x, 0) - x t + log(1 + e^-|x|), which neither overflows nor loses digits.
Values decompose_binary_cross_entropy(Builder& b, const Attrs& attrs, const Values& inputs) {
  const ValueId x = inputs[0];
  ValueId small = build::exp(b, build::neg(b, b.emit(op("abs"), {x})));
  ValueId terms = build::sub(b, build::relu(b, x), build::mul(b, x, inputs[1]));
  terms = build::add(b, terms, build::log(b, build::add(b, small, 1)));
  return reduce_rows(b, attrs, terms, sample_share(b.type(x).shape));
}

Values vjp_binary_cross_entropy(Builder& b, const VjpCall& call) {
  const ValueId x = call.inputs[0];
  const Shape shape = b.type(x).shape;
  ValueId weight = sample_weight(b, call.output_gradients[0], shape, call.attrs);
  weight = build::mul(b, weight, sample_share(shape));
  ValueId difference = build::sub(b, b.emit(op("sigmoid"), {x}), call.inputs[1]);
  return {build::mul(b, difference, weight), build::neg(b, build::mul(b, x, weight))};
}

OpDef binary_cross_entropy_row() {
  OpDef def = against_target(
      "binary_cross_entropy",
      "The mean (or sum) over valid samples of the mean over classes of -t log s(x) - (1 - t) log(1 - s(x)), s the logistic "
      "function: every class is a question of its own.");
  def.vjp = vjp_binary_cross_entropy;
  def.decompose = decompose_binary_cross_entropy;
  def.samples = [] { return samples_against_target(-4, 4); };
  return def;
}

// ---- smooth_l1

double beta_of(const Attrs& attrs) {
  const double beta = attrs.real("beta");
  check::require_argument(beta > 0, "`beta` must be above 0", "beta");
  return beta;
}

std::vector<TensorType> infer_smooth_l1(const OpCall& call) {
  beta_of(call.attrs);
  return infer_against_target(call);
}

// With c = d clamped to -beta..beta: c (d - c / 2) / beta is d^2 / (2 beta) within and |d| - beta / 2 beyond.
ValueId clamped_difference(Builder& b, ValueId d, double beta) {
  return build::maximum(b, build::minimum(b, d, build::number(b, beta, d)), build::number(b, -beta, d));
}

Values decompose_smooth_l1(Builder& b, const Attrs& attrs, const Values& inputs) {
  const double beta = beta_of(attrs);
  ValueId d = build::sub(b, inputs[0], inputs[1]);
  ValueId c = clamped_difference(b, d, beta);
  ValueId terms = build::mul(b, build::mul(b, c, build::sub(b, d, build::mul(b, c, 0.5))), 1 / beta);
  return reduce_rows(b, attrs, terms, sample_share(b.type(d).shape));
}

Values vjp_smooth_l1(Builder& b, const VjpCall& call) {
  const Shape shape = b.type(call.inputs[0]).shape;
  const double beta = beta_of(call.attrs);
  ValueId c = clamped_difference(b, build::sub(b, call.inputs[0], call.inputs[1]), beta);
  ValueId weight = sample_weight(b, call.output_gradients[0], shape, call.attrs);
  ValueId dx = build::mul(b, c, build::mul(b, weight, sample_share(shape) / beta));
  return {dx, build::neg(b, dx)};
}

OpDef smooth_l1_row() {
  OpDef def = against_target("smooth_l1",
                             "The mean (or sum) over valid samples of the mean over classes of d^2 / (2 beta) where |d| < beta, else "
                             "|d| - beta / 2, d = x - target (Girshick 2015).");
  def.attrs = {real_attr("beta", "where squares end and the line begins", 1), reduction_attr()};
  def.infer = infer_smooth_l1;
  def.vjp = vjp_smooth_l1;
  def.decompose = decompose_smooth_l1;
  def.samples = [] {
    return std::vector<OpSample>{{"plain", {reals({5, 7}, -3, 3), reals({5, 7}, 0, 1)}, {}},
                                 {"beta", {reals({3, 4}, -1, 1), reals({3, 4}, 0, 1)}, {{"beta", 0.25}}}};
  };
  return def;
}

}  // namespace

std::vector<OpDef> target_loss_ops() { return {cross_entropy_against_row(), binary_cross_entropy_row(), smooth_l1_row()}; }

}  // namespace netc
