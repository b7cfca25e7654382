// Loads a Program whose objects are shared libraries of emulated CUDA kernels (backend/cuda: emit_emulation,
// built by the system's C++ compiler). Its kernels are KernelFunctions whose tasks are blocks of threads, so
// everything that runs programs on the CPU runs these.
#pragma once

#include <memory>

#include "runtime/cuda_emulation/block_runner.h"
#include "runtime/executable.h"

namespace netc {

class EmulatedExecutable : public HostExecutable {
 public:
  // What all launches of a kernel did so far.
  virtual EmulationCounts counts(int32_t kernel) const = 0;
  // From now on `counts` has unique bytes too. REQUIRES: one thread runs the program, so that blocks come in order.
  virtual void count_unique_bytes() = 0;
};

// THROWS RuntimeError E0902 if a library cannot be loaded or lacks a kernel.
std::unique_ptr<EmulatedExecutable> load_cuda_emulation(Program program);

}  // namespace netc
