// A contraction as an ordinary loop nest in gather form: its meaning for any index pattern, and the
// better code where a matrix product has no shape for it (depthwise convolution, one row).
#pragma once

#include "compiler/lower/kernel.h"

namespace netc {

// The body with the contraction replaced by a sum reduction over the axes that the output lacks. An
// output index that is a sum, `s*oh + d*kh - p`, is solved for one of its axes, which contributes only
// where the division by `s` is exact and the quotient in range. Stores and partial sums are kept.
// REQUIRES: body.contraction.
KernelBody contraction_as_nest(const KernelBody& body);

// How a dimension of the output determines axes of the iteration space.
struct SolvedDimension {
  enum class Kind { plain, radix, quotient } kind = Kind::plain;
  int axis = -1;        // plain: index == axis. quotient: axis == (index - offset - other terms) / coefficient
  int inner_axis = -1;  // radix: axis == index div extent(inner_axis), inner_axis == index mod extent(inner_axis)
};
std::vector<SolvedDimension> solve_output(const Contraction& contraction);

}  // namespace netc
