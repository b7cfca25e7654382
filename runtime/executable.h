// A program that has been loaded on a device: its kernels can be called. Immutable, so that many
// Contexts in many threads use one Executable at once.
#pragma once

#include <string>

#include "compiler/base/program.h"

namespace netc {

class Executable {
 public:
  virtual ~Executable() = default;
  virtual const Program& program() const = 0;
  // The code of program().kernels[kernel].
  virtual KernelFunction function(int32_t kernel) const = 0;
  // What went wrong in a launch since the last call, or nothing. Kernels cannot throw; an emulated device notices.
  virtual std::string take_fault() const { return {}; }
};

}  // namespace netc
