// Algebraic simplification, one sweep from inputs to outputs.
//
//   x + 0, x - 0, x * 1, x / 1            -> x       (x + 0 turns -0 into +0; that difference is given up)
//   neg(neg(x)), cast to x's own type     -> x
//   reshape, broadcast, transpose, slice, pad, concat that change nothing -> x
//   reshape(reshape(x)), transpose(transpose(x))  -> one of them
//   broadcast(x) op y, y of the full shape        -> x op y   (the operator broadcasts by itself)
//   an operator without reductions over constants -> a constant
//
// Everything else is exact for every IEEE value, NaN and infinities included.
#pragma once

#include "compiler/ir/graph.h"

namespace netc {

Graph simplify(const Graph& graph);

}  // namespace netc
