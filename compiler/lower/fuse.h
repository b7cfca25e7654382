// Fusion: which nodes of a graph share a kernel, and why.
//
// Every value gets a role. Maps (operators without reductions) are either *inlined* into whatever loads
// them, or *computed* by a kernel. A computed map joins a kernel that exists already where it can: its
// index space is that of the kernel, what it loads from the kernel it loads at its own index (so the
// operand is in a register), and everything else is ready before the kernel starts. That one rule makes bias,
// residual add and activation the epilogue of their contraction, and chains of maps one kernel.
// Reductions over one index space that share a large operand share one kernel; sums over the whole output of a contraction or a
// map can be taken by its own kernel.
//
// GUARANTEES: kernels in launch order; no exp, log, tanh, erf, random number or reduction is computed twice
// for one element; a reshape or slice of stored values is a view.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compiler/ir/graph.h"
#include "compiler/ir/loop_nest.h"
#include "compiler/lower/contraction_layouts.h"
#include "compiler/lower/kernel.h"

namespace netc {

enum class ValueRole : uint8_t {
  leaf,      // an input or a state: in memory from the start
  constant,  // one number for all elements; a literal in the kernels that use it
  view,      // a reshape or slice of a value in memory
  inlined,   // recomputed by each kernel that loads it
  computed,  // by a kernel, once
  gathered,  // a concat: its inputs are written into it
};

// Where a kernel's result goes, other than to the place of the value itself.
struct ResultTarget {
  enum class Kind : uint8_t { value, piece, output, update } kind = Kind::value;
  ValueId concat;     // piece: of this value
  int32_t index = 0;  // piece: which input; output, update: which one
};

// Sums over a kernel's output that it takes itself, a row per task (PartialSum in kernel.h): a
// pseudo-value behind the graph's values, f32[rows, columns], with the role `computed`. How many rows there
// are depends on the finished kernel's task grid, so placement fills them in.
struct FusedPartial {
  ValueId value;
  int kept = 0;            // the kernel's parallel axis that stays
  ExprId body = kNoExpr;   // in the kernel's Dag
  int64_t columns = 0;
};

struct FusedResult {
  ValueId value;
  ExprId expr = kNoExpr;
  ResultTarget target;
};

struct FusedKernel {
  LoopNest nest;                     // loads name `operands`; its stores are made from `results` later
  std::vector<ValueId> operands;     // values in memory that it reads
  std::optional<ContractionStage> contraction;
  std::vector<FusedPartial> partials;
  bool sums_rows = false;            // of partials: its last axis has as many steps as they have rows
  std::vector<FusedResult> results;
  std::vector<NodeId> nodes;
  std::vector<std::string> reasons;

  const FusedResult* result_of(ValueId value) const;  // with target `value`, or null
};

struct Fusion {
  std::vector<FusedKernel> kernels;
  std::vector<ValueRole> roles;         // per value
  std::vector<int32_t> kernel_of;       // per computed value; else -1
  // Concat inputs that are written straight into the concat's buffer: value -> (concat value, which input).
  std::map<ValueId, std::pair<ValueId, int32_t>> pieces;
  // Computed values that are written straight into the state variable that they update.
  std::map<ValueId, int32_t> in_state;
};

struct FuseOptions {
  // Sums over a kernel's output of at least this many elements (batch norm's statistics and their gradients) are taken by that
  // kernel. INT64_MAX: never.
  int64_t smallest_statistics = 16384;
  LayoutOptions layouts{};
};

Fusion fuse(const Graph& graph, const FuseOptions& options = {});

inline bool is_partial(const Graph& graph, ValueId value) {
  return value.index >= static_cast<int32_t>(graph.values.size());
}

// The value that a chain of views looks into, and whether every link keeps the row-major order (no slice).
struct ViewBase {
  ValueId base;
  bool dense = true;
};
ViewBase view_base(const Graph& graph, const Fusion& fusion, ValueId value);

// Shapes without extents of 1 agree: {1, C, 1, 1} and {C}.
bool same_squeezed(const Shape& a, const Shape& b);
// For squeezed-equal shapes: the axis of `to` for every axis of `from`, -1 for extents of 1.
std::vector<int> squeezed_axes(const Shape& from, const Shape& to);

}  // namespace netc
