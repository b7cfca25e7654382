// Puts Winograd's convolution in the place of 3x3 convolutions, for inference.
//
//   y = correlation(x, w)   ->   u = winograd_weights(w) {tile}    y = winograd_correlation(x, u) {tile}
//
// Only where w depends on states only: hoist_preparation then makes u a prepared state, and w itself, with a batch norm folded
// into it or not, is in memory only while u is computed. Which convolutions gain, and with which tile, is for the caller
// to say: it knows the target.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "compiler/ir/contraction.h"
#include "compiler/ir/graph.h"

namespace netc {

// Of one convolution that is kept or replaced.
struct WinogradDecision {
  std::string path;  // its origin
  WinogradChoice choice;
};

struct WinogradGraph {
  Graph graph;
  std::vector<WinogradDecision> decisions;  // of all convolutions, in order
};

// `choose` is asked for f32 convolutions with a window of 3x3, stride 1, no dilation and no groups. REQUIRES: a graph
// after the passes of pipeline.h.
WinogradGraph use_winograd(const Graph& graph, const std::function<WinogradChoice(const Contraction&)>& choose);

}  // namespace netc
