// Tasks and rows of partial sums on any target: blocks of a CPU's task grid (kernel.h), or blocks of a GPU's
// threads (cuda_plan.h).
#pragma once

#include "compiler/lower/kernel.h"

namespace netc {

// Whether kernels are CUDA's, for a GPU or for its emulation.
bool is_cuda(const Target& target);

// Tasks of a launch.
int64_t task_count(const KernelBody& body, const Target& target);
// Rows of the output of a PartialSum that keeps `kept`, whether or not the body has it yet.
int64_t partial_rows(const KernelBody& body, const std::vector<int>& kept, const Target& target);

}  // namespace netc
