// Emulated kernels as machine code of this computer, by the system's C++ compiler ($CXX, or `c++`).
#pragma once

#include <cstddef>
#include <vector>

#include "compiler/backend/cuda/cuda_backend.h"

namespace netc {

// Shared libraries for runtime/cuda_emulation, compiled on `threads` threads. THROWS RuntimeError E0932 where
// there is no compiler or no place for temporary files.
std::vector<std::vector<std::byte>> compile_emulation(const std::vector<CudaKernel>& kernels,
                                                      const Target& target, int threads);

// The same for one translation unit; tests compile kernels that they have changed.
std::vector<std::byte> compile_host_library(const std::string& source);

}  // namespace netc
