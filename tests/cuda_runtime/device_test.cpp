// Finding a driver and a GPU, and saying why there is none.
#include "runtime/cuda/device.h"

#include <gtest/gtest.h>

#include "tests/cuda/same_function.h"
#include "tests/cuda_runtime/fake_machine.h"

#if __has_include("/usr/local/cuda/include/cuda.h")
#define __CUDA_API_VERSION_INTERNAL  // declares what the driver exports for older programs, too
#include "/usr/local/cuda/include/cuda.h"
#define NETC_HAS_CUDA_HEADER 1
#endif

namespace netc {
namespace {

#ifdef NETC_HAS_CUDA_HEADER
#define NETC_COMPARE(name, ...) static_assert(SameFunction<__VA_ARGS__, decltype(&::name)>::value, #name);
NETC_CUDA_DRIVER_FUNCTIONS(NETC_COMPARE)
static_assert(CUDA_SUCCESS == 0 && CUDA_ERROR_OUT_OF_MEMORY == kCudaOutOfMemory &&
              CUDA_ERROR_NO_DEVICE == kCudaNoDevice);
static_assert(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR == kMajorVersion &&
              CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR == kMinorVersion &&
              CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS == kConcurrentManagedAccess);
static_assert(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES == kMaxDynamicSharedBytes &&
              CU_MEM_ATTACH_GLOBAL == kAttachGlobal && CU_STREAM_NON_BLOCKING == kNonBlockingStream &&
              CU_STREAM_CAPTURE_MODE_THREAD_LOCAL == kCaptureThreadLocal &&
              CU_EVENT_DISABLE_TIMING == kEventWithoutTime);
#endif

std::string reason_without(const FakeCudaMachine& machine, const char* failing = nullptr, int result = 999) {
  const FakeMachine fake(machine);
  if (failing) fake.fail(failing, 1, result);
  std::string reason;
  EXPECT_EQ(CudaDevice::open(fake.driver(), reason), nullptr);
  EXPECT_EQ(fake.alive(), 0);
  return reason;
}

TEST(CudaDriver, SaysWhyThereIsNone) {
  CudaDriver driver;
  EXPECT_EQ(driver.open("/nowhere/libcuda.so.1").rfind("no driver: /nowhere/libcuda.so.1: ", 0), 0u);
  EXPECT_EQ(driver.open("libm.so.6"), "the driver is too old: libcuda has no cuInit");
  const FakeMachine fake;
  fake.fail("cuInit", 1, kCudaNoDevice);
  EXPECT_EQ(driver.open(NETC_FAKE_CUDA),
            "the driver does not start: no CUDA-capable device is detected (CUDA_ERROR_NO_DEVICE)");
}

TEST(CudaDevice, SaysWhyItCannotBeUsed) {
  EXPECT_EQ(reason_without({.devices = 0}),
            "no GPU: no CUDA-capable device is detected (CUDA_ERROR_NO_DEVICE)");
  EXPECT_EQ(reason_without({.major = 7, .minor = 5}),
            "Fake GPU has compute capability 7.5; netc writes code for 8.x and 9.x");
  EXPECT_EQ(reason_without({.major = 12}),
            "Fake GPU has compute capability 12.0; netc writes code for 8.x and 9.x");
  EXPECT_EQ(
      reason_without({.concurrent_managed_access = 0}),
      "Fake GPU and the processor cannot share memory under this system, and the network's state is shared");
  for (const char* call : {"cuDeviceGetCount", "cuDeviceGet"})
    EXPECT_EQ(reason_without({}, call), "no GPU: error 999") << call;
  for (const char* call :
       {"cuDeviceGetName", "cuDeviceTotalMem_v2", "cuDeviceGetAttribute", "cuDriverGetVersion"})
    EXPECT_EQ(reason_without({}, call), "the GPU does not say what it is: error 999") << call;
  EXPECT_EQ(reason_without({}, "cuDevicePrimaryCtxRetain"), "cuDevicePrimaryCtxRetain failed: error 999");
  EXPECT_EQ(reason_without({}, "cuCtxPushCurrent_v2"), "cuMemGetInfo failed: error 999");
  EXPECT_EQ(reason_without({}, "cuMemGetInfo_v2"), "cuMemGetInfo failed: error 999");
}

TEST(CudaDevice, KnowsItselfAndItsCode) {
  const FakeMachine fake({.major = 8, .minor = 6, .memory = 64 << 20});
  std::string reason;
  const std::shared_ptr<CudaDevice> device = CudaDevice::open(fake.driver(), reason);
  ASSERT_NE(device, nullptr) << reason;
  EXPECT_EQ(device->info().name, "Fake GPU");
  EXPECT_EQ(device->info().architecture(), "sm_80");
  EXPECT_EQ(device->info().memory, 64 << 20);
  EXPECT_EQ(device->info().driver_version, 13000);
}

// Managed memory, which the driver promises without having it, counts.
TEST(CudaDevice, RefusesMoreThanItHas) {
  const FakeMachine fake({.memory = 64 << 20});
  std::string reason;
  {
    const std::shared_ptr<CudaDevice> device = CudaDevice::open(fake.driver(), reason);
    const DeviceBuffer first(device, CudaDevice::Kind::managed, 40 << 20, "the network's state");
    EXPECT_EQ(device->available_bytes(), 24 << 20);
    try {
      const DeviceBuffer second(device, CudaDevice::Kind::device, 25 << 20, "activations");
      ADD_FAILURE() << "it took more than there is";
    } catch (const OutOfDeviceMemory& error) {
      EXPECT_EQ(error.code(), "E0911");
      EXPECT_STREQ(error.what(), "out of memory on the GPU: no 25 MiB for activations, 24 MiB are free");
    }
    fake.fail("cuMemAlloc_v2", 1, kCudaOutOfMemory);  // another process took it
    EXPECT_THROW(DeviceBuffer(device, CudaDevice::Kind::device, 20 << 20, "activations"), OutOfDeviceMemory);
    fake.fail("cuMemAlloc_v2", 1, 999);
    EXPECT_THROW(DeviceBuffer(device, CudaDevice::Kind::device, 20 << 20, "activations"), RuntimeError);
    EXPECT_EQ(device->available_bytes(), 24 << 20) << "what failed is not counted";
    const DeviceBuffer fits(device, CudaDevice::Kind::device, 24 << 20, "activations");
  }
  EXPECT_EQ(fake.alive(), 0);
}

}  // namespace
}  // namespace netc
