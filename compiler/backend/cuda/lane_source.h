// A body's stores and partial sums at kLanes neighbours (lower/cuda_lanes.h), which one thread computes:
//
//   f32 x7[8];  load_vector(x7, in4 + (m * 64 + n));
//   f32 y0[8];
//   for (int lane = 0; lane < 8; ++lane) y0[lane] = max_nan(product[lane] + x7[lane], 0.0f);
//   store_vector(in2 + (m * 64 + n), y0);
#pragma once

#include <string>
#include <vector>

#include "compiler/backend/cuda/expression_source.h"

namespace netc {

struct LaneContext {
  SourceWriter& out;
  const KernelBody& body;
  IndexAnalysis& analysis;
  ExpressionSource& expressions;  // with `merged`; its other axes are set
  const std::vector<int>& merged;
};

// `axis` is `first` at the first of the neighbours. `reduced`: what the body's results are in a lane,
// "product[lane]". Partial sums are added to sum0[lane], sum1[lane], …
void emit_lanes(const LaneContext& context, int axis, const std::string& first,
                const std::vector<std::string>& reduced);

}  // namespace netc
