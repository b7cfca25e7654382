// Mixed precision: what passes from layer to layer, and what contractions multiply, in a narrow type (bf16, f16); or only
// what contractions multiply, rounded to tf32.
//
// Every operator computes in f32. A value that goes through memory is rounded once where it is made (a
// narrowing `cast`), and each reader sees the rounded value: contractions take it as it is, everything else
// widened (a `cast` to f32, exact and free). In f32 stay
//   - what is no activation: parameters, their gradients, statistics, the loss, the optimizer;
//   - what does not leave its layer: the inside of a softmax, of a norm, of a loss, of their gradients;
//   - what only losses, metrics, softmax or the caller read: logits;
//   - what one element-wise operator reads that is computed right behind it: it never leaves a register;
//   - results of contractions until they are rounded; so weight gradients have never been rounded.
// Parameters that contractions multiply are rounded to a working copy; the f32 masters are what is trained and saved.
//
//   %2: f32[8, 4] = linear(%0, %1, _)           %2: bf16[8, 3] = cast(%0)   %3: bf16[4, 3] = cast(%1)
//   %3: f32[8, 4] = relu(%2)              ->    %4: f32[8, 4] = linear(%2, %3, _)
//                                               %5: f32[8, 4] = relu(%4)    (rounded, if another layer follows)
//
// In tf32 (base/precision.h) nothing is narrow: contractions take rounded copies (`round_tf32`) of f32 values.
//
// REQUIRES: a graph in f32, before `decompose` (so that norms and losses are still one node) and after
// `differentiate` (so that the gradients of a layer carry its path, and are rounded as their layer says).
// GUARANTEES: inputs, outputs, states and updates keep their types. No later pass removes a narrowing cast:
// interpreting the result is the definition of what a kernel computes.
#pragma once

#include <functional>
#include <string>

#include "compiler/base/precision.h"
#include "compiler/ir/graph.h"

namespace netc {

// Of the layer at a path (Origin::path).
using LayerPrecision = std::function<Precision(const std::string& path)>;

Graph cast_precision(const Graph& graph, const LayerPrecision& precision);

}  // namespace netc
