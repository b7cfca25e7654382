// Moves what depends on states only out of a run: folded weights, scales of batch norm.
//
// Such values change when the weights do, not from batch to batch. They become state variables
// "prepared/<path>" (StateKind::prepared) that graph `prepare` computes: it runs once after weights are
// loaded or trained, before the first run of `main`.
//
//   y = convolution(x, w * s)   ->   prepare: prepared/w = w * s      main: y = convolution(x, prepared/w)
//
// What only looks at a state differently (reshape, broadcast) stays in `main`, where it costs nothing. Nothing moves that
// depends on a run-time scalar, on a random draw, or on a state that the run itself updates.
#pragma once

#include <vector>

#include "compiler/ir/graph.h"

namespace netc {

struct HoistedGraph {
  Graph prepare;  // no inputs and outputs, only updates; without nodes if there is nothing to prepare
  Graph main;     // declares the states of `graph`, then the prepared ones, as `prepare` does
};
HoistedGraph hoist_preparation(const Graph& graph);

// Per value, whether it is the same in every run as long as the states are.
std::vector<bool> fixed_values(const Graph& graph);

}  // namespace netc
