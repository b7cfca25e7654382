// Max pooling: keeps which window element won, so that its gradient is a gather over the windows that
// cover an input element, without atomics or zero filling.
#include <algorithm>
#include <limits>

#include "compiler/base/error.h"
#include "compiler/ops/check.h"
#include "compiler/ops/families.h"
#include "compiler/ops/nest.h"
#include "compiler/ops/registry.h"
#include "compiler/ops/rows.h"
#include "compiler/ops/window.h"

namespace netc {
namespace {

std::vector<TensorType> infer_max_pool(const OpCall& call) {
  check::floating(call, 0);
  check::rank(call, 0, 4, "[C, H, W]");
  const Shape& x = call.inputs[0].shape;
  Window2d window = pooling_window(call, x[2], x[3]);
  Shape shape{x[0], x[1], window.h.output, window.w.output};
  check::count(shape);
  return {{call.inputs[0].dtype, shape}, {DType::i32, shape}};
}

// Axes: n, c, oh, ow; kh, kw.
LoopNest scalar_max_pool(const OpCall& call) {
  const Shape &x = call.inputs[0].shape, &y = call.outputs[0].shape;
  Window2d window = pooling_window(call, x[2], x[3]);
  LoopNest nest = reduce_over(y, {window.h.window, window.w.window});
  Dag& d = nest.dag;
  WindowElement element = window_element(d, window);
  ExprId value = element.value;
  if (element.inside != kNoExpr)
    value = d.select(element.inside, value, d.real(-std::numeric_limits<double>::infinity()));
  nest.reductions = {{ReduceKind::max, value}, {ReduceKind::argmax, value}};
  nest.stores = {{0, d.reduced(0)}, {1, d.reduced(1)}};
  return nest;
}

std::vector<ValueId> vjp_max_pool(Builder& b, const VjpCall& call) {
  Attrs attrs = call.attrs;
  const Shape x = b.type(call.inputs[0]).shape;
  attrs.set("height", x[2]);
  attrs.set("width", x[3]);
  return {b.emit(op("max_pool_gradient"), {call.output_gradients[0], call.outputs[1]}, attrs)};
}

std::vector<TensorType> infer_gradient(const OpCall& call) {
  std::vector<TensorType> outputs = infer_pooling_gradient(call);
  check::integral(call, 1);
  check::shape(call, 1, call.inputs[0].shape, "argmax");
  return outputs;
}

// Axes: n, c, h, w; candidate windows over h and over w.
LoopNest scalar_gradient(const OpCall& call) {
  const Shape& dx = call.outputs[0].shape;
  Window2d window = pooling_window(call, dx[2], dx[3]);
  LoopNest nest = reduce_over(dx, {candidates(window.h), candidates(window.w)});
  Dag& d = nest.dag;
  CoveringWindow h = covering_window(d, window.h, d.axis(2), d.axis(4));
  CoveringWindow w = covering_window(d, window.w, d.axis(3), d.axis(5));
  ExprId guard = d.logical_and(h.guard, w.guard);
  // Where there is no such window both loads give 0: position 0 may seem to win, and adds 0.
  ExprId gradient = d.load(0, {d.axis(0), d.axis(1), h.output, w.output}, guard);
  ExprId winner = d.load(1, {d.axis(0), d.axis(1), h.output, w.output}, guard);
  ExprId own = d.from_index(d.index_add(d.index_mul(h.element, window.w.window), w.element));
  nest.reductions = {{ReduceKind::sum, d.select(d.equal(winner, own), gradient, d.real(0))}};
  nest.stores = {{0, d.reduced(0)}};
  return nest;
}

Attrs pooling(int64_t window, int64_t stride, int64_t pad, int64_t dilation = 1, bool ceil = false) {
  return {{"window_h", window},     {"window_w", window},     {"stride_h", stride}, {"stride_w", stride}, {"pad_h", pad},
          {"pad_w", pad},           {"dilation_h", dilation}, {"dilation_w", dilation}, {"ceil", ceil}};
}

std::vector<OpSample> samples_max_pool() {
  return {{"2x2", {distinct_reals({2, 3, 6, 8})}, pooling(2, 2, 0)},
          {"3x3_stride_2_pad_1", {distinct_reals({2, 3, 7, 9})}, pooling(3, 2, 1)},
          {"ceil", {distinct_reals({2, 2, 6, 7})}, pooling(3, 2, 0, 1, true)},
          {"overlapping", {distinct_reals({1, 2, 5, 5})}, pooling(3, 1, 1)},
          {"dilated", {distinct_reals({1, 2, 9, 8})}, pooling(3, 2, 1, 2)},
          {"gaps", {distinct_reals({1, 2, 8, 8})}, pooling(2, 3, 0)},
          {"whole", {distinct_reals({1, 2, 3, 3})}, pooling(3, 3, 0)},
          {"ceil_of_less", {distinct_reals({1, 2, 1, 3})}, pooling(2, 2, 0, 1, true)}};
}

std::vector<OpSample> samples_gradient() {
  Attrs attrs = pooling(3, 2, 1);
  attrs.set("height", int64_t{5});
  attrs.set("width", int64_t{7});
  return {{"3x3_stride_2_pad_1", {reals({2, 2, 3, 4}), {{DType::i32, {2, 2, 3, 4}}, 4, 4, false}}, attrs}};
}

}  // namespace

std::vector<OpDef> max_pool_ops() {
  OpDef pool;
  pool.name = "max_pool";
  pool.doc = "The maximum of every window, and its row-major position in the window; padding never wins.";
  pool.inputs = {{"x", "x: [N, C, H, W]"}};
  pool.outputs = {"y", "argmax"};
  pool.attrs = window_attrs(true);
  pool.infer = infer_max_pool;
  pool.vjp = vjp_max_pool;
  pool.scalar = scalar_max_pool;
  pool.samples = samples_max_pool;

  OpDef gradient;
  gradient.name = "max_pool_gradient";
  gradient.doc = "The gradient of max_pool: every input element gathers from the windows that it won.";
  gradient.inputs = {{"dy", "dy: [N, C, OH, OW]"}, {"argmax", "argmax: [N, C, OH, OW] i32"}};
  gradient.outputs = {"dx"};
  gradient.attrs = window_attrs(true);
  gradient.attrs.push_back(integer_attr("height", "rows of x"));
  gradient.attrs.push_back(integer_attr("width", "columns of x"));
  gradient.infer = infer_gradient;
  gradient.no_gradient = kFirstOrderOnly;
  gradient.scalar = scalar_gradient;
  gradient.samples = samples_gradient;
  return {std::move(pool), std::move(gradient)};
}

}  // namespace netc
