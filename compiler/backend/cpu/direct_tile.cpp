#include "compiler/backend/cpu/direct_tile.h"

#include "compiler/backend/cpu/direct_operands.h"

namespace netc {

using llvm::Value;

namespace {

constexpr int64_t kMostUnrolled = 8, kLeastUnrolled = 4, kUnrolledWhole = 9;

// Turns of the innermost loop that are made one: a divisor of their number, if there is a good one. None where pairs of rows are
// brought together: such a turn is long enough, and of several at once rows would be kept in registers that do not exist.
int64_t unrolled_turns(const DirectPlan& plan, int64_t extent) {
  if (plan.dot_products && plan.streams()) return std::min<int64_t>(extent, 1);
  if (extent <= kUnrolledWhole) return extent;
  for (int64_t steps = kMostUnrolled; steps >= kLeastUnrolled; --steps)
    if (extent % steps == 0) return steps;
  return kMostUnrolled;
}

class TileMultiplier {
 public:
  TileMultiplier(LaneBuilder& builder, const DirectTileCode& tile, const std::vector<SumLoop>& loops,
                 const std::vector<SumRange>& ranges)
      : b_(builder), tile_(tile), loops_(loops), ranges_(ranges) {
    const auto stride = [](const std::vector<GemmIndex>& index, int v) {
      return v < 0 ? 0 : memory_stride(index, static_cast<size_t>(v));
    };
    row_stride_ = stride(tile.phase.v, tile.plan.row);
    group_stride_ = stride(tile.phase.s, tile.plan.group);
    operands_ = direct_operands(builder, tile.plan,
                                {tile.broadcast_dtype, tile.lane_dtype, tile.rows, row_stride_, loops.back().broadcast_stride,
                                 loops.back().lane_stride});
  }

  Carried run(size_t depth, Value* broadcast, Value* lanes, const Carried& sums) {
    const SumLoop& loop = loops_[depth];
    const SumRange& range = ranges_[depth];
    if (depth + 1 == loops_.size()) {
      if (depth == 0 && tile_.each_turn) tile_.each_turn(b_.i64(0), 1);
      return innermost(loop, range, broadcast, lanes, sums);
    }
    return b_.loop(range.begin, range.end, 1, sums, range.nonempty, [&](Value* k, const Carried& carried) {
      if (depth == 0 && tile_.each_turn) tile_.each_turn(k, loop.extent);
      Value* first = b_.opaque(broadcast_at(broadcast, k, loop.broadcast_stride));
      if (depth == 0) prefetch_next_rows(first);
      return run(depth + 1, first, b_.opaque(lanes_at(lanes, k, loop.lane_stride)), carried);
    });
  }

 private:
  Value* broadcast_at(Value* base, Value* k, int64_t stride) { return at(tile_.broadcast_dtype, base, k, stride); }
  Value* lanes_at(Value* base, Value* k, int64_t stride) { return at(tile_.lane_dtype, base, k, stride); }
  Value* broadcast_at(Value* base, int64_t elements) { return at(tile_.broadcast_dtype, base, b_.i64(elements), 1); }
  Value* lanes_at(Value* base, int64_t elements) { return at(tile_.lane_dtype, base, b_.i64(elements), 1); }
  Value* at(DType dtype, Value* base, Value* k, int64_t stride) {
    return b_.CreateGEP(b_.storage_type(dtype), base, b_.CreateMul(k, b_.i64(stride)));
  }

  Carried innermost(const SumLoop& loop, const SumRange& range, Value* broadcast, Value* lanes, Carried sums) {
    const int64_t at_a_time = tile_.plan.pairs ? 2 : 1;
    const auto steps = [&](int64_t count, Value* first_broadcast, Value* first_lanes, Carried carried) {
      // A window slides by less than itself: rows of one step are rows of another. Kept from one to the other they would
      // not fit the registers; loaded again they cost nothing.
      const bool overlap = tile_.rows * row_stride_ > loop.broadcast_stride && count * loop.broadcast_stride > row_stride_;
      for (int64_t i = 0; i < count; i += at_a_time) {
        Value* address = broadcast_at(first_broadcast, i * loop.broadcast_stride);
        carried = together(loop, overlap ? b_.opaque(address) : address, lanes_at(first_lanes, i * loop.lane_stride),
                           std::min(at_a_time, count - i), std::move(carried));
      }
      return carried;
    };
    if (!range.whole)
      return b_.loop(range.begin, range.end, 1, sums, range.nonempty, [&](Value* k, const Carried& carried) {
        return steps(1, broadcast_at(broadcast, k, loop.broadcast_stride), lanes_at(lanes, k, loop.lane_stride), carried);
      });
    const int64_t turns = loop.extent / at_a_time, unrolled = unrolled_turns(tile_.plan, turns);
    const int64_t whole = turns == 0 ? 0 : turns / unrolled * unrolled * at_a_time;
    if (turns > 0 && turns == unrolled) sums = steps(whole, broadcast, lanes, sums);
    else if (turns > 0)
      sums = b_.loop(b_.i64(0), b_.i64(whole), unrolled * at_a_time, sums, true, [&](Value* k, const Carried& carried) {
        return steps(unrolled * at_a_time, broadcast_at(broadcast, k, loop.broadcast_stride), lanes_at(lanes, k, loop.lane_stride), carried);
      });
    return steps(loop.extent - whole, broadcast_at(broadcast, whole * loop.broadcast_stride), lanes_at(lanes, whole * loop.lane_stride), sums);
  }

