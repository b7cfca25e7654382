// Dead code elimination: keeps the nodes that an output or a state update depends on. Graph inputs stay,
// because they are part of the entry point's interface, and so do state variables.
#pragma once

#include "compiler/ir/graph.h"

namespace netc {

Graph eliminate_dead_code(const Graph& graph);

}  // namespace netc
