#include "tests/cuda_static/network_kernels.h"

#include <algorithm>
#include <cctype>
#include <sstream>

#include "compiler/api/cuda_kernels.h"

namespace netc {
namespace {

constexpr int64_t kTrainingBatch = 64, kInferenceBatch = 8;

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.';
}

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
  for (const CudaKernel& kernel : cuda_kernels(network.compilation.plan))
    network.sources.push_back(emit_cuda(kernel, network.compilation.target));
  return network;
}

std::string code_of(const CudaSource& source, const std::string& symbol) {
  std::string code;
  std::istringstream stream(source.text);
  for (std::string line; std::getline(stream, line);)
    if (line.rfind("//", 0) != 0) code += line + "\n";
  if (const size_t at = code.find(symbol); at != std::string::npos) code.replace(at, symbol.size(), "kernel");
  return code;
}

std::string pattern_of(const std::string& code) {
  std::string pattern;
  for (size_t i = 0; i < code.size();) {
    size_t end = i;
    bool number = true;
    for (; end < code.size() && is_word(code[end]); ++end) number &= std::isdigit(code[end]) != 0;
    if (end == i)
      pattern += code[i++];
    else
      pattern += number ? "#" : code.substr(i, end - i);
    i = std::max(i, end);
  }
  return pattern;
}

}  // namespace netc
