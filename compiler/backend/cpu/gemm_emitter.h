// Emits a contraction by its plan (lower/gemm_plan.h): per task, for every block of k, pack V into a panel,
// stage S where it needs padding, and run the register tiles over C; C lies in the worker's scratch
// memory. Then the epilogue is an ordinary loop nest that reads C.
#pragma once

#include "compiler/backend/cpu/nest_emitter.h"
#include "compiler/lower/gemm_plan.h"

namespace netc {

// REQUIRES: the builder is in the task's scope; `scratch` has plan.scratch_bytes().
void emit_contraction(LaneBuilder& builder, const KernelBody& body, const GemmPlan& plan, const TaskGrid& grid,
                      const TaskBlock& block, const KernelPointers& pointers, llvm::Value* scratch, const Target& target);

}  // namespace netc
