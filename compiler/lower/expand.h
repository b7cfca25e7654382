// Expanding inlined values: a node as one loop nest over values in memory.
//
// Example: y = relu(a + b) with a + b inlined: flatten(relu) is
//   extents of y, operands {a, b}, store max(in0[a0, a1] + in1[a0, a1], 0)
#pragma once

#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "compiler/ir/graph.h"
#include "compiler/ir/loop_nest.h"
#include "compiler/lower/fuse.h"

namespace netc {

struct FlatNest {
  LoopNest nest;
  std::vector<ValueId> operands;  // what the loads' operand numbers mean
};

// What a nest costs: the work of one evaluation, and the operands that are large.
struct NestCost {
  int64_t work = 0;  // an add counts 1, a division 4, a transcendental function 20
  int large_operands = 0;
  int expressions = 0;
};

class Expansion {
 public:
  Expansion(const Graph& graph, const Fusion& fusion);

  // REQUIRES: a scalar operator whose inputs have roles.
  FlatNest flatten(const Node& node);
  // One element of every value of `type`, loaded from `value` (copies and fills).
  FlatNest flatten_copy(ValueId value);
  // The nest of the operator itself, or of a reshape between shapes that differ in extents of 1 only.
  const LoopNest& nest_of(const Node& node);

 private:
  class Target;
  const Graph& graph_;
  const Fusion& fusion_;
  std::map<int32_t, LoopNest> nests_;  // by node
};

NestCost cost_of(const Graph& graph, const FlatNest& flat);

// Work of the expressions reachable from the roots; an add counts 1. `flops`: every instruction counts 1.
int64_t work_of(const Dag& dag, const std::vector<ExprId>& roots, bool flops = false);

// Of a body's stores, sums and contraction; a multiply-add counts 2.
int64_t count_flops(const KernelBody& body);

// Everything that a nest evaluates.
std::vector<ExprId> roots_of(const LoopNest& nest);

// A real load, unguarded, at indices that are affine in the axes: what the epilogue of a contraction may load.
bool is_affine_load(const Dag& dag, const Expr& load);

// Whether a load with these indices reads, at every parallel index, the element with that very index.
// `parallel`: the extents of the axes.
bool is_own_element(const Dag& dag, const Expr& load, const Shape& shape, const Shape& parallel);

}  // namespace netc
