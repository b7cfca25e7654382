// What a GPU's kernel is besides its KernelInfo: kernels that differ in their extents share a function, which
// takes the extents as an argument.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace netc {

struct DeviceKernel {
  std::string function;          // its name in the object
  int32_t object = 0;            // into Program::objects
  std::vector<int32_t> extents;  // the bytes of the structure that comes after the operands; empty: none
};

}  // namespace netc
