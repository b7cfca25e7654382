#include "tests/cuda_static/network_kernels.h"

#include "compiler/api/cuda_kernels.h"

namespace netc {
namespace {

constexpr int64_t kTrainingBatch = 64, kInferenceBatch = 8;

}  // namespace

std::vector<NetworkCase> network_cases() {
  std::vector<NetworkCase> cases;
  for (const char* network : {"std.resnet:resnet50", "std.googlenet:googlenet"})
    for (const char* architecture : {"sm_80", "sm_90"}) {
      for (const char* precision : {"f32", "tf32", "bf16"}) cases.push_back({network, true, precision, architecture});
      for (const char* precision : {"f32", "tf32", "bf16", "f16"})
        cases.push_back({network, false, precision, architecture});
    }
  return cases;
}

std::string to_string(const NetworkCase& which) {
  return std::string(which.network) + (which.training ? ", training, " : ", inference, ") + which.precision +
         ", " + which.architecture;
}

EmittedNetwork emit_network(const NetworkCase& which) {
  CompileSettings settings;
  settings.device = std::string("cuda:") + which.architecture;
  settings.precision = which.precision;
  Project project;
  NetworkRequest request;
  request.reference = which.network;
  EmittedNetwork network{which,
                         which.training ? plan_training(project, request, nullptr, kTrainingBatch, settings)
                                        : plan_inference(project, request, kInferenceBatch, settings),
                         {}};
  network.sources = emit_cuda(cuda_kernels(network.compilation.plan), network.compilation.target, 1);
  return network;
}

}  // namespace netc
