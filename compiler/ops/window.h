// Geometry of sliding windows, shared by the pooling operators.
//
// A window of `window` elements, `dilation` apart, moves by `stride` over an axis of `input` elements
// with `pad` virtual elements at either end.
#pragma once

#include "compiler/ir/op_def.h"

namespace netc {

struct WindowAxis {
  int64_t input = 1, output = 1;
  int64_t window = 1, stride = 1, pad = 0, dilation = 1;
};

struct Window2d {
  WindowAxis h, w;
};

// The attributes of a pooling operator, in order: window, stride, pad (_h, _w), then dilation and ceil.
std::vector<AttrDef> window_attrs(bool with_dilation);

// Reads and checks them for an input [N, C, height, width]. With `ceil` the last window may begin
// anywhere in the input or its left padding, as in PyTorch.
// THROWS OpError E0203 if the window exceeds the padded input, E0207 for attributes out of range.
Window2d pooling_window(const OpCall& call, int64_t height, int64_t width);

// The type of a pooling's gradient: [N, C, height, width], the last two from its attributes, of dtype and N, C of input 0,
// the gradient of the pooling's output.
// THROWS OpError, as pooling_window, and if that gradient's extents are not those that the window gives.
std::vector<TensorType> infer_pooling_gradient(const OpCall& call);

// Input 0's element under window element (kh, kw) of output (oh, ow), for the axes n, c, oh, ow; kh, kw.
// `inside` is kNoExpr where no window leaves the input; the element is 0 outside.
struct WindowElement {
  ExprId value = kNoExpr, inside = kNoExpr;
};
WindowElement window_element(Dag& dag, const Window2d& window);

// The reverse: which windows cover input `i`. Candidate t of `candidates(axis)` is output `output` with window element
// `element`; it exists where `guard` holds (kNoExpr: always).
struct CoveringWindow {
  ExprId output = kNoExpr, element = kNoExpr, guard = kNoExpr;
};
int64_t candidates(const WindowAxis& axis);
CoveringWindow covering_window(Dag& dag, const WindowAxis& axis, ExprId i, ExprId t);

}  // namespace netc
