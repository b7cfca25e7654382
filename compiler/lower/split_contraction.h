// A contraction whose sum is long and whose output is small, as two kernels: one multiplies parts of the sum
// side by side, another adds the parts, in order, and has the epilogue. So a weight gradient fills a GPU, and
// has the same bits on every run: no atomics.
//
//   dw[k, kh, kw, c] = sum over n, oh, ow of dy * x, 18 tiles       ->
//   rows[p, k, kh, kw, c] = sum over 16 of 256 samples, oh, ow of dy * x, 16 * 18 tiles
//   dw[k, kh, kw, c] = sum over p of rows
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compiler/lower/kernel.h"

namespace netc {

struct SplitContraction {
  KernelBody
      product;  // operands: the contraction's first and second input, rows [parts, output's extents] in f32
  KernelBody sum;  // operands: rows, then those of the whole body that `kept` names
  std::vector<int> kept;
  std::string reason;
};

// nullopt: the contraction as it is has tiles enough, or too short a sum; or the target is no GPU.
// REQUIRES: a physical body (no halo is written).
std::optional<SplitContraction> split_contraction(const KernelBody& body, const Target& target);

// In exactly so many parts, or a few less, of the axis that suits best.
SplitContraction split_contraction(const KernelBody& body, int64_t parts);

}  // namespace netc
