// `netc emit`: every stage of the compilation as text.
#pragma once

#include <string>

#include "compiler/api/compile.h"

namespace netc {

struct EmitRequest {
  NetworkRequest network;
  std::string stage;  // ast, graph, grad, schedule, kernels, llvm, asm
  bool train = false;
  int64_t batch = 1;
  CompileSettings settings;
};

// THROWS CompileError; RuntimeError E0922 or E0923.
std::string emit_stage(Project& project, const EmitRequest& request);

// The stages' names, in the order of the data.
const std::vector<std::string>& stage_names();

}  // namespace netc
