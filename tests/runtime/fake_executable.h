// An Executable whose kernels are plain C++ functions, to test the runtime without a compiler.
#pragma once

#include <utility>

#include "runtime/executable.h"

namespace netc {

class FakeExecutable final : public HostExecutable {
 public:
  FakeExecutable(Program program, std::vector<KernelFunction> functions)
      : program_(std::move(program)), functions_(std::move(functions)) {}
  const Program& program() const override { return program_; }
  KernelFunction function(int32_t kernel) const override { return functions_[static_cast<size_t>(kernel)]; }

 private:
  Program program_;
  std::vector<KernelFunction> functions_;
};

}  // namespace netc
