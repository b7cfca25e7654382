// What rematerialise (rematerialise.h) needs to know of a graph: what the backward pass reads, and how it could be computed again.
//
// Example: r = relu(a * c + b) of a convolution's output c, read by a weight gradient of the backward pass. r is a candidate:
// recipe(r) has the sources {c, a, b} and the work of an addition, a multiplication and a maximum.
#pragma once

#include <limits>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "compiler/ir/graph.h"
#include "compiler/lower/fuse.h"

namespace netc {

// How a value is computed again: by one kernel, from values in memory.
struct RecomputeRecipe {
  std::set<ValueId> sources;
  std::set<ValueId> through;    // values that would be in memory, but are computed again on the way
  int64_t work = 0, flops = 0;  // per element
};

// A graph with its fusion. The graph must outlive it.
class RecomputeAnalysis {
 public:
  RecomputeAnalysis(const Graph& graph, const FuseOptions& options, int64_t smallest_value);

  const Graph& graph() const { return graph_; }
  const Fusion& fusion() const { return fusion_; }
  ValueRole role(ValueId value) const { return fusion_.roles[static_cast<size_t>(value.index)]; }
  bool is_forward(ValueId value) const { return graph_.value(value).producer.index < backward_; }
  bool is_concat(ValueId value) const;
  bool is_worth_it(ValueId value) const { return graph_.type(value).bytes() >= smallest_; }
  // Whether a source is of a value's own size, more or less: no number for each channel.
  bool is_large(ValueId source, ValueId value) const {
    return 4 * graph_.type(source).bytes() >= graph_.type(value).bytes();
  }

  // Whether a value is element-wise work of the forward pass that is kept for the backward pass.
  bool is_candidate(ValueId value) const;
  // Whether a value is in memory during the backward pass whatever is recomputed.
  bool is_kept(ValueId value) const;
  // The node of the backward pass before which a value must be there, or -1: no kernel of the backward pass reads it.
  int32_t first_backward_use(ValueId value) const;
  // The nodes of the backward pass that take a value as it is or through inlined values and views of the forward pass, in order.
  std::vector<NodeId> backward_readers(ValueId value) const;
  // The kernel that computes a node, or all that its inlined results are for; -1: there is no such kernel.
  int32_t kernel_of(NodeId node) const { return node_kernels_[static_cast<size_t>(node.index)]; }
  // What a kernel reads from memory, as whole values.
  std::set<ValueId> operands_of(const FusedKernel& kernel) const;

  // How to compute a value from what is in memory, through values of `chosen`, which are not, and large ones that the backward pass
  // does not keep. Null if that is no cheap element-wise work.
  std::optional<RecomputeRecipe> recipe(ValueId value, const std::set<ValueId>& chosen = {}) const;

 private:
  bool is_piece(ValueId value) const { return fusion_.pieces.count(value) > 0; }
  void find_uses(const FusedKernel& kernel);
  void note_use(ValueId value, int32_t node);
  const std::optional<RecomputeRecipe>& own_recipe(ValueId value) const;
  bool add(ValueId value, RecomputeRecipe& out) const;

  const Graph& graph_;
  Fusion fusion_;
  int64_t smallest_;
  int32_t backward_ = 0;  // the first node that is not of the forward pass
  std::set<ValueId> results_;
  std::map<ValueId, int32_t> first_use_;
  std::vector<int32_t> node_kernels_;
  mutable std::map<ValueId, std::optional<RecomputeRecipe>> recipes_;  // what own_recipe has found
};

}  // namespace netc
