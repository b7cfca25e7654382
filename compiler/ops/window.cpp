#include "compiler/ops/window.h"

#include <algorithm>

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

ExprId window_position(Dag& d, const WindowAxis& axis, ExprId o, ExprId k) {
  ExprId position = d.index_add(d.index_mul(o, axis.stride), d.index_mul(k, axis.dilation));
  return d.index_sub(position, d.index(axis.pad));
}

int64_t candidates(const WindowAxis& axis) {
  // Without dilation the windows that cover an input are consecutive outputs.
  return axis.dilation == 1 ? std::min(ceil_div(axis.window, axis.stride), axis.output) : axis.window;
}

CoveringWindow covering_window(Dag& d, const WindowAxis& axis, ExprId i, ExprId t) {
  CoveringWindow result;
  ExprId padded = d.index_add(i, d.index(axis.pad));
  if (axis.dilation == 1) {
    // From the last output whose window begins at or before i backwards; outputs that do not exist are skipped by the
    // guard, unless there are fewer outputs than candidates: then all of them are tried.
    bool all = candidates(axis) == axis.output;
    result.output = all ? t : d.index_sub(d.index_floor_div(padded, axis.stride), t);
    result.element = d.index_sub(padded, d.index_mul(result.output, axis.stride));
    result.guard = d.in_range(result.element, axis.window);
    if (!all) result.guard = d.logical_and(result.guard, d.in_range(result.output, axis.output));
  } else {
    ExprId first = d.index_sub(padded, d.index_mul(t, axis.dilation));  // where the window would begin
    result.output = d.index_floor_div(first, axis.stride);
    result.element = t;
    result.guard = d.in_range(result.output, axis.output);
    if (axis.stride > 1)
      result.guard = d.logical_and(result.guard, d.index_equal(d.index_floor_mod(first, axis.stride), d.index(0)));
  }
  return result;
}

}  // namespace netc
