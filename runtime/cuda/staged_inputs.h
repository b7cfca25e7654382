// Inputs of the next run, on their way to the GPU while it computes.
//
//   stream:       … kernels of run N …               | wait for `copied` | take the inputs | kernels of run
//   N+1 … copy stream:  wait for `taken` | copy from pinned memory | `copied` host:         write pinned
//   memory A                write pinned memory B
//
// One place on the GPU is enough: a run takes its inputs from there to where its kernels read them before it
// does anything else, which is a copy within the GPU; from then on the next ones may come. The host writes
// two pinned buffers by turns, each again once its copy has ended.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>

#include "compiler/base/program.h"
#include "runtime/cuda/device.h"
#include "runtime/cuda/handles.h"

namespace netc {

class StagedInputs {
 public:
  // For inputs of any entry of the program. REQUIRES: the device's context is current, here and below.
  // THROWS RuntimeError E0911, E0936.
  StagedInputs(std::shared_ptr<CudaDevice> device, const Program& program);
  // Waits for the copies that are under way.
  ~StagedInputs();
  StagedInputs(const StagedInputs&) = delete;
  StagedInputs& operator=(const StagedInputs&) = delete;

  // Has `write` write input `i` of the entry to where it is told, and begins to copy them to the GPU.
  using Write = std::function<void(size_t i, std::byte* to)>;
  void stage(const EntryPoint& entry, const Write& write);

  // Lets `stream` put them in their places in the arena. REQUIRES: stage() was for this entry.
  void take(const EntryPoint& entry, CuAddress arena, CuStream stream);

 private:
  const CudaDriver& driver() const { return device_->driver(); }

  std::shared_ptr<CudaDevice> device_;
  DeviceBuffer on_device_;
  OwnedStream stream_;
  struct Set {
    PinnedBuffer memory;
    OwnedEvent copied;
  };
  std::array<Set, 2> sets_;
  size_t set_ = 0;  // of the last stage()
  OwnedEvent taken_;
};

}  // namespace netc
