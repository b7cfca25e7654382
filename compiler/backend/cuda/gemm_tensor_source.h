// The main loop of a matrix product of 16-bit operands on tensor cores: tiles in several stages by cp.async,
// swizzled so that ldmatrix meets no bank conflict, multiplied by mma.sync m16n8k16 with f32 sums.
#pragma once

#include "compiler/backend/cuda/gemm_frame.h"

namespace netc {

// Leaves the tile of C in shared memory at c_tile [n][m]. Returns the bytes of shared memory that it needs.
int emit_tensor_product(GemmFrame& frame);

}  // namespace netc
