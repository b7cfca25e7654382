// The CUDA backend: kernel bodies to readable CUDA C++. It knows loop nests, scalar instructions and
// contractions, and no operator. Pure text: needs neither a GPU nor a CUDA toolkit.
//
//   std::string text = cuda_prelude() + emit_cuda({"relu", &body, {"relu0 (mnist.net:3)"}}, target).text;
//   // NVRTC compiles it for a device; runtime/cuda_emulation runs the same text on the CPU
#pragma once

#include <string>
#include <vector>

#include "compiler/base/target.h"
#include "compiler/lower/kernel.h"

namespace netc {

// `name`: "sm_80" or "sm_90". THROWS RuntimeError E0922 for another one.
Target cuda_target(const std::string& name);

struct CudaKernel {
  std::string symbol;  // unique within a Program
  const KernelBody* body = nullptr;
  std::vector<std::string> notes;  // for the head comment
};

struct CudaSource {
  std::string text;      // one `extern "C" __global__` function, with a comment on what and why
  int threads = 0;       // of a block
  int shared_bytes = 0;  // of a block
};
CudaSource emit_cuda(const CudaKernel& kernel, const Target& target);

// What stands in front of kernels: for a device, and for the emulator on the CPU.
std::string cuda_prelude();
std::string emulation_prelude();

// One translation unit for the system's C++ compiler: the prelude, the kernels' text, and for each of them a
// KernelFunction (compiler/base/program.h) named `symbol`_blocks. `sources`: as emit_cuda made them, one a
// kernel.
std::string emit_emulation(const std::vector<CudaKernel>& kernels, const std::vector<CudaSource>& sources);
std::string emit_emulation(const std::vector<CudaKernel>& kernels, const Target& target);

}  // namespace netc
