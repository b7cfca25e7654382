#include "compiler/ops/window.h"

#include "compiler/ops/check.h"
#include "compiler/ops/rows.h"

namespace netc {
namespace {

WindowAxis window_axis(const OpCall& call, const char* suffix, int64_t input) {
  auto named = [&](const char* name) { return std::string(name) + suffix; };
  WindowAxis axis;
  axis.input = input;
  axis.window = check::integer_between(call, named("window_"), 1);
  axis.stride = check::integer_between(call, named("stride_"), 1);
  axis.pad = check::integer_between(call, named("pad_"), 0);
  if (call.attrs.has(named("dilation_"))) axis.dilation = check::integer_between(call, named("dilation_"), 1);
  check::require_argument(axis.pad <= axis.window / 2,
                          "pad " + std::to_string(axis.pad) + " is more than half the window of " +
                              std::to_string(axis.window),
                          "pad");
  // An empty axis: the caller refuses the window as a whole.
  int64_t room = input + 2 * axis.pad - axis.dilation * (axis.window - 1) - 1;
  bool ceil = call.attrs.boolean("ceil");
  axis.output = floor_div(ceil ? room + axis.stride - 1 : room, axis.stride) + 1;
  if (ceil && (axis.output - 1) * axis.stride >= input + axis.pad) --axis.output;
  return axis;
}

}  // namespace

std::vector<AttrDef> window_attrs(bool with_dilation) {
  std::vector<AttrDef> attrs = {
      integer_attr("window_h", "rows of the window"),     integer_attr("window_w", "columns of the window"),
      integer_attr("stride_h", "rows from one window to the next"),
      integer_attr("stride_w", "columns from one window to the next"),
      integer_attr("pad_h", "rows above and below", 0),   integer_attr("pad_w", "columns on either side", 0)};
  if (with_dilation) {
    attrs.push_back(integer_attr("dilation_h", "rows between the window's rows", 1));
    attrs.push_back(integer_attr("dilation_w", "columns between the window's columns", 1));
  }
  attrs.push_back(boolean_attr("ceil", "round the output's extents up", false));
  return attrs;
}

Window2d pooling_window(const OpCall& call, int64_t height, int64_t width) {
  Window2d window{window_axis(call, "h", height), window_axis(call, "w", width)};
  if (window.h.output < 1 || window.w.output < 1)
    throw OpError("E0203",
                  "window " + std::to_string(window.h.window) + "x" + std::to_string(window.w.window) +
                      " exceeds its input " + check::per_sample(call.inputs[0].shape),
                  "window");
  return window;
}

std::vector<TensorType> infer_pooling_gradient(const OpCall& call) {
  check::floating(call, 0);
  check::rank(call, 0, 4, "[C, H, W]");
  int64_t height = check::integer_between(call, "height", 1), width = check::integer_between(call, "width", 1);
  const Shape& dy = call.inputs[0].shape;
  Window2d window = pooling_window(call, height, width);
  if (window.h.output != dy[2] || window.w.output != dy[3])
    check::refuse_shapes("the gradient does not fit its window", dy, {dy[0], dy[1], window.h.output, window.w.output});
  Shape shape{dy[0], dy[1], height, width};
  check::count(shape);
  return {{call.inputs[0].dtype, shape}};
}

namespace {

// Where in its input axis the window element `k` of output `o` lies; what can go wrong joins `inside`.
ExprId position(Dag& d, const WindowAxis& axis, ExprId o, ExprId k, ExprId& inside) {
  ExprId result = d.index_sub(d.index_add(d.index_mul(o, axis.stride), d.index_mul(k, axis.dilation)),
                              d.index(axis.pad));
  int64_t last = (axis.output - 1) * axis.stride + (axis.window - 1) * axis.dilation - axis.pad;
  if (axis.pad > 0) inside = d.logical_and(inside, d.index_less(d.index(-1), result));
  if (last >= axis.input) inside = d.logical_and(inside, d.index_less(result, d.index(axis.input)));
  return result;
}

}  // namespace

WindowElement window_element(Dag& d, const Window2d& window) {
  WindowElement element;
  ExprId h = position(d, window.h, d.axis(2), d.axis(4), element.inside);
  ExprId w = position(d, window.w, d.axis(3), d.axis(5), element.inside);
  element.value = d.load(0, {d.axis(0), d.axis(1), h, w}, element.inside);
  return element;
}

int64_t candidates(const WindowAxis& axis) {
  // Without dilation the windows that cover an input are consecutive outputs.
  return axis.dilation == 1 ? ceil_div(axis.window, axis.stride) : axis.window;
}

CoveringWindow covering_window(Dag& d, const WindowAxis& axis, ExprId i, ExprId t) {
  CoveringWindow result;
  ExprId padded = d.index_add(i, d.index(axis.pad));
  if (axis.dilation == 1) {
    // Backwards from the last output whose window would begin at or before i.
    result.output = d.index_sub(d.index_floor_div(padded, axis.stride), t);
    result.element = d.index_add(d.index_floor_mod(padded, axis.stride), d.index_mul(t, axis.stride));
    if (axis.window % axis.stride != 0) result.guard = d.index_less(result.element, d.index(axis.window));
  } else {
    ExprId first = d.index_sub(padded, d.index_mul(t, axis.dilation));  // where the window would begin
    result.output = d.index_floor_div(first, axis.stride);
    result.element = t;
    if (axis.stride > 1) result.guard = d.index_equal(d.index_floor_mod(first, axis.stride), d.index(0));
  }
  int64_t last_output = floor_div(axis.input - 1 + axis.pad, axis.stride);  // of any candidate
  // Window 0 begins at -pad: an input before its end may look for windows before it.
  bool may_be_negative = axis.dilation > 1 || candidates(axis) > floor_div(axis.pad, axis.stride) + 1;
  if (may_be_negative) result.guard = d.logical_and(result.guard, d.index_less(d.index(-1), result.output));
  if (last_output >= axis.output)
    result.guard = d.logical_and(result.guard, d.index_less(result.output, d.index(axis.output)));
  return result;
}

}  // namespace netc
