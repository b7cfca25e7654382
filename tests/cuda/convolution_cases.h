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

  // Copies with one thing changed, to be chained.
  ConvolutionCase giving(ConvolutionTensor tensor) const;
  ConvolutionCase of(DType type) const;
  ConvolutionCase nhwc() const;
  ConvolutionCase in_groups(int64_t count) const;
  ConvolutionCase with_epilogue(bool with = true) const;
  ConvolutionCase in_tf32() const;

  std::string name() const;
};

// From x [N, C, H, W] to k channels, padded by half the window: conv({2, 24, 9, 9}, 40, 3).of(DType::bf16).nhwc().
ConvolutionCase conv(const Shape& x, int64_t k, int64_t window, int64_t stride = 1);

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
