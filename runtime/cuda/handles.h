// Handles of the driver that end with their scope, and events without clocks.
#pragma once

#include <utility>

#include "runtime/cuda/device.h"

namespace netc {

template <class Handle, CuResult (*CudaDriver::*kDestroy)(Handle)>
class Owned {
 public:
  explicit Owned(const CudaDevice& device) : device_(&device) {}
  ~Owned() { reset(); }
  Owned(Owned&& other) noexcept : device_(other.device_), handle_(std::exchange(other.handle_, nullptr)) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  Handle get() const { return handle_; }
  Handle* out() { return &handle_; }

 private:
  void reset() {
    if (!handle_) return;
    try {
      const CudaDevice::Current current(*device_);
      (device_->driver().*kDestroy)(handle_);
    } catch (const RuntimeError&) {  // the context is lost, and what it held with it
    }
  }
  const CudaDevice* device_;
  Handle handle_ = nullptr;
};
using OwnedStream = Owned<CuStream, &CudaDriver::cuStreamDestroy_v2>;
using OwnedEvent = Owned<CuEvent, &CudaDriver::cuEventDestroy_v2>;
using OwnedGraph = Owned<CuGraph, &CudaDriver::cuGraphDestroy>;
using OwnedGraphExec = Owned<CuGraphExec, &CudaDriver::cuGraphExecDestroy>;

// Both REQUIRE that the device's context is current.
inline OwnedStream make_stream(const CudaDevice& device) {
  OwnedStream stream(device);
  device.check(device.driver().cuStreamCreate(stream.out(), kNonBlockingStream), "cuStreamCreate");
  return stream;
}
inline OwnedEvent make_event(const CudaDevice& device, unsigned flags) {
  OwnedEvent event(device);
  device.check(device.driver().cuEventCreate(event.out(), flags), "cuEventCreate");
  return event;
}

}  // namespace netc
