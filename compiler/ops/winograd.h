// The two operators of a Winograd convolution (ir/winograd.h). passes/winograd puts them in the place of a correlation for
// inference; no program names them, and they are not in the registry: the second is compiled in blocks of channels only.
#pragma once

#include "compiler/ir/op_def.h"

namespace netc {

// winograd_weights(w: f32[K, C, 3, 3]) {tile}: U = G w G^T, f32[positions, K, C].
const OpDef& winograd_weights_op();

// winograd_correlation(x: f32[N, C, H, W], u) {tile, pad_h, pad_w}: what correlation(x, w) is, of stride 1.
const OpDef& winograd_correlation_op();

}  // namespace netc
