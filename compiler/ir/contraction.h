// A contraction (decision 3): sums of products over one iteration space.
//
// Three tensors are indexed by affine functions of the same axes. One of them is the output; the
// other two are the inputs, in tensor order. Convolution forward, data gradient and weight gradient
// are one object with another `output`:
//   x[n, c, s*oh + d*kh - p, s*ow + d*kw - p]   w[k, c, kh, kw]   y[n, k, oh, ow]
// Output 2 (y) is the forward pass, 0 (x) the data gradient, 1 (w) the weight gradient. A point of the
// iteration space whose index falls outside any of the three tensors contributes nothing: that is
// zero padding. With groups, g is an axis of all three: c -> g*C + c, k -> g*K + k.
//
// Roles, given the output: an axis in all three tensors is `batch`; in the output and the first input
// only `M`; in the output and the second input only `N`; in both inputs but not in the output `K`.
// Axes such as kh of x and w (forward) are `K` as well; they share a dimension of x with oh.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "compiler/base/shape.h"
#include "compiler/ir/winograd.h"

namespace netc {

struct AxisTerm {
  int axis = 0;
  int64_t coefficient = 1;
  bool operator==(const AxisTerm&) const = default;
};

// One dimension's index: offset + sum of coefficient * axis.
struct AxisSum {
  std::vector<AxisTerm> terms;
  int64_t offset = 0;
  bool operator==(const AxisSum&) const = default;
};

struct ContractionTensor {
  Shape shape;
  std::vector<AxisSum> index;  // one per dimension
  bool operator==(const ContractionTensor&) const = default;
};

struct ContractionAxis {
  std::string name;  // "oh", for dumps
  int64_t extent = 1;
  bool operator==(const ContractionAxis&) const = default;
};

enum class AxisRole : uint8_t { batch, m, n, k };

struct Contraction {
  std::vector<ContractionAxis> axes;
  std::array<ContractionTensor, 3> tensors;
  int output = 2;
  // A 3x3 convolution by Winograd's algorithm: forward, given its weights transformed, or a weight gradient, whose tensors are
  // as they are.
  std::optional<Winograd> winograd{};
  bool tf32 = false;  // multiplies its f32 inputs rounded to tf32 (ir/dag.h)

  bool transforms_weights() const { return winograd && output == 2; }

  int first_input() const { return output == 0 ? 1 : 0; }
  int second_input() const { return output == 2 ? 1 : 2; }
  // Of the second input as it is given: transformed or as in `tensors`.
  Shape second_shape() const;
  AxisRole role(int axis) const;
  // Points of the iteration space; a multiply-add each (padding included; Winograd does fewer).
  int64_t multiply_adds() const;
  bool operator==(const Contraction&) const = default;
};

// THROWS InternalError unless ranks, axes and roles are consistent.
void verify(const Contraction& contraction);
std::string to_string(const Contraction& contraction);

}  // namespace netc
