// Copies of the two inputs of a matrix product in the worker's scratch memory.
#pragma once

#include "compiler/backend/cpu/lane_builder.h"
#include "compiler/lower/gemm_plan.h"

namespace netc {

// The values that a variable takes in the current task and block of k.
struct GemmRange {
  llvm::Value* begin = nullptr;
  llvm::Value* count = nullptr;
  int64_t known = 0;  // the count, if it is a constant; else 0
};
using GemmRanges = std::vector<GemmRange>;  // per variable of the plan

// panel[k][m] = V, zero outside of the operand. Columns behind the task's last m hold anything.
void pack_panel(LaneBuilder& b, const GemmPlan& plan, const GemmPhase& phase, const GemmRanges& ranges,
                llvm::Value* operand, DType dtype, llvm::Value* panel);

// Copies the box of S that the block reads to `stage`, zero padded, in f32. Returns the address of the block's first element.
llvm::Value* stage_scalars(LaneBuilder& b, const GemmPlan& plan, const GemmPhase& phase, const GemmRanges& ranges,
                           llvm::Value* operand, DType dtype, llvm::Value* stage);

// The address of the block's first element in S itself.
llvm::Value* scalar_base(LaneBuilder& b, const GemmPhase& phase, const GemmRanges& ranges, llvm::Value* operand);

}  // namespace netc
