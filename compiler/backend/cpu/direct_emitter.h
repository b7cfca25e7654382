// Emits a contraction by its direct plan (lower/direct_plan.h): per task, loops over register tiles; a tile's sums
// stay in registers until the body's stores are evaluated on them, at (…, group, row, lanes).
//
// Where the sum is cut into blocks, C lies in the worker's scratch memory between them, and the stores follow the last
// block. Partial sums are added up in scratch memory in the order of the tiles, and written once a task.
#pragma once

#include "compiler/backend/cpu/nest_emitter.h"
#include "compiler/lower/direct_plan.h"

namespace netc {

// REQUIRES: the builder is in the task's scope; `scratch` has plan.scratch_bytes().
void emit_direct(LaneBuilder& builder, const KernelBody& body, const DirectPlan& plan, const TaskBlock& block,
                 const KernelPointers& pointers, llvm::Value* scratch);

}  // namespace netc
