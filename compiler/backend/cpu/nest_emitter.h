// Emits a loop nest over one task's block: parallel loops, reductions inside them, stores, and the
// task's partial sums.
//
// Order of summation (the same for any split into tasks): within the innermost loop f32 lanes;
// across rows, and across pieces of a long row, f64 lanes; then the lanes by a fixed tree.
#pragma once

#include "compiler/backend/cpu/expression.h"
#include "compiler/backend/cpu/vector_axis.h"

namespace netc {

// The block of a task, per parallel axis. Constants where the axis is not split.
struct TaskBlock {
  std::vector<llvm::Value*> begin, end;
  llvm::Value* partial_row = nullptr;  // the row of PartialSum outputs that is this task's
};

// REQUIRES: no contraction in `body`; the builder is in the task's scope; `grid` cuts `body`'s parallel axes.
void emit_nest(LaneBuilder& builder, const KernelBody& body, const TaskGrid& grid, const TaskBlock& block,
               const KernelPointers& pointers, const Target& target);

}  // namespace netc
