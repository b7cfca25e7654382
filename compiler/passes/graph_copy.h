// Copying one graph's nodes into a Builder, for passes that `rewrite` cannot express: those that leave
// nodes out, append to a graph, or join several graphs.
//
//   Builder builder;
//   GraphCopy copy(builder, graph);           // declares graph's states
//   for (const Node& node : graph.nodes) copy.node(node);
//   copy.results();                           // outputs and updates
#pragma once

#include <vector>

#include "compiler/ir/graph.h"

namespace netc {

class GraphCopy {
 public:
  GraphCopy(Builder& builder, const Graph& graph);

  // Copies a node whose inputs were copied already, with its origin.
  void node(const Node& node);
  // Adds the graph's outputs and updates. REQUIRES: their values were copied.
  void results();

  // Lets `copy` stand for a value of the old graph.
  void set(ValueId old, ValueId copy) { map_[static_cast<size_t>(old.index)] = copy; }

  ValueId operator[](ValueId old) const { return old.valid() ? map_[static_cast<size_t>(old.index)] : ValueId{}; }
  std::vector<ValueId> operator()(const std::vector<ValueId>& old) const;

 private:
  Builder& builder_;
  const Graph& graph_;
  std::vector<ValueId> map_;
};

}  // namespace netc
