// A program's kernels for the CUDA backend, with what their head comments say: the labels of all launches,
// and why the first of them is one kernel.
#pragma once

#include <vector>

#include "compiler/backend/cuda/cuda_backend.h"
#include "compiler/lower/build_program.h"

namespace netc {

// REQUIRES: `plan` outlives the result.
std::vector<CudaKernel> cuda_kernels(const ProgramPlan& plan);

}  // namespace netc
