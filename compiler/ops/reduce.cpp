// Reductions over named axes, and argmax.
#include <algorithm>
#include <limits>

#include "compiler/base/error.h"
#include "compiler/ops/build.h"
#include "compiler/ops/check.h"
#include "compiler/ops/families.h"
#include "compiler/ops/nest.h"
#include "compiler/ops/rows.h"

namespace netc {
namespace {

using Values = std::vector<ValueId>;

bool contains(const Ints& axes, size_t axis) {
  return std::find(axes.begin(), axes.end(), static_cast<int64_t>(axis)) != axes.end();
}

Shape reduced_shape(const Shape& shape, const Ints& axes, bool keep) {
  Shape result;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (!contains(axes, i)) result.push_back(shape[i]);
    else if (keep) result.push_back(1);
  }
  return result;
}

std::vector<TensorType> infer_reduce(const OpCall& call) {
  check::floating(call, 0);
  return {{call.inputs[0].dtype, reduced_shape(call.inputs[0].shape, check::axes(call), call.attrs.boolean("keep"))}};
}

// A nest over the output whose one reduction is over input 0 along `axes`.
LoopNest reduction_nest(const Shape& from, const Ints& axes, bool keep, ReduceKind kind) {
  Shape extents;
  for (size_t i = 0; i < from.size(); ++i)
    if (contains(axes, i)) extents.push_back(from[i]);
  LoopNest nest = reduce_over(reduced_shape(from, axes, keep), extents);
  Dag& d = nest.dag;
  std::vector<ExprId> indices;
  int kept = 0, reduced = nest.parallel;
  for (size_t i = 0; i < from.size(); ++i) {
    if (contains(axes, i)) {
      indices.push_back(d.axis(reduced++));
      kept += keep ? 1 : 0;
    } else {
      indices.push_back(d.axis(kept++));
    }
  }
  nest.reductions.push_back({kind, d.load(0, std::move(indices))});
  return nest;
}

template <ReduceKind kind, bool mean>
LoopNest scalar_reduce(const OpCall& call) {
  LoopNest nest = reduction_nest(call.inputs[0].shape, call.attrs.ints("axes"), call.attrs.boolean("keep"), kind);
  Dag& d = nest.dag;
  ExprId value = d.reduced(0);
  if (mean) value = d.div(value, d.real(static_cast<double>(nest.reduction_count())));
  nest.stores.push_back({0, value});
  return nest;
}

// A reduced value with its axes back, of extent 1.
ValueId with_axes(Builder& b, const VjpCall& call, ValueId value) {
  return build::reshape(b, value, reduced_shape(b.type(call.inputs[0]).shape, call.attrs.ints("axes"), true));
}

Values vjp_sum(Builder& b, const VjpCall& call) {
  return {build::broadcast(b, with_axes(b, call, call.output_gradients[0]), b.type(call.inputs[0]).shape)};
}

Values vjp_mean(Builder& b, const VjpCall& call) {
  const Shape shape = b.type(call.inputs[0]).shape;
  double count = static_cast<double>(element_count(shape)) /
                 static_cast<double>(element_count(b.type(call.outputs[0]).shape));
  ValueId dy = build::mul(b, with_axes(b, call, call.output_gradients[0]), 1 / count);
  return {build::broadcast(b, dy, shape)};
}

// Equal maxima share the gradient, as in PyTorch's amax.
Values vjp_max(Builder& b, const VjpCall& call) {
  ValueId is_max = build::equal(b, call.inputs[0], with_axes(b, call, call.outputs[0]));
  ValueId count = build::reduce_sum(b, is_max, call.attrs.ints("axes"), true);
  return {build::mul(b, is_max, build::div(b, with_axes(b, call, call.output_gradients[0]), count))};
}

std::vector<OpSample> samples_reduce() {
  return {{"channels", {reals({2, 3, 4, 5})}, {{"axes", Ints{0, 2, 3}}}},
          {"keep", {reals({2, 3, 4, 5})}, {{"axes", Ints{2, 3}}, {"keep", true}}},
          {"last", {reals({3, 7})}, {{"axes", Ints{1}}}},
          {"unsorted", {reals({2, 3, 4})}, {{"axes", Ints{2, 0}}}},
          {"all", {reals({3, 5})}, {{"axes", Ints{0, 1}}}}};
}

OpDef reduce_row(const char* name, const char* doc, LoopNest (*scalar)(const OpCall&),
                 Values (*vjp)(Builder&, const VjpCall&)) {
  OpDef def;
  def.name = name;
  def.doc = doc;
  def.inputs = {{"x", "x: any shape"}};
  def.outputs = {"y"};
  def.attrs = {ints_attr("axes", "which axes to reduce, the batch being 0"),
               boolean_attr("keep", "keep them with extent 1", false)};
  def.infer = infer_reduce;
  def.vjp = vjp;
  def.scalar = scalar;
  def.samples = samples_reduce;
  return def;
}

std::vector<TensorType> infer_argmax(const OpCall& call) {
  check::floating(call, 0);
  return {{DType::i32, reduced_shape(call.inputs[0].shape, {check::axis(call)}, false)}};
}

LoopNest scalar_argmax(const OpCall& call) {
  LoopNest nest = reduction_nest(call.inputs[0].shape, {call.attrs.integer("axis")}, false, ReduceKind::argmax);
  nest.stores.push_back({0, nest.dag.reduced(0)});
  return nest;
}

OpDef argmax_row() {
  OpDef def;
  def.name = "argmax";
  def.doc = "The index of the first maximum (of the first NaN, if there is one) along an axis.";
  def.inputs = {{"x", "x: any shape"}};
  def.outputs = {"index"};
  def.attrs = {integer_attr("axis", "which axis, the batch being 0", 1)};
  def.infer = infer_argmax;
  def.arithmetic = Arithmetic::unrounded;
  def.no_gradient = "an index is not differentiable";
  def.scalar = scalar_argmax;
  def.samples = [] {
    return std::vector<OpSample>{{"classes", {distinct_reals({3, 7})}, {}},
                                 {"channels", {distinct_reals({2, 5, 3})}, {{"axis", int64_t{1}}}}};
  };
  return def;
}

}  // namespace

std::vector<OpDef> reduce_ops() {
  return {reduce_row("reduce_sum", "The sum over axes.", scalar_reduce<ReduceKind::sum, false>, vjp_sum),
          reduce_row("reduce_mean", "The mean over axes.", scalar_reduce<ReduceKind::sum, true>, vjp_mean),
          reduce_row("reduce_max", "The maximum over axes; NaN if there is one.", scalar_reduce<ReduceKind::max, false>,
                     vjp_max),
          argmax_row()};
}

}  // namespace netc
