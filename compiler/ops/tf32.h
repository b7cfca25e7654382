// Contractions in tf32 (base/precision.h): operators that passes put in, which no program names.
//
//   %2 = round_tf32(%0)   %3 = round_tf32(%1)   %4 = matmul(%2, %3)    the definition
//   %4 = matmul_tf32(%0, %1)                                           the same values, rounded where they are multiplied
#pragma once

#include "compiler/ir/op_def.h"

namespace netc {

// y: x's shape, f32; each element rounded to the nearest tf32, ties away from zero.
const OpDef& round_tf32_op();

// The contraction `op` of f32 operands that rounds both of them to tf32; null if there is none (Winograd's, composite ones).
const OpDef* tf32_contraction(const OpDef& op);

}  // namespace netc
