// NVRTC, CUDA's run-time compiler: opened when it is first wanted, with declarations of our own, so that netc
// needs neither the CUDA toolkit nor a driver to be built or to run. It compiles for a GPU without having
// one.
//
//   std::string reason;
//   if (const Nvrtc* nvrtc = Nvrtc::find(reason)) cubin = nvrtc->compile(source, "relu", target).cubin;
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "compiler/backend/cuda/cuda_backend.h"

namespace netc {

class Nvrtc {
 public:
  // Null if there is none; then `reason` says where it was looked for. Looked for once in a process: by the
  // loader, then in $CUDA_HOME/lib64 and /usr/local/cuda/lib64.
  static const Nvrtc* find(std::string& reason);

  struct Version {
    int major = 0, minor = 0;
  };
  Version version() const { return version_; }
  // What decides the code that it makes of a text: "NVRTC 13.0 --std=c++17 …".
  std::string id() const;

  struct Compiled {
    std::vector<std::byte> cubin;
    std::string log;  // ptxas: registers, spills, shared memory
  };
  // Thread-safe. `source` without the prelude. THROWS InternalError with the compiler's messages if it
  // refuses the source.
  Compiled compile(const std::string& source, const std::string& name, const Target& target) const;

 private:
  Nvrtc() = default;
  struct Functions;
  static std::string load(Nvrtc& nvrtc);
  const Functions* functions_ = nullptr;
  Version version_;
};

struct CompiledCuda {
  std::vector<size_t> kernels;  // that the function serves
  CudaSource source;            // of the first of them
  Nvrtc::Compiled code;
};
// Every function of the kernels, on `threads` threads.
std::vector<CompiledCuda> compile_cuda(const Nvrtc& nvrtc, const std::vector<CudaKernel>& kernels,
                                       const Target& target, int threads);

}  // namespace netc
