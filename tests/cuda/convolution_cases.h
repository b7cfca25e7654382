// Convolutions in every direction and both orders of dimensions, as kernel bodies made by hand.
#pragma once

#include <string>
#include <vector>

#include "tests/cpu/kernel_harness.h"

namespace netc {

enum ConvolutionTensor : int { kX = 0, kW = 1, kY = 2 };

struct ConvolutionCase {
  ConvolutionTensor output = kY;
  DType dtype = DType::f32;
  bool channels_last = false;
  int64_t n = 1, c = 8, h = 8, w = 8, k = 8, window = 1, stride = 1, pad = 0, groups = 1;
  bool epilogue = false;
  bool tf32 = false;  // the first two operands count as rounded to tf32

  std::string name() const;
};

// Operands: first input, second input, output; with an epilogue bias, residual, and rows of sums and of
// squares.
KernelBody body_of(const ConvolutionCase& v);

struct ConvolutionRun {
  std::vector<HostTensor> tensors;  // of read operands
  std::vector<const HostTensor*> operands() const;
  HostTensor expected, sums, squares;  // as the interpreter has them
  const KernelBody* body = nullptr;
};
ConvolutionRun run_of(const ConvolutionCase& v, const KernelBody& body);

// Whether what a kernel gave is right; the first thing that is not, else an empty string.
std::string difference(const ConvolutionCase& v, const ConvolutionRun& run,
                       const std::vector<HostTensor>& got);

}  // namespace netc
