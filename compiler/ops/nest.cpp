#include "compiler/ops/nest.h"

namespace netc {

LoopNest map_over(const Shape& shape) {
  LoopNest nest;
  nest.extents = shape;
  nest.parallel = static_cast<int>(shape.size());
  return nest;
}

LoopNest reduce_over(const Shape& shape, const Shape& reduced) {
  LoopNest nest = map_over(shape);
  nest.extents.insert(nest.extents.end(), reduced.begin(), reduced.end());
  return nest;
}

std::vector<ExprId> axes_of(Dag& dag, size_t count, size_t first) {
  std::vector<ExprId> axes;
  for (size_t i = 0; i < count; ++i) axes.push_back(dag.axis(static_cast<int>(first + i)));
  return axes;
}

ExprId load_broadcast(Dag& dag, int operand, const Shape& shape, const Shape& output) {
  std::vector<ExprId> indices;
  for (size_t i = 0; i < shape.size(); ++i)
    indices.push_back(shape[i] == output[i] ? dag.axis(static_cast<int>(i)) : dag.index(0));
  return dag.load(operand, std::move(indices));
}

ExprId clamped(Dag& dag, ExprId index, int64_t count) {
  return dag.index_min(dag.index_max(index, dag.index(0)), dag.index(count - 1));
}

}  // namespace netc
