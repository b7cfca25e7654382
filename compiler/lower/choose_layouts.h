// Which layout every buffer gets: decided after fusion and before bodies are made, so that a body is made once, in
// the layouts that its operands have.
//
// Contractions say what they want (contraction_layouts.h). What a contraction writes or reads is written in that layout
// by whoever makes it; maps, poolings and reductions in between take over the layout of what they read, so that no value is
// converted on the way from one contraction to the next. What remains dense: inputs, outputs, states that no contraction
// reads, and values whose channels are taken apart at other places than between blocks. Placement converts at those edges.
#pragma once

#include <vector>

#include "compiler/lower/contraction_layouts.h"
#include "compiler/lower/fuse.h"
#include "compiler/lower/schedule.h"

namespace netc {

struct LayoutPlan {
  // Per value with memory of its own, the layout of that memory (views and pieces of a concat: of the whole). No dims: dense.
  std::vector<Layout> homes;
  // Per kernel with a contraction that has a blocked form, per tensor.
  std::vector<std::optional<std::array<Layout, 3>>> contractions;
};

// `states`: what every graph that shares them agrees on.
LayoutPlan choose_layouts(const Graph& graph, const Fusion& fusion, const StateLayouts& states, const LayoutOptions& options);

// Weights of contractions, and their gradients, in the order in which the forward direction reads the weights.
StateLayouts choose_state_layouts(const std::vector<const Graph*>& graphs, const LayoutOptions& options);

// The value whose memory a view or a piece of a concat is a part of.
ValueId memory_root(const Graph& graph, const Fusion& fusion, ValueId value);

// The axis that runs within the blocks of an index, from the beginning of a block; -1: none.
int axis_within_block(const Dag& dag, ExprId index, int64_t block);

}  // namespace netc
