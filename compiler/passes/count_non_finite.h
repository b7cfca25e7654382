// count_non_finite: how many values of chosen tensors are infinite or NaN, in their place.
//
// The outputs whose names begin with `prefix` become f32 scalars, the number of such elements (above 2^24 a rounded one;
// 0 exactly where all are finite). Everything else stays as it is.
//
//   outputs {"loss": %9, "layer/0": %2}  ->  {"loss": %9, "layer/0": reduce_sum(1 - (|%2| < the largest f32))}
#pragma once

#include <string>

#include "compiler/ir/graph.h"

namespace netc {

Graph count_non_finite(const Graph& graph, const std::string& prefix);

}  // namespace netc
