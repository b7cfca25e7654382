// The operators of a Winograd convolution (ir/winograd.h). passes/winograd puts the first two in the place of a correlation or of
// its data gradient, passes/winograd_gradient the third in that of its weight gradient; no program names them, and they are not in the
// registry: contractions are compiled in blocks of channels only.
#pragma once

#include "compiler/ir/op_def.h"

namespace netc {

// winograd_weights(w: f32[K, C, 3, 3]) {tile, adjoint}: U = G w G^T, f32[positions, K, C]. Adjoint: of the weights that the data
// gradient correlates with, w turned by half a turn and C and K exchanged; f32[positions, C, K].
const OpDef& winograd_weights_op();

// winograd_correlation(x: f32 or 16 bits [N, C, H, W], u) {tile, pad_h, pad_w, adjoint}: what correlation(x, w) is, of stride 1. `adjoint`
// says, for reports, that it is a data gradient.
const OpDef& winograd_correlation_op();

// winograd_weight_gradient(x, gradient) {those of convolution_weight_gradient, parts, tile}: what weight_gradient_parts
// (ops/split_sums.h) is, f32[parts*K, C, 3, 3], of stride 1 and no groups.
const OpDef& winograd_weight_gradient_op();

}  // namespace netc
