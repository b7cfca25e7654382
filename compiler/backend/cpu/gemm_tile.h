// The register tiles of a matrix product.
#pragma once

#include "compiler/backend/cpu/gemm_pack.h"

namespace netc {

// C[n][m] = (accumulate ? C[n][m] : 0) + sum over the block's k of panel[k][m] * s[n][k].
void multiply_tiles(LaneBuilder& b, const GemmPlan& plan, const GemmPhase& phase, const GemmRanges& ranges,
                    llvm::Value* panel, llvm::Value* s, llvm::Value* c, bool accumulate);

}  // namespace netc
