// Losses and what counts for metrics. Only the first `valid_count` samples of a batch count: the rest is
// padding of a partial batch (language rule 31).
#include "compiler/base/error.h"
#include "compiler/ops/families.h"
#include "compiler/ops/loss_parts.h"
#include "compiler/ops/nest.h"

namespace netc {
namespace {

using Values = std::vector<ValueId>;

// The number of samples by which a mean divides: at least 1, so that an empty batch gives 0.
ExprId valid_samples(Dag& d) {
  return d.from_index(d.index_max(d.scalar(IndexScalar::valid_count), d.index(1)));
}
ExprId is_valid(Dag& d, ExprId sample) { return d.index_less(sample, d.scalar(IndexScalar::valid_count)); }

// ---- sum_valid and its transpose

std::vector<TensorType> infer_sum_valid(const OpCall& call) {
  check::floating(call, 0);
  check::at_least_rank(call, 0, 1, "a value for each sample");
  is_mean(call.attrs);
  return {{call.inputs[0].dtype, {}}};
}

LoopNest scalar_sum_valid(const OpCall& call) {
  const Shape& shape = call.inputs[0].shape;
  LoopNest nest = reduce_over({}, shape);
  Dag& d = nest.dag;
  ExprId x = d.load(0, axes_of(d, shape.size()));
  nest.reductions = {{ReduceKind::sum, d.select(is_valid(d, d.axis(0)), x, d.real(0))}};
  ExprId sum = d.reduced(0);
  nest.stores = {{0, is_mean(call.attrs) ? d.div(sum, valid_samples(d)) : sum}};
  return nest;
}

Values vjp_sum_valid(Builder& b, const VjpCall& call) {
  const Shape shape = b.type(call.inputs[0]).shape;
  return {build::broadcast(b, sample_weight(b, call.output_gradients[0], shape, call.attrs), shape)};
}

OpDef sum_valid_row() {
  OpDef def;
  def.name = "sum_valid";
  def.doc = "The sum over everything of the valid samples; with reduction = mean, divided by their number.";
  def.inputs = {{"x", "x: [N, ...]"}};
  def.outputs = {"y"};
  def.attrs = {reduction_attr()};
  def.infer = infer_sum_valid;
  def.arithmetic = Arithmetic::unrounded;
  def.vjp = vjp_sum_valid;
  def.scalar = scalar_sum_valid;
  def.samples = [] {
    return std::vector<OpSample>{{"rows", {reals({5})}, {}},
                                 {"images", {reals({3, 4, 2})}, {{"reduction", std::string("sum")}}}};
  };
  return def;
}

std::vector<TensorType> infer_valid_weight(const OpCall& call) {
  check::floating(call, 0);
  check::shape(call, 0, {}, "the weight");
  const Shape& shape = call.attrs.ints("shape");
  check::require_argument(!shape.empty(), "`shape` must begin with the number of samples", "shape");
  check::count(shape);
  is_mean(call.attrs);
  return {{call.inputs[0].dtype, shape}};
}

LoopNest scalar_valid_weight(const OpCall& call) {
  LoopNest nest = map_over(call.outputs[0].shape);
  Dag& d = nest.dag;
  ExprId w = d.load(0, {});
  if (is_mean(call.attrs)) w = d.div(w, valid_samples(d));
  nest.stores = {{0, d.select(is_valid(d, d.axis(0)), w, d.real(0))}};
  return nest;
}

Values vjp_valid_weight(Builder& b, const VjpCall& call) {
  return {b.emit(op("sum_valid"), {call.output_gradients[0]}, {{"reduction", call.attrs.text("reduction")}})};
}

OpDef valid_weight_row() {
  OpDef def;
  def.name = "valid_weight";
  def.doc = "x for every valid sample (divided by their number with reduction = mean), 0 for the others.";
  def.inputs = {{"x", "x: []"}};
  def.outputs = {"y"};
  def.attrs = {ints_attr("shape", "y's shape, the batch first"), reduction_attr()};
  def.infer = infer_valid_weight;
  def.vjp = vjp_valid_weight;
  def.scalar = scalar_valid_weight;
  def.samples = [] {
    return std::vector<OpSample>{{"rows", {reals({})}, {{"shape", Ints{5}}}},
                                 {"sum", {reals({})}, {{"shape", Ints{4, 1}}, {"reduction", std::string("sum")}}}};
  };
  return def;
}

// ---- one_hot

std::vector<TensorType> infer_one_hot(const OpCall& call) {
  check::integral(call, 0);
  check::rank(call, 0, 1, "a class number for each sample");
  return {{DType::f32, {call.inputs[0].shape[0], check::integer_between(call, "classes", 1)}}};
}

LoopNest scalar_one_hot(const OpCall& call) {
  LoopNest nest = map_over(call.outputs[0].shape);
  Dag& d = nest.dag;
  ExprId is_label = d.index_equal(d.axis(1), d.index_load(0, {d.axis(0)}));
  nest.stores = {{0, d.select(is_label, d.real(call.attrs.real("on")), d.real(call.attrs.real("off")))}};
  return nest;
}

OpDef one_hot_row() {
  OpDef def;
  def.name = "one_hot";
  def.doc = "y[n, c] = `on` where c is the label of sample n, else `off`.";
  def.inputs = {{"labels", "labels: [N] integers"}};
  def.outputs = {"y"};
  def.attrs = {integer_attr("classes", "the number of classes"), real_attr("on", "at the label", 1),
               real_attr("off", "elsewhere", 0)};
  def.infer = infer_one_hot;
  def.no_gradient = "labels are not differentiable";
  def.scalar = scalar_one_hot;
  def.samples = [] {
    return std::vector<OpSample>{{"plain", {labels({5}, 4)}, {{"classes", int64_t{4}}}},
                                 {"smooth", {labels({3}, 7)}, {{"classes", int64_t{7}}, {"on", 0.9}, {"off", 0.1}}}};
  };
  return def;
}

// ---- cross_entropy

void check_logits(const OpCall& call) {
  check::floating(call, 0);
  check::rank(call, 0, 2, "one score a class, [C]");
  check::integral(call, 1);
  check::rank(call, 1, 1, "a class number for each sample");
  if (call.inputs[0].shape[0] != call.inputs[1].shape[0])
    check::refuse_shapes("logits and labels differ in samples", call.inputs[0].shape, call.inputs[1].shape);
}

std::vector<TensorType> infer_cross_entropy(const OpCall& call) {
  check_logits(call);
  double smoothing = call.attrs.real("label_smoothing");
  check::require_argument(smoothing >= 0 && smoothing <= 1, "`label_smoothing` must be from 0 to 1", "label_smoothing");
  is_mean(call.attrs);
  return {{call.inputs[0].dtype, {}}};
}

// Scores relative to the row's greatest, and the sum of their exponentials: never overflows.
struct Softmax {
  ValueId centered, sum;
};
Softmax softmax_parts(Builder& b, ValueId logits) {
  ValueId centered = build::sub(b, logits, build::reduce_max(b, logits, {1}, true));
  return {centered, build::reduce_sum(b, build::exp(b, centered), {1}, true)};
}

// The distribution that the network should give.
ValueId target(Builder& b, const Attrs& attrs, ValueId logits, ValueId labels) {
  int64_t classes = b.type(logits).shape[1];
  double smoothing = attrs.real("label_smoothing"), off = smoothing / static_cast<double>(classes);
  return build::cast(
      b, b.emit(op("one_hot"), {labels}, {{"classes", classes}, {"on", 1 - smoothing + off}, {"off", off}}),
      b.type(logits).dtype);
}

// -sum_c target[c] * log softmax(x)[c] = log(sum) - sum_c target[c] * centered[c].
Values decompose_cross_entropy(Builder& b, const Attrs& attrs, const Values& inputs) {
  Softmax softmax = softmax_parts(b, inputs[0]);
  ValueId weights = target(b, attrs, inputs[0], inputs[1]);
  // Without smoothing a select keeps 0 * -inf out of the sum.
  ValueId terms = attrs.real("label_smoothing") == 0
                      ? build::select(b, weights, softmax.centered, build::number(b, 0, weights))
                      : build::mul(b, weights, softmax.centered);
  ValueId rows = build::sub(b, build::log(b, softmax.sum), build::reduce_sum(b, terms, {1}, true));
  return {b.emit(op("sum_valid"), {rows}, {{"reduction", attrs.text("reduction")}})};
}

// softmax(x) - target, weighted; the softmax's parts are those of the forward pass (common subexpressions).
Values vjp_cross_entropy(Builder& b, const VjpCall& call) {
  ValueId logits = call.inputs[0];
  Softmax softmax = softmax_parts(b, logits);
  ValueId probabilities = build::div(b, build::exp(b, softmax.centered), softmax.sum);
  ValueId weight = sample_weight(b, call.output_gradients[0], b.type(logits).shape, call.attrs);
  ValueId difference = build::sub(b, probabilities, target(b, call.attrs, logits, call.inputs[1]));
  return {build::mul(b, difference, weight), ValueId{}};
}

OpDef cross_entropy_row() {
  OpDef def;
  def.name = "cross_entropy";
  def.doc =
      "The mean (or sum) over valid samples of -log softmax(logits)[label]; with label smoothing s, against "
      "(1 - s) * one_hot + s / C (Szegedy et al. 2016).";
  def.inputs = {{"logits", "logits: [N, C]"}, {"labels", "labels: [N] integers from 0 to C - 1"}};
  def.outputs = {"loss"};
  def.attrs = {real_attr("label_smoothing", "from 0 to 1", 0), reduction_attr()};
  def.infer = infer_cross_entropy;
  def.arithmetic = Arithmetic::unrounded;
  def.vjp = vjp_cross_entropy;
  def.decompose = decompose_cross_entropy;
  def.samples = [] {
    return std::vector<OpSample>{
        {"plain", {reals({5, 7}, -3, 3), labels({5}, 7)}, {}},
        {"smooth", {reals({3, 4}, -3, 3), labels({3}, 4)}, {{"label_smoothing", 0.1}}},
        {"sum", {reals({3, 4}, -30, 30), labels({3}, 4)}, {{"reduction", std::string("sum")}}}};
  };
  return def;
}

// ---- mse

std::vector<TensorType> infer_mse(const OpCall& call) {
  check::floating(call, 0);
  check::same_dtype(call, 0, 1);
  check::at_least_rank(call, 0, 1, "a value for each sample");
  if (call.inputs[0].shape != call.inputs[1].shape)
    check::refuse_shapes("the value and its target differ", call.inputs[0].shape, call.inputs[1].shape);
  is_mean(call.attrs);
  return {{call.inputs[0].dtype, {}}};
}

Values decompose_mse(Builder& b, const Attrs& attrs, const Values& inputs) {
  ValueId squares = build::square(b, build::sub(b, inputs[0], inputs[1]));
  ValueId shares = build::mul(b, squares, sample_share(b.type(inputs[0]).shape));
  return {b.emit(op("sum_valid"), {shares}, {{"reduction", attrs.text("reduction")}})};
}

Values vjp_mse(Builder& b, const VjpCall& call) {
  const Shape shape = b.type(call.inputs[0]).shape;
  ValueId weight = sample_weight(b, call.output_gradients[0], shape, call.attrs);
  ValueId difference = build::sub(b, call.inputs[0], call.inputs[1]);
  ValueId dx = build::mul(b, difference, build::mul(b, weight, 2 * sample_share(shape)));
  return {dx, build::neg(b, dx)};
}

OpDef mse_row() {
  OpDef def;
  def.name = "mse";
  def.doc = "The mean (or sum) over valid samples of the mean over a sample's elements of (x - target)^2.";
  def.inputs = {{"x", "x: [N, ...]"}, {"target", "target: of x's shape"}};
  def.outputs = {"loss"};
  def.attrs = {reduction_attr()};
  def.infer = infer_mse;
  def.arithmetic = Arithmetic::unrounded;
  def.vjp = vjp_mse;
  def.decompose = decompose_mse;
  def.samples = [] {
    return std::vector<OpSample>{{"vectors", {reals({5, 3}), reals({5, 3})}, {}},
                                 {"images", {reals({2, 3, 4}), reals({2, 3, 4})}, {{"reduction", std::string("sum")}}}};
  };
  return def;
}

// ---- metrics

std::vector<TensorType> infer_label_rank(const OpCall& call) {
  check_logits(call);
  return {{call.inputs[0].dtype, call.inputs[1].shape}};
}

// A NaN counts as greater, also for the label itself, so that a diverged network is never right.
LoopNest scalar_label_rank(const OpCall& call) {
  const Shape& logits = call.inputs[0].shape;
  LoopNest nest = reduce_over({logits[0]}, {logits[1]});
  Dag& d = nest.dag;
  ExprId label = d.index_load(1, {d.axis(0)});
  ExprId own = d.load(0, {d.axis(0), clamped(d, label, logits[1])}), other = d.load(0, {d.axis(0), d.axis(1)});
  ExprId greater = d.logical_not(d.less_equal(other, own));
  ExprId earlier = d.logical_and(d.equal(other, own), d.index_less(d.axis(1), label));
  nest.reductions = {{ReduceKind::sum, d.select(d.logical_or(greater, earlier), d.real(1), d.real(0))}};
  nest.stores = {{0, d.reduced(0)}};
  return nest;
}

OpDef label_rank_row() {
  OpDef def;
  def.name = "label_rank";
  def.doc = "How many classes come before the label when sorted by falling score, equal scores by class number.";
  def.inputs = {{"logits", "logits: [N, C]"}, {"labels", "labels: [N] integers from 0 to C - 1"}};
  def.outputs = {"rank"};
  def.infer = infer_label_rank;
  def.arithmetic = Arithmetic::unrounded;
  def.no_gradient = "a rank is not differentiable";
  def.scalar = scalar_label_rank;
  def.samples = [] {
    return std::vector<OpSample>{{"plain", {distinct_reals({5, 7}), labels({5}, 7)}, {}}};
  };
  return def;
}

std::vector<TensorType> infer_topk(const OpCall& call) {
  check_logits(call);
  check::integer_between(call, "k", 1);
  return {{call.inputs[0].dtype, {}}};
}

Values decompose_topk(Builder& b, const Attrs& attrs, const Values& inputs) {
  ValueId rank = b.emit(op("label_rank"), inputs);
  ValueId limit = build::number(b, static_cast<double>(attrs.integer("k")), rank);
  return {b.emit(op("sum_valid"), {build::greater(b, limit, rank)}, {{"reduction", std::string("sum")}})};
}

OpDef topk_row() {
  OpDef def;
  def.name = "topk_correct";
  def.doc = "The number of valid samples whose label is among the k highest scores.";
  def.inputs = {{"logits", "logits: [N, C]"}, {"labels", "labels: [N] integers from 0 to C - 1"}};
  def.outputs = {"correct"};
  def.attrs = {integer_attr("k", "how many scores count", 1)};
  def.infer = infer_topk;
  def.arithmetic = Arithmetic::unrounded;
  def.no_gradient = "a count is not differentiable";
  def.decompose = decompose_topk;
  def.samples = [] {
    return std::vector<OpSample>{{"top1", {distinct_reals({5, 7}), labels({5}, 7)}, {}},
                                 {"top5", {distinct_reals({6, 9}), labels({6}, 9)}, {{"k", int64_t{5}}}}};
  };
  return def;
}

}  // namespace

std::vector<OpDef> loss_ops() {
  return {sum_valid_row(), valid_weight_row(), one_hot_row(),   cross_entropy_row(),
          mse_row(),       label_rank_row(),   topk_row()};
}

}  // namespace netc
