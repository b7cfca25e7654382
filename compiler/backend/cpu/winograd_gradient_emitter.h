// The work of a task of a Winograd convolution's weight gradient (lower/winograd_gradient_plan.h).
#pragma once

#include "compiler/backend/cpu/lane_builder.h"
#include "compiler/backend/cpu/nest_emitter.h"
#include "compiler/lower/winograd_gradient_plan.h"

namespace netc {

void emit_winograd_gradient(LaneBuilder& builder, const KernelBody& body, const WinogradGradientPlan& plan, const TaskBlock& block,
                            const KernelPointers& pointers, llvm::Value* scratch);

}  // namespace netc