  // One step, or a pair of them: at once, or the second first (direct_operands.h).
  Carried together(const SumLoop& loop, Value* broadcast, Value* lanes, int64_t count, Carried sums) {
    if (tile_.plan.pairs == tile_.plan.dot_products) return step(broadcast, lanes, count, std::move(sums));
    if (count == 1)  // as if the product of two zeros came first: -0 becomes 0
      for (Value*& sum : sums) sum = b_.CreateFAdd(sum, b_.real(sum->getType(), 0));
    while (count-- > 0)
      sums = step(broadcast_at(broadcast, count * loop.broadcast_stride), lanes_at(lanes, count * loop.lane_stride), 1, std::move(sums));
    return sums;
  }

  // The lane operand is read once a tile, in the order in which it lies. Where both operands stream through the innermost
  // loop (weight gradient), what the next turns of the loop around it read.
  void prefetch(Value* broadcast, Value* lanes) {
    const int64_t ahead = tile_.plan.tile.prefetch_steps;
    if (ahead == 0) return;
    const SumLoop& inner = loops_.back();
    if (!tile_.plan.streams()) {
      for (int64_t g = 0; g < tile_.groups; ++g) b_.prefetch(lanes_at(lanes, g * group_stride_ + ahead * inner.lane_stride));
      return;
    }
    if (loops_.size() < 2) return;
    const SumLoop& outer = loops_[loops_.size() - 2];
    const int64_t turns = (ahead + inner.extent - 1) / inner.extent;
    for (int64_t g = 0; g < tile_.groups; ++g) b_.prefetch(lanes_at(lanes, g * group_stride_ + turns * outer.lane_stride));
    for (int64_t r = 0; r < tile_.rows; r += kLaneBlock) b_.prefetch(broadcast_at(broadcast, r + turns * outer.broadcast_stride));
  }
  // The rows of the next tile, those that the window has not seen yet; where rows are neighbours, so that the next tile's
  // follow on this one's.
  void prefetch_next_rows(Value* broadcast) {
    if (row_stride_ != kLaneBlock) return;
    int64_t newest = 0;
    for (const SumLoop& loop : loops_)
      if (!loop.checked.empty()) newest += std::max<int64_t>(0, loop.broadcast_stride * (loop.extent - 1));
    for (int64_t r = 0; r < tile_.rows; ++r) b_.prefetch(broadcast_at(broadcast, newest + (tile_.rows + r) * row_stride_));
  }

  Carried step(Value* broadcast, Value* lanes, int64_t count, Carried sums) {
    prefetch(broadcast, lanes);
    std::vector<std::vector<Value*>> v;
    for (int64_t g = 0; g < tile_.groups; ++g) v.push_back(operands_->lanes(lanes_at(lanes, g * group_stride_), count));
    operands_->start_rows(broadcast, count);
    for (int64_t r = 0; r < tile_.rows; ++r) {
      Value* x = operands_->row(r);
      for (int64_t g = 0; g < tile_.groups; ++g)
        for (int i = 0; i < tile_.plan.vectors(); ++i) {
          Value*& sum = sums[tile_.position(g, i, r)];
          sum = operands_->multiply_add(v[static_cast<size_t>(g)][static_cast<size_t>(i)], x, sum);
        }
    }
    return sums;
  }

  LaneBuilder& b_;
  const DirectTileCode& tile_;
  const std::vector<SumLoop>& loops_;
  const std::vector<SumRange>& ranges_;
  std::unique_ptr<DirectOperands> operands_;
  int64_t row_stride_ = 0, group_stride_ = 0;
};

}  // namespace

Carried multiply_tile(LaneBuilder& builder, const DirectTileCode& tile, const std::vector<SumLoop>& loops,
                      const std::vector<SumRange>& ranges, Carried sums) {
  return TileMultiplier(builder, tile, loops, ranges).run(0, builder.opaque(tile.broadcast), builder.opaque(tile.lanes), sums);
}

}  // namespace netc
