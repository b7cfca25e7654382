// Folds batch norm of given statistics into the convolution or linear layer before it, for inference.
//
//   batch_norm_inference(convolution(x, w, bias), gamma, beta, mean, variance)
//     -> convolution(x, w * s, (bias - mean) * s + beta),  s = gamma / sqrt(variance + epsilon)
//
// The new weights are nodes that depend on states only; hoist_preparation (hoist.h) moves them out of
// the run. A layer whose output something else reads too is left alone, since it would be computed
// twice; so are dtypes other than f32, since the product would be rounded once more.
#pragma once

#include "compiler/ir/graph.h"

namespace netc {

Graph fold_batch_norm(const Graph& graph);

}  // namespace netc
