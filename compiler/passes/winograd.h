// Puts Winograd's convolution in the place of 3x3 convolutions and of their data gradients.
//
//   y = correlation(x, w)                      ->   u = winograd_weights(w) {tile}            y = winograd_correlation(x, u) {tile}
//   dx = convolution_data_gradient(w, dy)      ->   v = winograd_weights(w) {tile, adjoint}   dx = winograd_correlation(dy, v) {tile, adjoint}
//
// A data gradient of stride 1 is a correlation with the weights turned by half a turn, channels exchanged, padded by 2 - p. In
// inference w depends on states only: hoist_preparation then makes u a prepared state, and w itself, with a batch norm folded into
// it or not, is in memory only while u is computed. In training it is computed in every step. Which convolutions gain, and
// with which tile, is for the caller to say: it knows the target.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "compiler/ir/contraction.h"
#include "compiler/ir/graph.h"
#include "compiler/ir/weight_transforms.h"

namespace netc {

// Of one convolution that is kept or replaced.
struct WinogradDecision {
  std::string path;  // its origin
  bool gradient;     // of the convolution's input
  WinogradChoice choice;
};

struct WinogradGraph {
  Graph graph;
  std::vector<WinogradDecision> decisions;  // of all convolutions, in order
};

// Says whether and how a forward contraction is done. `dtype`: of what it multiplies.
using ChooseWinograd = std::function<WinogradChoice(const Contraction& contraction, DType dtype, WeightTransforms weights)>;

// `choose` is asked for convolutions with a window of 3x3, stride 1, no dilation and no groups. `weights`: of those that depend
// on states only. REQUIRES: a graph after the passes of pipeline.h.
WinogradGraph use_winograd(const Graph& graph, WeightTransforms weights, const ChooseWinograd& choose);

}  // namespace netc
