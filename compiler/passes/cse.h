// Common subexpression elimination: of nodes with the same operator, attributes and inputs the first one
// stays. Random operators are keyed by a path (an attribute), so equal nodes give equal numbers.
#pragma once

#include "compiler/ir/graph.h"

namespace netc {

Graph eliminate_common_subexpressions(const Graph& graph);

}  // namespace netc
