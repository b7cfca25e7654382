// Puts Winograd's algorithm in the place of 3x3 convolutions' weight gradients.
//
//   g = convolution_weight_gradient(x, dy)   ->   parts = winograd_weight_gradient(x, dy) {tile, parts}   g = sum_of_parts(parts) {parts}
//
// without the second where there is one part. As in passes/split_sums.h parts are of equally many images, and added in order. Which weight
// gradients gain, with which tile and in how many parts, is for the caller to say: it knows the target.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "compiler/ir/contraction.h"
#include "compiler/ir/graph.h"
#include "compiler/ir/winograd_gradient.h"

namespace netc {

struct WinogradGradientGraph {
  struct Decision {
    std::string path;  // its origin
    WinogradGradientChoice choice;
  };
  Graph graph;
  std::vector<Decision> decisions;  // of all weight gradients, in order
};

// Says whether and how a weight gradient is done. `dtype`: of what it multiplies.
using ChooseWinogradGradient = std::function<WinogradGradientChoice(const Contraction& weight_gradient, DType dtype)>;

// `choose` is asked for weight gradients with a window of 3x3, stride 1, no dilation and no groups. REQUIRES: a graph after the
// passes of pipeline.h.
WinogradGradientGraph use_winograd_gradients(const Graph& graph,
                                             const ChooseWinogradGradient& choose);

}  // namespace netc
