// The main loop of a matrix product in f32 arithmetic: every index pattern and element type.
#pragma once

#include "compiler/backend/cuda/gemm_frame.h"

namespace netc {

constexpr int kThreadGrid = 16;  // a block's 256 threads are 16 along m and 16 along n

// Leaves the tile of C in shared memory, at c_tile [n][m]. Returns the bytes of shared memory that it needs.
int emit_simt_product(GemmFrame& frame);

}  // namespace netc
