// What `scalar` definitions share: index spaces and loads.
#pragma once

#include "compiler/ir/op_def.h"

namespace netc {

// A nest over `shape` without reductions and stores.
LoopNest map_over(const Shape& shape);
// A nest over `shape` that reduces over `reduced`.
LoopNest reduce_over(const Shape& shape, const Shape& reduced);

// Axes first..first+count-1.
std::vector<ExprId> axes_of(Dag& dag, size_t count, size_t first = 0);

// The element of operand `operand` at the parallel index, axes of extent 1 broadcast over `output`.
ExprId load_broadcast(Dag& dag, int operand, const Shape& shape, const Shape& output);

// The element at the parallel index of an operand of the output's shape.
inline ExprId load_same(Dag& dag, int operand, const Shape& shape) {
  return load_broadcast(dag, operand, shape, shape);
}

// An integer operand's element clamped to 0..count-1, so that it may index safely.
ExprId clamped(Dag& dag, ExprId index, int64_t count);

}  // namespace netc
