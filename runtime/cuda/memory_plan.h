// What a program needs of a GPU's memory, in words: for the message that there is not enough.
#pragma once

#include <string>

#include "compiler/base/program.h"
#include "runtime/cuda/device.h"

namespace netc {

// "weights 97.5 MiB, gradients …; activations: step 8.1 GiB, eval …; inputs and outputs …", and the largest
// batch that `available` bytes would hold, if activations grow as the batch does.
std::string memory_plan(const Program& program, int64_t available);

// An estimate; 0 where no batch fits, or the program has no input with a batch.
int64_t largest_batch(const Program& program, int64_t available);

// Calls `make`; where there is not enough memory, the error says what the program's memory is for.
template <class Make>
auto with_memory_plan(const Program& program, const CudaDevice& device, const Make& make)
    -> decltype(make()) {
  try {
    return make();
  } catch (const OutOfDeviceMemory& error) {
    throw RuntimeError(error.code(),
                       std::string(error.what()) + "\n  " + memory_plan(program, device.capacity_bytes()),
                       error.fix());
  }
}

}  // namespace netc
