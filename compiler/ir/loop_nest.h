// A loop nest: the meaning of a `scalar` operator and, after fusion, of a kernel.
//
// The index space has `extents.size()` axes: the first `parallel` ones are the output's dimensions,
// the rest are reduced. For every parallel index, each Reduction folds its body over all reduction
// indices, in row-major order; then every Store writes its value, which may use `reduced(i)`.
//
// Example, global average pooling [N, C, H, W] -> [N, C]:
//   extents {N, C, H, W}, parallel 2, reductions { sum of load(0, {a0, a1, a2, a3}) },
//   stores { output 0: reduced(0) / (H * W) }
#pragma once

#include <string>
#include <vector>

#include "compiler/base/shape.h"
#include "compiler/ir/dag.h"

namespace netc {

enum class ReduceKind : uint8_t {
  sum,
  max,     // NaN wins; -inf over nothing
  min,
  argmax,  // the row-major position, in the reduction axes, of the first maximum (of the first NaN)
};

struct Reduction {
  ReduceKind kind = ReduceKind::sum;
  ExprId body = kNoExpr;  // over all axes
};

struct Store {
  int output = 0;          // which output of the operator; in a kernel: which operand
  ExprId value = kNoExpr;  // real (converted to the output's dtype), over parallel axes and reduced()
};

struct LoopNest {
  Dag dag;
  Shape extents;
  int parallel = 0;
  std::vector<Reduction> reductions;  // all over the same reduction axes
  std::vector<Store> stores;          // every output has the shape extents[0..parallel)

  Shape parallel_extents() const { return {extents.begin(), extents.begin() + parallel}; }
  int64_t parallel_count() const { return element_count(parallel_extents()); }
  int64_t reduction_count() const { return element_count({extents.begin() + parallel, extents.end()}); }
};

// For dumps and golden tests.
std::string to_string(const LoopNest& nest);

}  // namespace netc
