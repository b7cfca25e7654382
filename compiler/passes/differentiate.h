// Reverse-mode differentiation as a graph rewrite.
#pragma once

#include <string>
#include <vector>

#include "compiler/ir/graph.h"

namespace netc {

// Appends the gradient of output `loss` (rank 0) to a copy of the graph: for every parameter that
// `loss` depends on, a state variable "gradient/<path>" (StateKind::gradient) with an update to the
// gradient. Gradient states are declared in the order in which the backward pass finishes them (decision 5). Origins are those of the
// differentiated nodes. A parameter that the loss does not depend on gets gradient zero.
// `seed_scale`: multiplies the loss's own gradient by the run-time loss scale if true.
Graph differentiate(const Graph& graph, const std::string& loss, bool seed_scale = false);

// For tests: also adds outputs "gradient/<input>" for these graph inputs.
Graph differentiate_with_inputs(const Graph& graph, const std::string& loss, const std::vector<std::string>& inputs);

}  // namespace netc
