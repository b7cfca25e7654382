// Copies a graph so that the backward pass computes values again: what rematerialise (rematerialise.h) decides is done here.
//
// Example: replace_value(r, recipe, w) of r = relu(a * c + b), with w the weight gradient in the backward pass that reads r
//   -> r' = relu(a * c + b) right before w, and w and what comes after it read r'.
#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "compiler/ir/graph.h"
#include "compiler/lower/recompute_analysis.h"
#include "compiler/passes/graph_copy.h"

namespace netc {

class GraphRecomputation {
 public:
  // The analysis must outlive it.
  explicit GraphRecomputation(const RecomputeAnalysis& analysis);

  // Input `input` of node `user` becomes a value of its own, computed as the recipe says.
  void replace_input(NodeId user, ValueId input, const RecomputeRecipe& recipe);
  // Nodes from `first` on, in the backward pass, use a value that is computed before that node, as the recipe says.
  void replace_value(ValueId value, const RecomputeRecipe& recipe, int32_t first);
  // A node is copied right behind a later one. REQUIRES: nothing up to that one uses its results.
  void delay(NodeId node, int32_t behind);

  Graph run();

 private:
  void step(int32_t number);
  void recompute(ValueId value);
  ValueId clone(ValueId value);
  bool needs_clone(ValueId value) const;
  ValueId seen_backwards(ValueId value);
  bool reaches_recomputed(ValueId value) const;
  void copy(int32_t number);

  const RecomputeAnalysis& analysis_;
  const Graph& graph_;
  Builder builder_;
  GraphCopy copy_;
  std::set<ValueId> absent_;  // not in memory when values are computed again
  std::set<std::pair<int32_t, ValueId>> private_inputs_;
  std::map<int32_t, std::vector<ValueId>> due_;  // what is computed again before a node
  std::map<int32_t, int32_t> delayed_;           // nodes, and behind which they come
  std::map<int32_t, std::vector<int32_t>> waiting_;  // the same, by the latter
  std::map<ValueId, ValueId> again_;             // values of the graph, as they were recomputed in the new one
};

}  // namespace netc
