// Kernel bodies as emulated CUDA kernels: compiled together, because the host's compiler takes most of a
// test's time.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "compiler/backend/cuda/cuda_backend.h"
#include "runtime/cuda_emulation/load.h"
#include "tests/cpu/kernel_harness.h"

namespace netc {

class EmulatedKernels {
 public:
  explicit EmulatedKernels(std::vector<KernelBody> bodies, const Target& target = cuda_target("sm_80"));
  // `change(number, source)` edits a kernel's text before it is compiled; all kernels in one translation
  // unit.
  EmulatedKernels(std::vector<KernelBody> bodies, const Target& target,
                  const std::function<void(size_t number, std::string& source)>& change);
  CompiledKernel kernel(size_t number) const;
  EmulationCounts counts(size_t number) const { return executable_->counts(static_cast<int32_t>(number)); }

 private:
  void load(std::vector<std::vector<std::byte>> objects);
  std::vector<CudaKernel> kernels() const;
  std::vector<KernelBody> bodies_;
  Target target_;
  std::shared_ptr<EmulatedExecutable> executable_;
};

}  // namespace netc
