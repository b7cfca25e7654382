// A program that has been loaded on a device. Immutable, so that many Contexts in many threads use one Executable at
// once.
#pragma once

#include <memory>
#include <string>

#include "compiler/base/program.h"
#include "runtime/device_context.h"
#include "runtime/state.h"

namespace netc {

class Executable {
 public:
  virtual ~Executable() = default;
  virtual const Program& program() const = 0;
  // A zeroed state in memory that both the host and the device see.
  virtual std::shared_ptr<State> make_state() const { return std::make_shared<State>(program()); }
  // REQUIRES: `state` is from make_state. The executable must outlive the context.
  virtual std::unique_ptr<DeviceContext> make_context(std::shared_ptr<State> state) const = 0;
};

// Kernels are functions of this process.
class HostExecutable : public Executable {
 public:
  std::unique_ptr<DeviceContext> make_context(std::shared_ptr<State> state) const override;
  // The code of program().kernels[kernel].
  virtual KernelFunction function(int32_t kernel) const = 0;
  // What went wrong in a launch since the last call, or nothing. Kernels cannot throw; an emulated device notices.
  virtual std::string take_fault() const { return {}; }
};

}  // namespace netc
