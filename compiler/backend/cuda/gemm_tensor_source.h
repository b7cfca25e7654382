// The main loop of a matrix product on tensor cores: tiles in several stages by cp.async, swizzled so that
// ldmatrix meets no bank conflict, multiplied by mma.sync with f32 sums: m16n8k16 for 16-bit operands,
// m16n8k8 for f32 ones in tf32.
#pragma once

#include "compiler/backend/cuda/gemm_frame.h"

namespace netc {

// Leaves the tile of C in shared memory at c_tile (GemmFrame::c_index). Returns the bytes of shared memory
// that it needs.
int emit_tensor_product(GemmFrame& frame);

}  // namespace netc
