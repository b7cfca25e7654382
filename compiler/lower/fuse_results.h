// The last step of fusion: where results go. A state update is written straight into its state variable
// by the kernel that computes it, if nothing reads the old value afterwards; other updates and outputs that no
// kernel writes densely are copied at the end.
#pragma once

#include <string>

#include "compiler/lower/expand.h"
#include "compiler/lower/fuse.h"

namespace netc {

// Appends a kernel that copies `value` to `target`.
void add_copy(const Graph& graph, Expansion& expansion, Fusion& fusion, NodeId node, ValueId value,
              ResultTarget target, const std::string& reason);

void place_results(const Graph& graph, Expansion& expansion, Fusion& fusion);

}  // namespace netc
