// How the values of a graph are used: what fusion needs to know before it decides anything.
#pragma once

#include <vector>

#include "compiler/ir/graph.h"
#include "compiler/lower/expand.h"

namespace netc {

struct ValueUses {
  std::vector<NodeId> nodes;  // the nodes that take it as an input
  bool needs_memory = false;  // a contraction, concat, reshape, output or update wants it in memory, or it is integral
  bool is_result = false;     // of the graph: an output or an update
  bool needs_dense = false;   // a result, or looked at by a reshape that is more than a change of extents of 1
  // How many times all its elements would be evaluated, per element, if every use evaluated them anew.
  double evaluations = 0;
};

std::vector<ValueUses> analyse_uses(const Graph& graph, Expansion& expansion);

bool is_concat(const Node& node);
// Reads its single input's elements in another place, without arithmetic: transpose, slice, pad, broadcast, …
bool is_movement(const LoopNest& nest);

}  // namespace netc
