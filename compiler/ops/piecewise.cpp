// piecewise: the numbers of parameter groups along a slab. A slab is ordered by groups, so that a few comparisons of the
// index say which numbers hold, and the optimizer stays one kernel that reads nothing more.
#include "compiler/ops/check.h"
#include "compiler/ops/families.h"
#include "compiler/ops/nest.h"
#include "compiler/ops/rows.h"

namespace netc {
namespace {

std::vector<TensorType> infer_piecewise(const OpCall& call) {
  const int64_t size = check::integer_between(call, "size", 1);
  const Ints& begins = call.attrs.ints("begins");
  check::require_argument(begins.size() + 1 == call.inputs.size(), "each range but the first one has a beginning", "begins");
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    check::floating(call, i);
    check::shape(call, i, {1}, "a range's number");
    check::same_dtype(call, 0, i);
  }
  int64_t last = 0;
  for (int64_t begin : begins) {
    check::require_argument(begin >= last && begin <= size, "`begins` must rise within the size", "begins");
    last = begin;
  }
  return {{call.inputs[0].dtype, {size}}};
}

LoopNest scalar_piecewise(const OpCall& call) {
  LoopNest nest = map_over(call.outputs[0].shape);
  Dag& d = nest.dag;
  auto number = [&](size_t range) { return d.load(static_cast<int>(range), {d.index(0)}); };
  const Ints& begins = call.attrs.ints("begins");
  ExprId value = number(0);
  for (size_t i = 0; i < begins.size(); ++i)
    value = d.select(d.index_less(d.axis(0), d.index(begins[i])), value, number(i + 1));
  nest.stores = {{0, value}};
  return nest;
}

}  // namespace

std::vector<OpDef> piecewise_ops() {
  OpDef def;
  def.name = "piecewise";
  def.doc = "y[i] = the number of the range that i lies in: x0 from 0, x1 from begins[0], x2 from begins[1], ...";
  def.inputs = {{"x", "x: [1] each", false, true}};
  def.outputs = {"y"};
  def.attrs = {ints_attr("begins", "where the second and later ranges begin"), integer_attr("size", "elements of the result")};
  def.infer = infer_piecewise;
  def.no_gradient = "the optimizer's numbers are not trained";
  def.scalar = scalar_piecewise;
  def.samples = [] {
    return std::vector<OpSample>{
        {"three", {reals({1}), reals({1}), reals({1})}, {{"begins", Ints{3, 16}}, {"size", int64_t{37}}}},
        {"one", {reals({1})}, {{"begins", Ints{}}, {"size", int64_t{5}}}}};
  };
  return {std::move(def)};
}

}  // namespace netc
