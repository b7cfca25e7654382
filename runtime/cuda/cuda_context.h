// A Context's work on a GPU: an arena, pinned memory for inputs and outputs, a stream, and a CUDA graph an
// entry.
//
// An entry's first run waits after each launch, so that a kernel that fails is named; later runs replay the
// graph.
#pragma once

#include <memory>
#include <vector>

#include "runtime/cuda/device.h"
#include "runtime/device_context.h"
#include "runtime/state.h"

namespace netc {

struct CudaFunction {
  CuFunction function = nullptr;
  unsigned threads = 0, shared_bytes = 0;  // of a block
  std::vector<int32_t> extents;            // its last argument; empty: none
};

// REQUIRES: `program` and `functions`, one a kernel, outlive the context; `state` is memory that the GPU
// sees.
std::unique_ptr<DeviceContext> make_cuda_context(std::shared_ptr<CudaDevice> device, const Program& program,
                                                 const std::vector<CudaFunction>& functions,
                                                 std::shared_ptr<State> state);

}  // namespace netc
