// Elementary functions of our own, in f32 on any number of lanes: kernels call no library, so that
// results are the same everywhere and objects need no symbol of the host. Errors are measured in tests/cpu.
#pragma once

#include "compiler/backend/cpu/lane_builder.h"

namespace netc {

llvm::Value* emit_exp(LaneBuilder& b, llvm::Value* x);    // <= 2 ulp; overflows to inf, underflows to 0
llvm::Value* emit_log(LaneBuilder& b, llvm::Value* x);    // <= 2 ulp; log(0) = -inf, log(x < 0) = NaN
llvm::Value* emit_tanh(LaneBuilder& b, llvm::Value* x);   // <= 4 ulp
llvm::Value* emit_erf(LaneBuilder& b, llvm::Value* x);    // <= 4 ulp
llvm::Value* emit_floor(LaneBuilder& b, llvm::Value* x);
llvm::Value* emit_round_tf32(LaneBuilder& b, llvm::Value* x);  // ir/dag.h: round_to_tf32; exact
// NaN if either is NaN.
llvm::Value* emit_max(LaneBuilder& b, llvm::Value* a, llvm::Value* c);
llvm::Value* emit_min(LaneBuilder& b, llvm::Value* a, llvm::Value* c);

// base/random.h: uniform_from_bits(random_bits(seed, path, step, sample, element)). The three i32 values
// may be vectors; seed and step are i64 scalars.
llvm::Value* emit_uniform(LaneBuilder& b, llvm::Value* seed, uint32_t path, llvm::Value* step, llvm::Value* sample,
                          llvm::Value* element_low, llvm::Value* element_high);

}  // namespace netc
