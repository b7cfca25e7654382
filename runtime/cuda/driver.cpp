#include "runtime/cuda/driver.h"

#include <dlfcn.h>

#include <mutex>

namespace netc {

std::string CudaDriver::open(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) return "no driver: " + std::string(dlerror());
#define NETC_FIND(name, ...)                                      \
  name = reinterpret_cast<decltype(name)>(dlsym(library, #name)); \
  if (!name) return std::string("the driver is too old: libcuda has no ") + #name;
  NETC_CUDA_DRIVER_FUNCTIONS(NETC_FIND)
#undef NETC_FIND
  if (const CuResult result = cuInit(0); result != 0) return "the driver does not start: " + describe(result);
  return {};
}

const CudaDriver* CudaDriver::find(std::string& reason) {
  static CudaDriver driver;
  static std::string problem;
  static std::once_flag once;
  std::call_once(once, [] { problem = driver.open("libcuda.so.1"); });
  reason = problem;
  return problem.empty() ? &driver : nullptr;
}

std::string CudaDriver::describe(CuResult result) const {
  const char *name = nullptr, *text = nullptr;
  if (cuGetErrorName(result, &name) != 0 || !name) return "error " + std::to_string(result);
  if (cuGetErrorString(result, &text) != 0 || !text) return name;
  return std::string(text) + " (" + name + ")";
}

}  // namespace netc
