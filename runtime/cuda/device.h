// A GPU, its primary context, and memory on it.
//
//   std::string reason;
//   std::shared_ptr<CudaDevice> gpu = find_cuda_device(reason);   // null: `reason` says why there is none
//   DeviceBuffer arena(gpu, bytes, "the arena");
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "compiler/base/error.h"
#include "runtime/cuda/driver.h"

namespace netc {

struct CudaDeviceInfo {
  std::string name;          // "NVIDIA H100 80GB HBM3"
  int major = 0, minor = 0;  // compute capability
  int64_t memory = 0;        // bytes
  int driver_version = 0;    // of the newest CUDA that the driver knows: 12040 is 12.4

  // Of the code that netc makes for it: "sm_80" runs on 8.x, "sm_90" on 9.x; empty: none does.
  std::string architecture() const;
};

// Not enough memory on the GPU; whoever knows the plan adds it.
class OutOfDeviceMemory : public RuntimeError {
 public:
  OutOfDeviceMemory(int64_t bytes, const char* purpose, int64_t available);
};

class CudaDevice {
 public:
  // The first GPU. REQUIRES: `driver` is initialised and outlives this. Null if none can be used, with the
  // reason.
  static std::shared_ptr<CudaDevice> open(const CudaDriver& driver, std::string& reason);
  ~CudaDevice();
  CudaDevice(const CudaDevice&) = delete;
  CudaDevice& operator=(const CudaDevice&) = delete;

  const CudaDriver& driver() const { return driver_; }
  const CudaDeviceInfo& info() const { return info_; }

  // THROWS RuntimeError E0936 unless `result` is success: `call` failed, because of …, `where` it was.
  void check(CuResult result, const char* call, const std::string& where = {}) const;

  // Makes this GPU's context the calling thread's until the end of the scope.
  class Current {
   public:
    explicit Current(const CudaDevice& device);
    ~Current();
    Current(const Current&) = delete;
    Current& operator=(const Current&) = delete;

   private:
    const CudaDriver& driver_;
  };

  // Managed memory may be promised beyond what the GPU has, and then crawls; so what is promised is counted.
  // THROWS OutOfDeviceMemory. Never null; an empty buffer has an address too.
  enum class Kind : uint8_t { device, managed };
  CuAddress allocate(Kind kind, int64_t bytes, const char* purpose);
  void free(CuAddress address, int64_t bytes) noexcept;
  std::byte* allocate_pinned(int64_t bytes);
  void free_pinned(std::byte* data) noexcept;
  int64_t available_bytes() const { return capacity_ - promised_; }
  int64_t capacity_bytes() const { return capacity_; }  // that were free before netc took any

 private:
  CudaDevice(const CudaDriver& driver, CuDevice device, CudaDeviceInfo info);

  const CudaDriver& driver_;
  CuDevice device_;
  CuContext context_ = nullptr;
  CudaDeviceInfo info_;
  int64_t capacity_ = 0;  // what was free when the context had been made
  std::atomic<int64_t> promised_ = 0;
};

// The machine's first GPU; its driver is looked for once in a process.
std::shared_ptr<CudaDevice> find_cuda_device(std::string& reason);

// Zeroed memory of the GPU.
class DeviceBuffer {
 public:
  DeviceBuffer(std::shared_ptr<CudaDevice> device, CudaDevice::Kind kind, int64_t bytes, const char* purpose);
  ~DeviceBuffer();
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;

  CuAddress address() const { return address_; }
  int64_t size() const { return bytes_; }
  // REQUIRES: managed.
  std::byte* data() const { return reinterpret_cast<std::byte*>(address_); }

 private:
  std::shared_ptr<CudaDevice> device_;
  int64_t bytes_;
  CuAddress address_;
};

// Memory of this computer that the GPU copies from and to by itself.
class PinnedBuffer {
 public:
  PinnedBuffer(std::shared_ptr<CudaDevice> device, int64_t bytes);
  ~PinnedBuffer();
  PinnedBuffer(const PinnedBuffer&) = delete;
  PinnedBuffer& operator=(const PinnedBuffer&) = delete;

  std::byte* data() const { return data_; }
  int64_t size() const { return bytes_; }

 private:
  std::shared_ptr<CudaDevice> device_;
  int64_t bytes_;
  std::byte* data_;
};

}  // namespace netc
