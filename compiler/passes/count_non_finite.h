// count_non_finite: how many values of chosen tensors are infinite, and how many are NaN, in their place.
//
// An output `<prefix>i` becomes two f32 scalars, `<prefix>i/infinite` and `<prefix>i/nan` (above 2^24 rounded ones; 0 exactly
// where there are none). Everything else stays as it is. A value that was rounded to f16 is infinite where it overflowed
// f16; so that this can be said, the types to which values were rounded are returned, in the order of the outputs.
//
//   outputs {"loss": %9, "layer/0": %2}  ->  {"loss": %9, "layer/0/infinite": sum(|%2| > the largest f32),
//                                             "layer/0/nan": sum(1 - (%2 == %2))}
#pragma once

#include <string>
#include <vector>

#include "compiler/ir/graph.h"

namespace netc {

struct CountedGraph {
  Graph graph;
  std::vector<DType> rounded_to;  // f32: to no narrower type
};

CountedGraph count_non_finite(const Graph& graph, const std::string& prefix);

}  // namespace netc
