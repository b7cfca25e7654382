// The statements of a contraction as a tiled matrix product (lower/cuda_gemm_plan.h), inside a kernel's
// braces:
//
//   which tile;  the main loop (gemm_simt_source, gemm_tensor_source), which leaves C in shared memory;  the
//   epilogue
#pragma once

#include "compiler/backend/cuda/kernel_extents.h"
#include "compiler/backend/cuda/source_writer.h"
#include "compiler/lower/cuda_gemm_plan.h"

namespace netc {

// REQUIRES: `plan` is the body's. Returns the bytes of shared memory that the block needs.
int emit_gemm_source(SourceWriter& out, KernelExtents& extents, const KernelBody& body,
                     const CudaGemmPlan& plan);

}  // namespace netc
