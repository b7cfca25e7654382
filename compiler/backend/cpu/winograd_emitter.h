// Emits a Winograd convolution by its plan (lower/winograd_plan.h): per task, transformed inputs in the worker's scratch
// memory, a matrix product for each position, and the body's stores on transformed outputs in registers.
#pragma once

#include "compiler/backend/cpu/nest_emitter.h"
#include "compiler/lower/winograd_plan.h"

namespace netc {

// REQUIRES: the builder is in the task's scope; `scratch` has plan.scratch_bytes().
void emit_winograd(LaneBuilder& builder, const KernelBody& body, const WinogradPlan& plan, const TaskBlock& block,
                   const KernelPointers& pointers, llvm::Value* scratch);

}  // namespace netc
