// Which reductions are sums over the whole output of a kernel, one for each extent of one axis: batch norm's statistics and
// their gradients. The kernel, a contraction or a map, can take them while the output is in registers.
//
// Example: extents {C, N, H, W}, parallel 1, sum of (in0[a1, a0, a2, a3] - in1[a0]) with in0 the kernel's
// output [N, C, H, W]: axes {1, 0, 2, 3}, kept 1, column 0.
#pragma once

#include <functional>
#include <vector>

#include "compiler/lower/expand.h"
#include "compiler/lower/fuse.h"

namespace netc {

struct Statistics {
  bool matched = false;
  std::vector<int> axes;  // the kernel's axis for each axis of the reduction's nest, or -1 for extents of 1
  int kept = 0;           // the kernel's axis that stays
  int column = 0;         // the reduction's parallel axis that it is
};

// `in_kernel`: whether a value is ready only after `kernel` (it is computed there, or a part of what is).
Statistics match_statistics(const Graph& graph, const FusedKernel& kernel, const FlatNest& flat,
                            const std::function<bool(ValueId)>& in_kernel);

}  // namespace netc
