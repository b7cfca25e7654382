// A program that has been loaded on a device: its kernels can be called. Immutable, so that many
// Contexts in many threads use one Executable at once.
#pragma once

#include "compiler/base/program.h"

namespace netc {

class Executable {
 public:
  virtual ~Executable() = default;
  virtual const Program& program() const = 0;
  // The code of program().kernels[kernel].
  virtual KernelFunction function(int32_t kernel) const = 0;
};

}  // namespace netc
