#include "runtime/cuda/device.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <utility>

namespace netc {
namespace {

std::string mebibytes(int64_t bytes) {
  return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB";
}

// All that must hold before a context is made; returns why this GPU cannot be used, or nothing.
std::string describe_device(const CudaDriver& driver, CuDevice device, CudaDeviceInfo& info) {
  std::array<char, 256> name{};
  size_t memory = 0;
  int managed = 0;
  CuResult result = driver.cuDeviceGetName(name.data(), static_cast<int>(name.size()) - 1, device);
  if (result == 0) result = driver.cuDeviceTotalMem_v2(&memory, device);
  if (result == 0) result = driver.cuDeviceGetAttribute(&info.major, kMajorVersion, device);
  if (result == 0) result = driver.cuDeviceGetAttribute(&info.minor, kMinorVersion, device);
  if (result == 0) result = driver.cuDeviceGetAttribute(&managed, kConcurrentManagedAccess, device);
  if (result == 0) result = driver.cuDriverGetVersion(&info.driver_version);
  if (result != 0) return "the GPU does not say what it is: " + driver.describe(result);
  info.name = name.data();
  info.memory = static_cast<int64_t>(memory);
  const std::string capability = std::to_string(info.major) + "." + std::to_string(info.minor);
  if (info.architecture().empty())
    return info.name + " has compute capability " + capability + "; netc writes code for 8.x and 9.x";
  if (managed == 0)
    return info.name +
           " and the processor cannot share memory under this system, and the network's state is shared";
  return {};
}

}  // namespace

std::string CudaDeviceInfo::architecture() const {
  return major == 8 ? "sm_80" : major == 9 ? "sm_90" : "";
}

OutOfDeviceMemory::OutOfDeviceMemory(int64_t bytes, const char* purpose, int64_t available)
    : RuntimeError("E0911",
                   "out of memory on the GPU: no " + mebibytes(bytes) + " for " + purpose + ", " +
                       mebibytes(std::max<int64_t>(available, 0)) + " are free",
                   "a smaller batch, or --budget") {}

std::shared_ptr<CudaDevice> CudaDevice::open(const CudaDriver& driver, std::string& reason) {
  int count = 0;
  CuDevice device = 0;
  CuResult result = driver.cuDeviceGetCount(&count);
  if (result == 0 && count == 0) result = kCudaNoDevice;
  if (result == 0) result = driver.cuDeviceGet(&device, 0);
  if (result != 0) {
    reason = "no GPU: " + driver.describe(result);
    return nullptr;
  }
  CudaDeviceInfo info;
  reason = describe_device(driver, device, info);
  if (!reason.empty()) return nullptr;
  try {
    return std::shared_ptr<CudaDevice>(new CudaDevice(driver, device, std::move(info)));
  } catch (const RuntimeError& error) {
    reason = error.what();
    return nullptr;
  }
}

CudaDevice::CudaDevice(const CudaDriver& driver, CuDevice device, CudaDeviceInfo info)
    : driver_(driver), device_(device), info_(std::move(info)) {
  check(driver_.cuDevicePrimaryCtxRetain(&context_, device_), "cuDevicePrimaryCtxRetain");
  size_t free = 0, total = 0;
  CuResult result = driver_.cuCtxPushCurrent_v2(context_);
  if (result == 0) {
    result = driver_.cuMemGetInfo_v2(&free, &total);
    driver_.cuCtxPopCurrent_v2(&context_);
  }
  if (result != 0) driver_.cuDevicePrimaryCtxRelease_v2(device_);
  check(result, "cuMemGetInfo");
  capacity_ = static_cast<int64_t>(free);
}

CudaDevice::~CudaDevice() {
  driver_.cuDevicePrimaryCtxRelease_v2(device_);
}

void CudaDevice::check(CuResult result, const char* call, const std::string& where) const {
  if (result == 0) return;
  throw RuntimeError("E0936", std::string(call) + " failed: " + driver_.describe(result) +
                                  (where.empty() ? "" : "\n  " + where));
}

CudaDevice::Current::Current(const CudaDevice& device) : driver_(device.driver_) {
  device.check(driver_.cuCtxPushCurrent_v2(device.context_), "cuCtxPushCurrent");
}

CudaDevice::Current::~Current() {
  CuContext ignored = nullptr;
  driver_.cuCtxPopCurrent_v2(&ignored);
}

CuAddress CudaDevice::allocate(Kind kind, int64_t bytes, const char* purpose) {
  const Current current(*this);
  const auto size = static_cast<size_t>(std::max<int64_t>(bytes, 1));
  if (promised_.fetch_add(bytes) + bytes > capacity_) {
    promised_ -= bytes;
    throw OutOfDeviceMemory(bytes, purpose, available_bytes());
  }
  CuAddress address = 0;
  const bool managed = kind == Kind::managed;
  CuResult result = managed ? driver_.cuMemAllocManaged(&address, size, kAttachGlobal)
                            : driver_.cuMemAlloc_v2(&address, size);
  if (result == 0) {
    if (managed)
      std::memset(reinterpret_cast<void*>(address), 0, size);  // the host writes it next
    else
      result = driver_.cuMemsetD8_v2(address, 0, size);
    if (result == 0) return address;
    driver_.cuMemFree_v2(address);
  }
  promised_ -= bytes;
  if (result != kCudaOutOfMemory) check(result, managed ? "cuMemAllocManaged" : "cuMemAlloc", purpose);
  size_t free = 0, total = 0;
  driver_.cuMemGetInfo_v2(&free, &total);
  throw OutOfDeviceMemory(bytes, purpose, static_cast<int64_t>(free));
}

// Where the context is lost, its memory is free already.
void CudaDevice::free(CuAddress address, int64_t bytes) noexcept {
  promised_ -= bytes;
  CuContext ignored = nullptr;
  if (driver_.cuCtxPushCurrent_v2(context_) != 0) return;
  driver_.cuMemFree_v2(address);
  driver_.cuCtxPopCurrent_v2(&ignored);
}

std::byte* CudaDevice::allocate_pinned(int64_t bytes) {
  const Current current(*this);
  void* data = nullptr;
  check(driver_.cuMemAllocHost_v2(&data, static_cast<size_t>(std::max<int64_t>(bytes, 1))), "cuMemAllocHost",
        mebibytes(bytes) + " of pinned memory for inputs and outputs");
  std::memset(data, 0, static_cast<size_t>(bytes));
  return static_cast<std::byte*>(data);
}

void CudaDevice::free_pinned(std::byte* data) noexcept {
  CuContext ignored = nullptr;
  if (driver_.cuCtxPushCurrent_v2(context_) != 0) return;
  driver_.cuMemFreeHost(data);
  driver_.cuCtxPopCurrent_v2(&ignored);
}

// One for all users in the process, so that what they are promised is counted together.
std::shared_ptr<CudaDevice> find_cuda_device(std::string& reason) {
  static std::mutex mutex;
  static std::weak_ptr<CudaDevice> shared;
  const std::lock_guard lock(mutex);
  if (std::shared_ptr<CudaDevice> device = shared.lock()) return device;
  const CudaDriver* driver = CudaDriver::find(reason);
  std::shared_ptr<CudaDevice> device = driver ? CudaDevice::open(*driver, reason) : nullptr;
  shared = device;
  return device;
}

DeviceBuffer::DeviceBuffer(std::shared_ptr<CudaDevice> device, CudaDevice::Kind kind, int64_t bytes,
                           const char* purpose)
    : device_(std::move(device)), bytes_(bytes), address_(device_->allocate(kind, bytes, purpose)) {}

DeviceBuffer::~DeviceBuffer() {
  device_->free(address_, bytes_);
}

PinnedBuffer::PinnedBuffer(std::shared_ptr<CudaDevice> device, int64_t bytes)
    : device_(std::move(device)), bytes_(bytes), data_(device_->allocate_pinned(bytes)) {}

PinnedBuffer::~PinnedBuffer() {
  device_->free_pinned(data_);
}

}  // namespace netc
