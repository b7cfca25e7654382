// What a block does with its tile of C, which lies in shared memory: the body's stores and partial sums.
//
// Neighbouring threads take neighbouring elements of the output, eight each where the plan has lanes
// (lane_source.h).
#pragma once

#include "compiler/backend/cuda/gemm_frame.h"

namespace netc {

// Writes the epilogue of the frame's current phase. Returns the bytes of shared memory that it needs.
int emit_gemm_epilogue(GemmFrame& frame);

}  // namespace netc
