// The statements of a loop nest (lower/kernel.h) by its plan (lower/cuda_plan.h), inside a kernel's braces.
//
// Order of summation: a thread adds its terms in f32, at most 256 of them, and such pieces in f64; then the
// threads of a point by a fixed tree.
#pragma once

#include "compiler/backend/cuda/kernel_extents.h"
#include "compiler/backend/cuda/source_writer.h"
#include "compiler/lower/cuda_plan.h"

namespace netc {

// REQUIRES: no contraction in `body`. Returns the bytes of shared memory that the block needs.
int emit_nest_source(SourceWriter& out, KernelExtents& extents, const KernelBody& body, const CudaPlan& plan);

}  // namespace netc
