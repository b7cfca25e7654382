// libcuda, the GPU's driver: opened when it is first wanted, with declarations of our own, so that one netc
// runs on machines with and without it.
//
//   std::string reason;
//   const CudaDriver* driver = CudaDriver::find(reason);   // null: `reason` says why
//   driver->cuDriverGetVersion(&version);
#pragma once

#include <string>
#include <type_traits>

#include "runtime/cuda/driver_functions.h"

namespace netc {

struct CudaDriver {
#define NETC_DECLARE(name, ...) std::add_pointer_t<std::remove_pointer_t<__VA_ARGS__>> name = nullptr;
  NETC_CUDA_DRIVER_FUNCTIONS(NETC_DECLARE)
#undef NETC_DECLARE

  // Looked for once in a process, as libcuda.so.1 on the loader's path. Initialised.
  static const CudaDriver* find(std::string& reason);
  // The functions of the library at `path`, which stays loaded. Returns why it cannot be used, or nothing.
  std::string open(const std::string& path);

  // "an illegal memory access was encountered (CUDA_ERROR_ILLEGAL_ADDRESS)"
  std::string describe(CuResult result) const;
};

}  // namespace netc
