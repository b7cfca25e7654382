#include "compiler/backend/cpu/direct_tile.h"

namespace netc {

using llvm::Value;

namespace {

constexpr int64_t kMostUnrolled = 8, kLeastUnrolled = 4, kUnrolledWhole = 9;

// Steps of one iteration of the innermost loop: a divisor of its extent, if there is a good one.
int64_t unrolled_steps(int64_t extent) {
  if (extent <= kUnrolledWhole) return extent;
  for (int64_t steps = kMostUnrolled; steps >= kLeastUnrolled; --steps)
    if (extent % steps == 0) return steps;
  return kMostUnrolled;
}

class TileMultiplier {
 public:
  TileMultiplier(LaneBuilder& builder, const DirectTileCode& tile, const std::vector<SumLoop>& loops,
                 const std::vector<SumRange>& ranges)
      : b_(builder), tile_(tile), loops_(loops), ranges_(ranges),
        vector_(llvm::FixedVectorType::get(builder.getFloatTy(), static_cast<unsigned>(tile.plan.vector_lanes))) {
    const auto stride = [](const std::vector<GemmIndex>& index, int v) {
      return v < 0 ? 0 : memory_stride(index, static_cast<size_t>(v));
    };
    row_stride_ = stride(tile.phase.v, tile.plan.row);
    group_stride_ = stride(tile.phase.s, tile.plan.group);
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
      Value* first = b_.opaque(at(broadcast, k, loop.broadcast_stride));
      if (depth == 0) prefetch_next_rows(first);
      return run(depth + 1, first, b_.opaque(at(lanes, k, loop.lane_stride)), carried);
    });
  }

 private:
  Value* at(Value* base, Value* k, int64_t stride) {
    return b_.CreateGEP(b_.getFloatTy(), base, b_.CreateMul(k, b_.i64(stride)));
  }
  Value* at(Value* base, int64_t floats) { return floats == 0 ? base : b_.CreateGEP(b_.getFloatTy(), base, b_.i64(floats)); }

  Carried innermost(const SumLoop& loop, const SumRange& range, Value* broadcast, Value* lanes, Carried sums) {
    const auto steps = [&](int64_t count, Value* first_broadcast, Value* first_lanes, Carried carried) {
      // A window slides by less than itself: rows of one step are rows of another. Kept from one to the other they would
      // not fit the registers; loaded again they cost nothing.
      const bool overlap = tile_.rows * row_stride_ > loop.broadcast_stride && count * loop.broadcast_stride > row_stride_;
      for (int64_t i = 0; i < count; ++i) {
        Value* address = at(first_broadcast, i * loop.broadcast_stride);
        carried = step(overlap ? b_.opaque(address) : address, at(first_lanes, i * loop.lane_stride), carried);
      }
      return carried;
    };
    if (!range.whole)
      return b_.loop(range.begin, range.end, 1, sums, range.nonempty, [&](Value* k, const Carried& carried) {
        return steps(1, at(broadcast, k, loop.broadcast_stride), at(lanes, k, loop.lane_stride), carried);
      });
    const int64_t unrolled = unrolled_steps(loop.extent), whole = loop.extent / unrolled * unrolled;
    if (whole == unrolled) sums = steps(unrolled, broadcast, lanes, sums);
    else
      sums = b_.loop(b_.i64(0), b_.i64(whole), unrolled, sums, true, [&](Value* k, const Carried& carried) {
        return steps(unrolled, at(broadcast, k, loop.broadcast_stride), at(lanes, k, loop.lane_stride), carried);
      });
    return steps(loop.extent - whole, at(broadcast, whole * loop.broadcast_stride), at(lanes, whole * loop.lane_stride), sums);
  }

  // The lane operand is read once a tile, in the order in which it lies. Where both operands stream through the innermost
  // loop (weight gradient), what the next turns of the loop around it read.
  void prefetch(Value* broadcast, Value* lanes) {
    const int64_t ahead = tile_.plan.tile.prefetch_steps;
    if (ahead == 0) return;
    const SumLoop& inner = loops_.back();
    if (!tile_.plan.streams()) {
      for (int64_t g = 0; g < tile_.groups; ++g) b_.prefetch(at(lanes, g * group_stride_ + ahead * inner.lane_stride));
      return;
    }
    if (loops_.size() < 2) return;
    const SumLoop& outer = loops_[loops_.size() - 2];
    const int64_t turns = (ahead + inner.extent - 1) / inner.extent;
    for (int64_t g = 0; g < tile_.groups; ++g) b_.prefetch(at(lanes, g * group_stride_ + turns * outer.lane_stride));
    for (int64_t r = 0; r < tile_.rows; r += kLaneBlock) b_.prefetch(at(broadcast, r + turns * outer.broadcast_stride));
  }
  // The rows of the next tile, those that the window has not seen yet; where rows are neighbours, so that the next tile's
  // follow on this one's.
  void prefetch_next_rows(Value* broadcast) {
    if (row_stride_ != kLaneBlock) return;
    int64_t newest = 0;
    for (const SumLoop& loop : loops_)
      if (!loop.checked.empty()) newest += std::max<int64_t>(0, loop.broadcast_stride * (loop.extent - 1));
    for (int64_t r = 0; r < tile_.rows; ++r) b_.prefetch(at(broadcast, newest + (tile_.rows + r) * row_stride_));
  }

  Carried step(Value* broadcast, Value* lanes, Carried sums) {
    prefetch(broadcast, lanes);
    const int vectors = tile_.plan.vectors(), width = tile_.plan.vector_lanes;
    std::vector<Value*> v;
    for (int64_t g = 0; g < tile_.groups; ++g)
      for (int i = 0; i < vectors; ++i)
        v.push_back(b_.CreateAlignedLoad(vector_, at(lanes, g * group_stride_ + int64_t{i} * width), llvm::Align(4)));
    for (int64_t r = 0; r < tile_.rows; ++r) {
      Value* x = b_.splat(b_.CreateAlignedLoad(b_.getFloatTy(), at(broadcast, r * row_stride_), llvm::Align(4)), width);
      for (int64_t g = 0; g < tile_.groups; ++g)
        for (int i = 0; i < vectors; ++i) {
          Value*& sum = sums[tile_.position(g, i, r)];
          sum = b_.fma(v[static_cast<size_t>(g * vectors + i)], x, sum);
        }
    }
    return sums;
  }

  LaneBuilder& b_;
  const DirectTileCode& tile_;
  const std::vector<SumLoop>& loops_;
  const std::vector<SumRange>& ranges_;
  llvm::Type* vector_;
  int64_t row_stride_ = 0, group_stride_ = 0;
};

}  // namespace

Carried multiply_tile(LaneBuilder& builder, const DirectTileCode& tile, const std::vector<SumLoop>& loops,
                      const std::vector<SumRange>& ranges, Carried sums) {
  return TileMultiplier(builder, tile, loops, ranges).run(0, builder.opaque(tile.broadcast), builder.opaque(tile.lanes), sums);
}

}  // namespace netc
