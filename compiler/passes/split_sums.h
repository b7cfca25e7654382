// Splits sums that are too few tasks for many workers: a weight gradient has as many tasks as its weight has room for, and sums
// over all images in each.
//
//   g = convolution_weight_gradient(x, dy)   ->   parts = weight_gradient_parts(x, dy) {parts}   g = sum_of_parts(parts) {parts}
//
// The parts are added in order, so that the result depends on their number alone. Which sums are split, and in how many parts, is
// for the caller to say: it knows the target.
#pragma once

#include <functional>

#include "compiler/ir/contraction.h"
#include "compiler/ir/graph.h"

namespace netc {

// `choose`: in how many parts a weight gradient is split, from its contraction and its operands' type; 1: not at all. The answer
// divides the images. Asked for convolutions without groups. REQUIRES: a graph after the passes of pipeline.h.
Graph split_sums(const Graph& graph, const std::function<int64_t(const Contraction&, DType)>& choose);

}  // namespace netc
