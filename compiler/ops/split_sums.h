// A sum over a batch's images as several sums and their sum, for more tasks: the two operators that passes/split_sums puts in the
// place of a convolution's weight gradient. No program names them, and they are not in the registry.
//
//   g[k] = sum over n of f(n, k)   ->   parts[p*K + k] = sum over the images n of part p of f(n, k),  g[k] = sum over p of parts[p*K + k]
#pragma once

#include "compiler/ir/op_def.h"

namespace netc {

// The contraction of weight_gradient_parts from that of a weight gradient: images n = p*(N/parts) + n', and an output
// w[p*K + k, c, kh, kw]. REQUIRES: a convolution's weight gradient without groups; parts divide its images.
Contraction split_images(Contraction weight_gradient, int64_t parts);

// weight_gradient_parts(x, gradient) {those of convolution_weight_gradient, parts}: f32[parts*K, C, KH, KW].
const OpDef& weight_gradient_parts_op();

// sum_of_parts(x: f32[parts*K, …]) {parts}: f32[K, …], added in order.
const OpDef& sum_of_parts_op();

}  // namespace netc
