// How far a kernel's result may be from the interpreter's, which computes in double precision.
//
// Kernels round every intermediate to f32 (24 bits) and sum in an order of their own. A sum of n terms of
// size s is off by about sqrt(n) roundings of the partial sums, so the bound has a part relative to the result and
// one relative to the tensor's largest value, for results that cancellation made small.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "compiler/base/precision.h"

namespace netc {

struct Tolerance {
  double relative = 0;  // of the expected value
  double of_scale = 0;  // of the largest expected value of the tensor (at least 1e-3)

  bool accepts(double expected, double got, double scale) const {
    if (std::isnan(expected) || std::isnan(got)) return std::isnan(expected) && std::isnan(got);
    if (expected == got) return true;  // infinities too
    return std::abs(expected - got) <= relative * std::abs(expected) + of_scale * std::max(scale, 1e-3);
  }
};

// `reduction_length`: terms of the longest sum behind an element, 1 for element-wise operators.
inline Tolerance tolerance(DType dtype, int64_t reduction_length) {
  constexpr double kF32 = 5.9604644775390625e-8;  // half a unit in the last place, relative: 2^-24
  const double sums = std::sqrt(static_cast<double>(reduction_length));
  // Element-wise chains: a dozen roundings, and elementary functions of up to 4 ulp (tests/cpu measures them).
  const Tolerance f32{24 * kF32 + 2 * kF32 * sums, 8 * kF32 + 4 * kF32 * sums};
  switch (dtype) {
    case DType::f32: return f32;
    // The stored value is rounded once more: half a unit of 11 or 8 bits, and one whole unit where the f32
    // result fell on the other side of a rounding boundary.
    case DType::f16: return {f32.relative + 0x1p-10, f32.of_scale + 0x1p-24};
    case DType::bf16: return {f32.relative + 0x1p-7, f32.of_scale};
    case DType::u8:
    case DType::i32:
    case DType::i64: return {0, 0};
  }
  return {};
}

// A Winograd convolution (ir/winograd.h), relative to the largest output: its transforms cancel what is large around an
// output, so the error does not shrink with the output. Its root mean square was measured as 0.7 (tile 2) and 2.0 (tile 4)
// times that of a direct sum; the largest single error as 0.4 and 1.8 times that of one, over 64 channels.
inline double winograd_tolerance(int64_t tile, int64_t channels) {
  const double direct = tolerance(DType::f32, 9 * channels).of_scale;
  return tile == 2 ? direct : 2 * direct;
}

// Two training steps of networks as small as tests/lower/networks.h: states relative to their largest value (at least 1e-2), the
// loss to itself or 1.
struct StepTolerance {
  double state = 0, loss = 0;
};
inline StepTolerance step_tolerance(Precision precision) {
  if (precision == Precision::f32) return {5e-4, 1e-4};
  // The reference rounds where the step does. Few values lie so close to a rounding boundary that f32 and double precision fall on
  // different sides; such a one is off by 2^-8 of itself, and one of many terms of the sums behind a gradient. In tf32, with 11
  // bits of mantissa, it is off by 2^-10, in products only.
  if (precision == Precision::tf32) return {0x1p-10, 0x1p-11};
  return {0x1p-9, 0x1p-9};
}

}  // namespace netc
