// Operators whose results depend on the run: dropout (decision 9: a draw is keyed by seed, step,
// path, sample and element, so that the gradient recomputes the mask) and the run-time scalars.
#include "compiler/base/error.h"
#include "compiler/base/random.h"
#include "compiler/ops/check.h"
#include "compiler/ops/families.h"
#include "compiler/ops/nest.h"
#include "compiler/ops/registry.h"
#include "compiler/ops/rows.h"

namespace netc {
namespace {

std::vector<TensorType> infer_dropout(const OpCall& call) {
  check::floating(call, 0);
  check::at_least_rank(call, 0, 1, "a value for each sample");
  double p = call.attrs.real("p");
  check::require_argument(p >= 0 && p <= 1, "the probability must be from 0 to 1", "p");
  return {call.inputs[0]};
}

LoopNest scalar_dropout(const OpCall& call) {
  const Shape& shape = call.outputs[0].shape;
  LoopNest nest = map_over(shape);
  Dag& d = nest.dag;
  ExprId sample = d.index_add(d.scalar(IndexScalar::first_sample), d.axis(0)), element = d.index(0);
  for (size_t i = 1; i < shape.size(); ++i)
    element = d.index_add(d.index_mul(element, shape[i]), d.axis(static_cast<int>(i)));
  double p = call.attrs.real("p");
  ExprId draw = d.uniform(path_key(call.attrs.text("path")), sample, element);
  ExprId scaled = d.mul(load_same(d, 0, shape), d.real(p < 1 ? 1 / (1 - p) : 0));
  nest.stores = {{0, d.select(d.less(draw, d.real(p)), d.real(0), scaled)}};
  return nest;
}

std::vector<ValueId> vjp_dropout(Builder& b, const VjpCall& call) {
  return {b.emit(op("dropout"), {call.output_gradients[0]}, call.attrs)};
}

OpDef dropout_row() {
  OpDef def;
  def.name = "dropout";
  def.doc = "Each element is 0 with probability p, else x / (1 - p) (Srivastava et al. 2014). Training only.";
  def.inputs = {{"x", "x: [N, ...]"}};
  def.outputs = {"y"};
  def.attrs = {real_attr("p", "from 0 to 1"), {"path", AttrType::text, std::nullopt, "what the draws are keyed by"}};
  def.infer = infer_dropout;
  def.vjp = vjp_dropout;
  def.scalar = scalar_dropout;
  def.samples = [] {
    return std::vector<OpSample>{{"image", {reals({3, 2, 3, 5})}, {{"p", 0.4}, {"path", std::string("a.dropout0")}}},
                                 {"vector", {reals({4, 9})}, {{"p", 0.7}, {"path", std::string("fc.dropout1")}}},
                                 {"nothing", {reals({2, 5})}, {{"p", 0.0}, {"path", std::string("b")}}},
                                 {"everything", {reals({2, 5})}, {{"p", 1.0}, {"path", std::string("b")}}}};
  };
  return def;
}

bool is_runtime_scalar(const std::string& name) {
  return name == "learning_rate" || name == "loss_scale" || name == "step";
}

std::vector<TensorType> infer_runtime_scalar(const OpCall& call) {
  check::require_argument(is_runtime_scalar(call.attrs.text("which")),
                          "no run-time scalar `" + call.attrs.text("which") + "`", "which");
  return {{DType::f32, {}}};
}

LoopNest scalar_runtime_scalar(const OpCall& call) {
  LoopNest nest = map_over({});
  Dag& d = nest.dag;
  const std::string& which = call.attrs.text("which");
  ExprId value = which == "step" ? d.from_index(d.scalar(IndexScalar::step))
                                 : d.scalar(which == "learning_rate" ? RealScalar::learning_rate : RealScalar::loss_scale);
  nest.stores = {{0, value}};
  return nest;
}

OpDef runtime_scalar_row() {
  OpDef def;
  def.name = "runtime_scalar";
  def.doc = "A number that the trainer gives to each run: the learning rate, the loss scale or the step.";
  def.outputs = {"y"};
  def.attrs = {{"which", AttrType::text, std::nullopt, "learning_rate, loss_scale or step"}};
  def.infer = infer_runtime_scalar;
  def.no_gradient = "it has no inputs";
  def.scalar = scalar_runtime_scalar;
  def.samples = [] {
    std::vector<OpSample> samples;
    for (const char* which : {"learning_rate", "loss_scale", "step"})
      samples.push_back({which, {}, {{"which", std::string(which)}}});
    return samples;
  };
  return def;
}

}  // namespace

std::vector<OpDef> random_ops() { return {dropout_row(), runtime_scalar_row()}; }

}  // namespace netc
