// Reverse-mode differentiation as a graph rewrite.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compiler/base/recipe.h"
#include "compiler/ir/graph.h"

namespace netc {

// Appends the gradient of output `loss` (rank 0) to a copy of the graph: for every parameter that
// `loss` depends on, a state variable "gradient/<path>" (StateKind::gradient) with an update to the
// gradient. Gradient states are declared in the order in which the backward pass finishes them (decision 5). Origins are those of the
// differentiated nodes. A parameter that the loss does not depend on gets gradient zero.
// `loss_scale`: the gradients are computed at this scale, and divided by it at last (loss_scale.h).
Graph differentiate(const Graph& graph, const std::string& loss, const std::optional<LossScaleSpec>& loss_scale = {});

// For tests: also adds outputs "gradient/<input>" for these graph inputs.
Graph differentiate_with_inputs(const Graph& graph, const std::string& loss, const std::vector<std::string>& inputs);

}  // namespace netc
