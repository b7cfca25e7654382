// The CUDA kernels of ResNet-50 and GoogLeNet, as `netc train` and `netc predict` would have them: planned
// and written, not compiled.
//
//   for (const NetworkCase& which : network_cases()) EmittedNetwork network = emit_network(which);
#pragma once

#include <string>
#include <vector>

#include "compiler/api/compile.h"
#include "compiler/backend/cuda/cuda_backend.h"

namespace netc {

struct NetworkCase {
  const char* network;    // "std.resnet:resnet50"
  bool training;          // the entries eval, grad, apply and step; else predict and prepare
  const char* precision;  // "f32", "tf32", "bf16", "f16"
  const char* architecture;
};
// Every network, purpose, precision and architecture that netc offers on a GPU.
std::vector<NetworkCase> network_cases();
std::string to_string(const NetworkCase& which);

struct EmittedNetwork {
  NetworkCase which;
  Compilation compilation;
  std::vector<CudaSource> sources;  // of compilation.plan.kernels
};
EmittedNetwork emit_network(const NetworkCase& which);

}  // namespace netc
