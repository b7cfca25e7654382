// A body's stores and partial sums at kLanes neighbours (lower/cuda_lanes.h), which one thread computes:
//
//   f32 x7[8];  load_vector(x7, in4 + (m * 64 + n));
//   f32 y0[8];
//   for (int lane = 0; lane < 8; ++lane) y0[lane] = max_nan(product[lane] + x7[lane], 0.0f);
//   store_vector(in2 + (m * 64 + n), y0);
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "compiler/backend/cuda/expression_source.h"
#include "compiler/lower/cuda_lanes.h"

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

// How the threads of a block lie over its lanes: `rows` of them, each over all `columns`; thread t holds the
// lanes from t * kLanes on.
struct LaneBlock {
  int rows = 1, columns = kLanes;
};

// Declares sum0, sum1, …: zeros.
void declare_lane_sums(const LaneContext& context);
// The sums of a block's threads to one a column, in the order of the rows: through shared memory from address
// 0 on, which nobody uses any more. `store(i, column, value)` writes that of partial sum i; columns that
// fulfil `inside` count. Returns the bytes of shared memory.
int emit_lane_sums(
    const LaneContext& context, const LaneBlock& block, const std::string& inside,
    const std::function<void(size_t i, const std::string& column, const std::string& value)>& store);

}  // namespace netc
