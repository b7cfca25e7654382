// Replaces operators that are defined by others (`OpDef::decompose`) until only scalar and contraction
// operators and leaves remain. Runs after differentiation, so that softmax, batch norm and the losses
// keep gradients of their own.
#pragma once

#include "compiler/ir/graph.h"

namespace netc {

Graph decompose(const Graph& graph);

}  // namespace netc
