// Rounds operands to tf32 where they are multiplied: tensor cores take f32 from memory, so that no rounded copy need be there.
//
//   %2 = round_tf32(%0)   %3 = round_tf32(%1)   %4 = matmul(%2, %3)   ->   %4 = matmul_tf32(%0, %1)
//
// For GPUs. Other processors multiply the rounded copies, which the kernels that compute the values write.
// REQUIRES: a graph behind `decompose`. GUARANTEES: the same values.
#pragma once

#include "compiler/ir/graph.h"

namespace netc {

Graph round_in_products(const Graph& graph);

}  // namespace netc
