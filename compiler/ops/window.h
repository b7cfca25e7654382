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
  // Whether every window lies within the input (no guard is needed).
  bool always_inside() const { return pad == 0 && (output - 1) * stride + (window - 1) * dilation < input; }
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

// Where in its input axis the window element `k` of output `o` lies.
ExprId window_position(Dag& dag, const WindowAxis& axis, ExprId o, ExprId k);

// The reverse: which windows cover input `i`. Candidate t of `candidates(axis)` is output `output` with window element
// `element`; it exists where `guard` holds.
struct CoveringWindow {
  ExprId output = kNoExpr, element = kNoExpr, guard = kNoExpr;
};
int64_t candidates(const WindowAxis& axis);
CoveringWindow covering_window(Dag& dag, const WindowAxis& axis, ExprId i, ExprId t);

}  // namespace netc
