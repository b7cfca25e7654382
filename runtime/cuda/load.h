// Loads a Program whose objects are cubins on a GPU. `kernels`: the function and the extents of each of its
// kernels.
#pragma once

#include <memory>

#include "compiler/base/device_kernel.h"
#include "runtime/cuda/device.h"
#include "runtime/executable.h"

namespace netc {

// The state lies in managed memory, so that the host reads and writes it in place between runs. Each Context
// has an arena on the GPU, pinned memory for inputs and outputs, and a stream; it runs an entry as a CUDA
// graph. THROWS RuntimeError E0902 if a kernel cannot be loaded; make_state and make_context E0911 if there
// is too little memory, with the plan; runs E0936 with kernel, line and launch where they are known.
std::unique_ptr<Executable> load_on_cuda(Program program, const std::vector<DeviceKernel>& kernels,
                                         std::shared_ptr<CudaDevice> device);

}  // namespace netc
