// The layout of the State that all entry points share (decision 5): contiguous slabs of all parameters,
// all gradients and each of the optimizer's moments, every one in the order in which the backward pass
// finishes the gradients, then the loss scale where there is one, and the buffers that are not trained.
//
//   | parameters: fc.bias, fc.weight, conv.weight | gradients: the same | momentum: the same | bn.running_mean … |
//
// Slots are aligned to 64 bytes; a slab's gaps belong to it (the optimizer runs over them, they stay 0). Weights of
// contractions, their gradients and moments lie in the layout in which contractions read the weights; their padding lanes
// stay 0 as gaps do.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compiler/base/program.h"
#include "compiler/base/recipe.h"
#include "compiler/ir/graph.h"
#include "compiler/lower/contraction_layouts.h"

namespace netc {

struct StateLayout {
  std::vector<StateSlot> slots;           // by offset
  std::map<std::string, int64_t> offsets;  // bytes, by path of a slot and by name of a slab ("slab/gradients")
  int64_t slab_elements = 0;               // f32 elements of each slab, gaps included
  int64_t buffer_elements = 0;             // of the buffers, which lie together where an average follows them
  std::vector<int64_t> group_begins;       // the slabs' element where each group of parameters begins, ascending
  int64_t bytes = 0;

  int64_t offset_of(const std::string& path) const;  // THROWS InternalError for an unknown one
};

// The states of all graphs, by path. Parameters in the order of the gradient states, where a graph has them.
// `optimizer`: null without training. `groups`: the group of each parameter, from 0; those of a group lie together, in
// the order of the groups. REQUIRES: parameters are f32; equal paths have equal types.
StateLayout lay_out_state(const std::vector<const Graph*>& graphs, const OptimizerSpec* optimizer,
                          const LayoutOptions& layouts = {}, const std::map<std::string, int32_t>& groups = {});

}  // namespace netc
