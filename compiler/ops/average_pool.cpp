// Average pooling with fixed windows and with windows that adapt to an output size. The gradients are
// gathers over the windows that cover an input element.
#include <algorithm>

#include "compiler/base/error.h"
#include "compiler/ops/check.h"
#include "compiler/ops/families.h"
#include "compiler/ops/nest.h"
#include "compiler/ops/registry.h"
#include "compiler/ops/rows.h"
#include "compiler/ops/window.h"

namespace netc {
namespace {

using Values = std::vector<ValueId>;

// ---- average_pool

std::vector<TensorType> infer_average(const OpCall& call) {
  check::floating(call, 0);
  check::rank(call, 0, 4, "[C, H, W]");
  const Shape& x = call.inputs[0].shape;
  Window2d window = pooling_window(call, x[2], x[3]);
  Shape shape{x[0], x[1], window.h.output, window.w.output};
  check::count(shape);
  return {{call.inputs[0].dtype, shape}};
}

// By how many elements the window of output `o` divides along an axis. The last window of ceil mode is cut at the end of the
// padding; without padding counted, every window is cut to the input.
ExprId divisor(Dag& d, const WindowAxis& axis, bool count_padding, ExprId o) {
  int64_t first = count_padding ? -axis.pad : 0, last = axis.input + (count_padding ? axis.pad : 0);
  bool cut_left = -axis.pad < first, cut_right = (axis.output - 1) * axis.stride - axis.pad + axis.window > last;
  if (!cut_left && !cut_right) return d.index(axis.window);
  ExprId begin = d.index_sub(d.index_mul(o, axis.stride), d.index(axis.pad));
  ExprId end = d.index_add(begin, d.index(axis.window));
  if (cut_right) end = d.index_min(end, d.index(last));
  if (cut_left) begin = d.index_max(begin, d.index(first));
  return d.index_sub(end, begin);
}

ExprId divisor(Dag& d, const Window2d& window, const Attrs& attrs, ExprId oh, ExprId ow) {
  bool count_padding = attrs.boolean("count_include_pad");
  return d.from_index(
      d.index_mul(divisor(d, window.h, count_padding, oh), divisor(d, window.w, count_padding, ow)));
}

// Axes: n, c, oh, ow; kh, kw.
LoopNest scalar_average(const OpCall& call) {
  const Shape &x = call.inputs[0].shape, &y = call.outputs[0].shape;
  Window2d window = pooling_window(call, x[2], x[3]);
  LoopNest nest = reduce_over(y, {window.h.window, window.w.window});
  Dag& d = nest.dag;
  nest.reductions = {{ReduceKind::sum, window_element(d, window).value}};
  nest.stores = {{0, d.div(d.reduced(0), divisor(d, window, call.attrs, d.axis(2), d.axis(3)))}};
  return nest;
}

Values vjp_average(Builder& b, const VjpCall& call) {
  Attrs attrs = call.attrs;
  const Shape x = b.type(call.inputs[0]).shape;
  attrs.set("height", x[2]);
  attrs.set("width", x[3]);
  return {b.emit(op("average_pool_gradient"), {call.output_gradients[0]}, attrs)};
}

// Axes: n, c, h, w; candidate windows over h and over w.
LoopNest scalar_average_gradient(const OpCall& call) {
  const Shape& dx = call.outputs[0].shape;
  Window2d window = pooling_window(call, dx[2], dx[3]);
  LoopNest nest = reduce_over(dx, {candidates(window.h), candidates(window.w)});
  Dag& d = nest.dag;
  CoveringWindow h = covering_window(d, window.h, d.axis(2), d.axis(4));
  CoveringWindow w = covering_window(d, window.w, d.axis(3), d.axis(5));
  ExprId guard = d.logical_and(h.guard, w.guard);
  ExprId dy = d.load(0, {d.axis(0), d.axis(1), h.output, w.output}, guard);
  ExprId share = divisor(d, window, call.attrs, h.output, w.output);
  if (d[share].kind == ExprKind::real_constant) {
    nest.reductions = {{ReduceKind::sum, dy}};
    nest.stores = {{0, d.div(d.reduced(0), share)}};
  } else {
    ExprId part = d.div(dy, share);  // the share of a window that does not exist may be 0
    nest.reductions = {{ReduceKind::sum, guard == kNoExpr ? part : d.select(guard, part, d.real(0))}};
    nest.stores = {{0, d.reduced(0)}};
  }
  return nest;
}

Attrs pooling(int64_t window, int64_t stride, int64_t pad, bool ceil = false, bool count_include_pad = true) {
  return {{"window_h", window}, {"window_w", window}, {"stride_h", stride}, {"stride_w", stride},
          {"pad_h", pad},       {"pad_w", pad},       {"ceil", ceil},       {"count_include_pad", count_include_pad}};
}

std::vector<OpSample> samples_average() {
  return {{"2x2", {reals({2, 3, 6, 8})}, pooling(2, 2, 0)},
          {"3x3_pad_1", {reals({2, 2, 5, 7})}, pooling(3, 2, 1)},
          {"pad_not_counted", {reals({2, 2, 5, 7})}, pooling(3, 2, 1, false, false)},
          {"ceil", {reals({1, 2, 6, 7})}, pooling(3, 2, 0, true)},
          {"ceil_pad", {reals({1, 2, 6, 7})}, pooling(3, 2, 1, true)},
          {"ceil_pad_not_counted", {reals({1, 2, 6, 7})}, pooling(3, 2, 1, true, false)},
          {"overlapping", {reals({1, 2, 5, 5})}, pooling(3, 1, 1)},
          {"gaps", {reals({1, 2, 8, 8})}, pooling(2, 3, 0)}};
}

std::vector<OpSample> samples_average_gradient() {
  Attrs attrs = pooling(3, 2, 1);
  attrs.set("height", int64_t{5});
  attrs.set("width", int64_t{7});
  return {{"3x3_pad_1", {reals({2, 2, 3, 4})}, attrs}};
}

// ---- adaptive_average_pool

// Element i of `count` stands for the elements first..first+length-1 of `other`: floor(i * other / count) to
// ceil((i + 1) * other / count). The same relation seen from `other` has the two swapped.
struct Span1d {
  ExprId first, length;
};
Span1d adaptive_span(Dag& d, ExprId i, int64_t count, int64_t other) {
  if (other % count == 0) return {d.index_mul(i, other / count), d.index(other / count)};
  if (count % other == 0) return {d.index_floor_div(i, count / other), d.index(1)};
  ExprId first = d.index_floor_div(d.index_mul(i, other), count);
  ExprId end = d.index_floor_div(d.index_add(d.index_mul(i, other), d.index(other + count - 1)), count);
  return {first, d.index_sub(end, first)};
}

int64_t longest_span(int64_t count, int64_t other) {
  if (other % count == 0) return other / count;
  if (count % other == 0) return 1;
  return std::min(ceil_div(other, count) + 1, other);
}

std::vector<TensorType> infer_adaptive(const OpCall& call) {
  check::floating(call, 0);
  check::rank(call, 0, 4, "[C, H, W]");
  const Shape& x = call.inputs[0].shape;
  Shape shape{x[0], x[1], check::integer_between(call, "height", 1, 1 << 20),
              check::integer_between(call, "width", 1, 1 << 20)};
  check::count(shape);
  return {{call.inputs[0].dtype, shape}};
}

// Both directions: every output gathers the inputs of its span. Forward divides the sum by the number of
// inputs; backward divides each input by the number of outputs of its own span.
template <bool forward>
LoopNest scalar_adaptive(const OpCall& call) {
  const Shape &from = call.inputs[0].shape, &to = call.outputs[0].shape;
  LoopNest nest = reduce_over(to, {longest_span(to[2], from[2]), longest_span(to[3], from[3])});
  Dag& d = nest.dag;
  Span1d h = adaptive_span(d, d.axis(2), to[2], from[2]), w = adaptive_span(d, d.axis(3), to[3], from[3]);
  ExprId i = d.index_add(h.first, d.axis(4)), j = d.index_add(w.first, d.axis(5));
  ExprId inside = kNoExpr;
  auto guard = [&](ExprId k, ExprId length, int64_t longest) {
    if (length != d.index(longest)) inside = d.logical_and(inside, d.index_less(k, length));
  };
  guard(d.axis(4), h.length, nest.extents[4]);
  guard(d.axis(5), w.length, nest.extents[5]);
  ExprId x = d.load(0, {d.axis(0), d.axis(1), i, j}, inside), result;
  if (forward) {
    nest.reductions = {{ReduceKind::sum, x}};
    result = d.div(d.reduced(0), d.from_index(d.index_mul(h.length, w.length)));
  } else {
    ExprId share = d.from_index(d.index_mul(adaptive_span(d, i, from[2], to[2]).length,
                                            adaptive_span(d, j, from[3], to[3]).length));
    ExprId part = d.div(x, share);
    nest.reductions = {{ReduceKind::sum, inside == kNoExpr ? part : d.select(inside, part, d.real(0))}};
    result = d.reduced(0);
  }
  nest.stores = {{0, result}};
  return nest;
}

Values vjp_adaptive(Builder& b, const VjpCall& call) {
  const Shape x = b.type(call.inputs[0]).shape;
  return {b.emit(op("adaptive_average_pool_gradient"), {call.output_gradients[0]}, {{"height", x[2]}, {"width", x[3]}})};
}

std::vector<OpSample> samples_adaptive() {
  auto size = [](int64_t height, int64_t width) { return Attrs{{"height", height}, {"width", width}}; };
  return {{"divides", {reals({2, 3, 6, 8})}, size(3, 2)},
          {"uneven", {reals({2, 2, 7, 5})}, size(3, 4)},
          {"one", {reals({2, 3, 5, 4})}, size(1, 1)},
          {"grows", {reals({1, 2, 2, 3})}, size(4, 5)}};
}

OpDef row(const char* name, const char* doc, const char* input, const char* output, std::vector<AttrDef> attrs) {
  OpDef def;
  def.name = name;
  def.doc = doc;
  def.inputs = {{input, std::string(input) + ": [N, C, H, W]"}};
  def.outputs = {output};
  def.attrs = std::move(attrs);
  return def;
}

}  // namespace

std::vector<OpDef> average_pool_ops() {
  std::vector<AttrDef> attrs = window_attrs(false);
  attrs.push_back(boolean_attr("count_include_pad", "padding counts in the mean", true));
  std::vector<AttrDef> gradient_attrs = attrs, size = {integer_attr("height", "rows of the result"),
                                                       integer_attr("width", "columns of the result")};
  gradient_attrs.insert(gradient_attrs.end(), size.begin(), size.end());

  OpDef pool = row("average_pool", "The mean of every window.", "x", "y", attrs);
  pool.infer = infer_average;
  pool.vjp = vjp_average;
  pool.scalar = scalar_average;
  pool.samples = samples_average;

  OpDef gradient = row("average_pool_gradient", "The gradient of average_pool.", "dy", "dx", gradient_attrs);
  gradient.infer = infer_pooling_gradient;
  gradient.no_gradient = kFirstOrderOnly;
  gradient.scalar = scalar_average_gradient;
  gradient.samples = samples_average_gradient;

  OpDef adaptive = row("adaptive_average_pool",
                       "The mean of windows that divide the input as evenly as they can: output i covers "
                       "floor(i * H / height) to ceil((i + 1) * H / height).",
                       "x", "y", size);
  adaptive.infer = infer_adaptive;
  adaptive.vjp = vjp_adaptive;
  adaptive.scalar = scalar_adaptive<true>;
  adaptive.samples = samples_adaptive;

  OpDef adaptive_gradient =
      row("adaptive_average_pool_gradient", "The gradient of adaptive_average_pool.", "dy", "dx", size);
  adaptive_gradient.infer = infer_adaptive;
  adaptive_gradient.no_gradient = kFirstOrderOnly;
  adaptive_gradient.scalar = scalar_adaptive<false>;
  adaptive_gradient.samples = samples_adaptive;
  return {std::move(pool), std::move(gradient), std::move(adaptive), std::move(adaptive_gradient)};
}

}  // namespace netc
