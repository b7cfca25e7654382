// The CUDA backend: kernel bodies to readable CUDA C++. It knows loop nests, scalar instructions and
// contractions, and no operator. Pure text: needs neither a GPU nor a CUDA toolkit.
//
//   CudaSource source = emit_cuda({"relu", &body, {"relu0 (mnist.net:3)"}}, target);
//   std::string text = cuda_prelude() + source.text();
//   // NVRTC compiles it for a device; runtime/cuda_emulation runs the same text on the CPU
//
// A kernel's extents are arguments (kernel_extents.h): kernels whose `code` is the same are one function, and
// differ in `extents`.
#pragma once

#include <string>
#include <vector>

#include "compiler/base/device_kernel.h"
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
  std::string comment;   // on what and why, and the values of its arguments
  std::string function;  // "netc_product_4f0c2a9be1d07733": by its code, so that equal code has one name
  std::string code;      // the arguments' structure and one `extern "C" __global__` function
  std::vector<int32_t> extents;  // what the structure holds; empty: the function has no such argument
  int threads = 0;               // of a block
  int shared_bytes = 0;          // of a block
  std::string text() const { return comment + code; }
};
CudaSource emit_cuda(const CudaKernel& kernel, const Target& target);
// Of every kernel, on `threads` threads.
std::vector<CudaSource> emit_cuda(const std::vector<CudaKernel>& kernels, const Target& target, int threads);

// The functions of some kernels: for each the numbers of its kernels, in the order of their first ones.
std::vector<std::vector<size_t>> group_by_function(const std::vector<CudaSource>& sources);

// What is loaded for the kernels; sets their threads and shared memory in the program. `objects`: for each
// function of group_by_function, which of the program's objects has it.
std::vector<DeviceKernel> describe_kernels(const std::vector<CudaSource>& sources,
                                           const std::vector<int32_t>& objects, Program& program);

// What stands in front of kernels: for a device, and for the emulator on the CPU.
std::string cuda_prelude();
std::string emulation_prelude();

// One translation unit for the system's C++ compiler: the prelude, the kernels' functions, and for each
// kernel a KernelFunction (compiler/base/program.h) named `symbol`_blocks. `sources`: as emit_cuda made them,
// one a kernel.
std::string emit_emulation(const std::vector<CudaKernel>& kernels, const std::vector<CudaSource>& sources);

}  // namespace netc
