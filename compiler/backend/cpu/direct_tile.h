// The register tile of a direct contraction (lower/direct_plan.h): all its products, sums held in registers.
//
//   for every step of the sum: a vector per group from the lane operand, a scalar per row from the broadcast operand,
//   sum[group][row] += vector[group] * scalar[row]
// The innermost loop is unrolled a few times; everything in it lies at constant distances from two addresses.
#pragma once

#include "compiler/backend/cpu/lane_builder.h"
#include "compiler/lower/direct_plan.h"

namespace netc {

// What a loop of the sum runs over in the current tile and block of the sum.
struct SumRange {
  llvm::Value *begin = nullptr, *end = nullptr;
  bool whole = true;      // 0 … the loop's extent
  bool nonempty = true;
};

struct DirectTileCode {
  // Code for every turn of the outermost loop of the sum, of at most `turns` (once, if there is only one loop).
  using Turn = std::function<void(llvm::Value* turn, int64_t turns)>;

  const DirectPlan& plan;
  const GemmPhase& phase;
  DType broadcast_dtype = DType::f32, lane_dtype = DType::f32;
  int64_t groups = 1, rows = 1;
  llvm::Value *broadcast = nullptr, *lanes = nullptr;  // addresses at the tile's first element and step 0 of every sum
  Turn each_turn;

  // Position of a sum among those of the tile.
  size_t position(int64_t group, int64_t vector, int64_t row) const {
    return static_cast<size_t>((group * plan.vectors() + vector) * rows + row);
  }
  size_t count() const { return static_cast<size_t>(groups * plan.vectors() * rows); }
};

// The sums after all steps. `ranges`: one for each of `loops`, which are sum_loops(plan, phase).
Carried multiply_tile(LaneBuilder& builder, const DirectTileCode& tile, const std::vector<SumLoop>& loops,
                      const std::vector<SumRange>& ranges, Carried sums);

}  // namespace netc
