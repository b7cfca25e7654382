#include "compiler/backend/cpu/nest_emitter.h"

#include <limits>
#include <utility>

#include "compiler/backend/cpu/vector_math.h"
#include "compiler/base/error.h"

namespace netc {

using llvm::Type;
using llvm::Value;

namespace {

// Additions per f32 lane before the lane goes to f64.
constexpr int64_t kLongestF32Sum = 512;
constexpr int64_t kNoPosition = std::numeric_limits<int32_t>::max();

class NestEmitter {
 public:
  NestEmitter(LaneBuilder& builder, const KernelBody& body, const TaskGrid& grid, const TaskBlock& block,
              const KernelPointers& pointers, const Target& target)
      : b_(builder), body_(body), nest_(body.nest), block_(block), analysis_(body),
        merged_(merge_axes(body, analysis_, grid.block)), block_extents_(body.nest.extents),
        choice_(choose_vector_axis(body, analysis_, merged_, grid.block, target)),
        expressions_(builder, body, analysis_, pointers, merged_, choice_.axis, choice_.width) {
    for (size_t a = 0; a < grid.block.size(); ++a) block_extents_[a] = grid.block[a];
    order_loops();
    guard_free_.resize(nest_.extents.size());
    for (int axis : parallel_)
      if (axis != choice_.axis && merged_extent(axis, merged_, nest_.extents) == nest_.extents[static_cast<size_t>(axis)])
        guard_free_[static_cast<size_t>(axis)] = guard_free_range(body_, analysis_, axis);
  }

  void emit() {
    body_.partials.empty() ? static_cast<void>(loops(0, {})) : kept_loops(0);
  }

 private:
  bool vector_is_reduced() const { return choice_.axis >= nest_.parallel; }
  Type* f32() const { return expressions_.lane_type(b_.getFloatTy()); }
  Type* f64() const { return expressions_.lane_type(b_.getDoubleTy()); }

  // Whether the task's part of the vector axis is exactly one vector, as the channels of a block are.
  bool one_vector() const {
    return choice_.axis >= 0 && merged_extent(choice_.axis, merged_, block_extents_) == choice_.width &&
           merged_extent(choice_.axis, merged_, nest_.extents) % choice_.width == 0;
  }

  // Outermost first: the kept axes of partial sums, then the others, each in order with the vector axis last; or first, where it
  // is one vector: then what depends on nothing else, a channel's scale and bias, is loaded before the other loops.
  void order_loops() {
    auto add = [&](std::vector<int>& loops, bool reduced, bool kept) {
      auto belongs = [&](int axis) { return (axis >= nest_.parallel) == reduced && is_kept(body_, axis) == kept; };
      const auto first = static_cast<std::ptrdiff_t>(loops.size());
      for (int a = 0; a < static_cast<int>(nest_.extents.size()); ++a)
        if (belongs(a) && a != choice_.axis && a != choice_.square && a != choice_.constant && nest_.extents[static_cast<size_t>(a)] > 1 && merged_[static_cast<size_t>(a)] < 0)
          loops.push_back(a);
      if (choice_.square >= 0 && belongs(choice_.square)) loops.push_back(choice_.square);
      if (choice_.axis >= 0 && belongs(choice_.axis)) loops.insert(one_vector() ? loops.begin() + first : loops.end(), choice_.axis);
      if (choice_.constant >= 0 && belongs(choice_.constant)) loops.push_back(choice_.constant);
    };
    add(parallel_, false, true);
    kept_loops_ = parallel_.size();
    add(parallel_, false, false);
    add(reduced_, true, false);
  }

  // [begin, end) of a loop, with the axes that are merged into it.
  std::pair<Value*, Value*> range(int axis) {
    if (axis >= nest_.parallel) return {b_.i64(0), b_.i64(merged_extent(axis, merged_, nest_.extents))};
    Value *begin = block_.begin[static_cast<size_t>(axis)], *end = block_.end[static_cast<size_t>(axis)];
    int64_t inner = nest_.extents[static_cast<size_t>(axis)];
    int last = axis;
    for (int outer = axis - 1; outer >= 0; --outer) {
      if (merged_[static_cast<size_t>(outer)] != last) continue;
      begin = b_.CreateMul(block_.begin[static_cast<size_t>(outer)], b_.i64(inner));
      end = b_.CreateMul(block_.end[static_cast<size_t>(outer)], b_.i64(inner));
      inner *= nest_.extents[static_cast<size_t>(outer)];
      last = outer;
    }
    return {begin, end};
  }

  // body(carried) at every point of the axis, in vectors if it is the vector axis.
  Carried run(int axis, Carried carried, const std::function<Carried(const Carried&)>& body) {
    auto [begin, end] = range(axis);
    const int64_t longest = merged_extent(axis, merged_, block_extents_), total = merged_extent(axis, merged_, nest_.extents);
    const std::optional<IndexRange>& inside = guard_free_[static_cast<size_t>(axis)];
    if (axis == choice_.constant) return in_constants(axis, body);
    if (axis == choice_.square) return in_squares(axis, begin, end, longest, total, body);
    if (inside && !at_edge_) return in_three_parts(axis, begin, end, *inside, std::move(carried), body);
    if (longest == (axis == choice_.axis ? choice_.width : 1) && total % longest == 0) return at(axis, begin, carried, body);
    return run(axis, begin, end, longest, total, std::move(carried), body);
  }

  // body(carried) at one point, or one vector of points.
  Carried at(int axis, Value* value, const Carried& carried, const std::function<Carried(const Carried&)>& body) {
    Carried result;
    b_.scoped([&] {
      expressions_.set_axis(axis, value);
      result = body(carried);
    });
    return result;
  }

  // The loop with the part between an image's edges apart, where windows are checked against nothing.
  Carried in_three_parts(int axis, Value* begin, Value* end, IndexRange inside, Carried carried,
                         const std::function<Carried(const Carried&)>& body) {
    const int64_t extent = nest_.extents[static_cast<size_t>(axis)];
    Value* first = b_.clamp(b_.i64(inside.low), begin, end);
    Value* last = b_.clamp(b_.i64(inside.high + 1), first, end);
    auto part = [&](Value* from, Value* to, IndexRange range, bool edge) {
      if (range.low > range.high) return;
      carried = b_.loop(from, to, 1, std::move(carried), false, [&](Value* i, const Carried& c) {
        const bool outer = std::exchange(at_edge_, at_edge_ || edge);
        expressions_.set_axis(axis, i, range);
        Carried next = body(c);
        at_edge_ = outer;
        return next;
      });
    };
    part(begin, first, {0, inside.low - 1}, true);
    part(first, last, inside, false);
    part(last, end, {inside.high + 1, extent - 1}, true);
    return carried;
  }

  // Every point by its own code. REQUIRES: a map.
  Carried in_constants(int axis, const std::function<Carried(const Carried&)>& body) {
    for (int64_t i = 0; i < nest_.extents[static_cast<size_t>(axis)]; ++i) at(axis, b_.i64(i), {}, body);
    return {};
  }

  // As many points at a time as there are lanes, and the rest one by one.
  Carried in_squares(int axis, Value* begin, Value* end, int64_t longest, int64_t total, const std::function<Carried(const Carried&)>& body) {
    const int64_t width = choice_.width;
    Value* full_end = b_.CreateAdd(begin, b_.CreateAnd(b_.CreateSub(end, begin), b_.i64(-width)));
    b_.loop(begin, full_end, width, {}, total % longest == 0, [&](Value* i, const Carried& c) {
      expressions_.set_axis(axis, i, IndexRange{0, total - 1});
      in_square_ = true;
      body(c);
      in_square_ = false;
      return Carried{};
    });
    if (longest % width == 0 && total % width == 0) return {};
    return b_.loop(full_end, end, 1, {}, false, [&](Value* i, const Carried& c) {
      expressions_.set_axis(axis, i);
      return body(c);
    });
  }

  // `longest`: of this loop; `total`: of the axis, whose last piece may be shorter.
  Carried run(int axis, Value* begin, Value* end, int64_t longest, int64_t total, Carried carried,
              const std::function<Carried(const Carried&)>& body) {
    if (axis != choice_.axis || choice_.width == 1)
      return b_.loop(begin, end, 1, std::move(carried), true, [&](Value* i, const Carried& c) {
        expressions_.set_axis(axis, i);
        return body(c);
      });
    const int64_t width = choice_.width;
    const bool tail = longest % width != 0 || total % width != 0;
    Value* full_end = end;
    if (tail) full_end = b_.CreateAdd(begin, b_.CreateAnd(b_.CreateSub(end, begin), b_.i64(-width)));
    if (longest >= width)
      carried = b_.loop(begin, full_end, width, std::move(carried), !tail || (longest == total && total >= width),
                        [&](Value* i, const Carried& c) {
                          expressions_.set_axis(axis, i);
                          expressions_.set_mask(nullptr);
                          return body(c);
                        });
    if (!tail) return carried;
    Value* rest = b_.CreateSub(end, full_end);
    return b_.when(b_.CreateICmpSGT(rest, b_.i64(0)), std::move(carried), [&](const Carried& c) {
      Type* i32 = expressions_.lane_type(b_.getInt32Ty());
      expressions_.set_axis(axis, full_end);
      expressions_.set_mask(b_.CreateICmpULT(b_.iota(i32), b_.splat(b_.CreateTrunc(rest, b_.getInt32Ty()), choice_.width)));
      Carried result = body(c);
      expressions_.set_mask(nullptr);
      return result;
    });
  }

  // The parallel loops from `depth` on. Carried: the f64 totals of the partial sums, whose innermost
  // loop adds up a row, or a piece of a long one, in f32.
  Carried loops(size_t depth, const Carried& carried) {
    if (depth == parallel_.size()) return in_square_ ? square() : point(carried);
    const bool row = depth + 1 == parallel_.size();
    const int axis = parallel_[depth];
    const auto next = [&](const Carried& c) { return loops(depth + 1, c); };
    if (!row || carried.empty()) return run(axis, carried, next);
    const auto add_row = [&](const Carried& totals, const std::function<Carried(Carried)>& sum) {
      const Carried inner = sum(Carried(totals.size(), b_.real(f32(), 0)));
      Carried result;
      for (size_t i = 0; i < inner.size(); ++i) result.push_back(b_.CreateFAdd(totals[i], b_.CreateFPExt(inner[i], f64())));
      return result;
    };
    const int64_t longest = merged_extent(axis, merged_, block_extents_), total = merged_extent(axis, merged_, nest_.extents);
    const int64_t width = axis == choice_.axis ? choice_.width : 1, piece = kLongestF32Sum * width;
    if (longest <= 2 * piece) return add_row(carried, [&](Carried c) { return run(axis, std::move(c), next); });
    const int64_t ends = longest % width == 0 ? total : longest;  // where the last piece ends: within a vector if blocks do
    auto [first, last] = range(axis);
    return b_.loop(first, last, piece, carried, true, [&, last = last](Value* begin, const Carried& totals) {
      Value* end = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, b_.CreateAdd(begin, b_.i64(piece)), last);
      return add_row(totals, [&](Carried c) { return run(axis, begin, end, piece, ends, std::move(c), next); });
    });
  }

  void kept_loops(size_t depth) {
    if (depth == kept_loops_) return sum_partials(depth);
    run(parallel_[depth], {}, [&](const Carried&) {
      kept_loops(depth + 1);
      return Carried{};
    });
  }

  // One channel's (or one vector of channels') partial sums over the rest of the block.
  void sum_partials(size_t depth) {
    const bool rows = depth < parallel_.size();
    Carried totals(body_.partials.size(), b_.real(rows ? f64() : f32(), 0));
    totals = loops(depth, totals);
    for (size_t i = 0; i < totals.size(); ++i) {
      const KernelOperand& o = body_.operands[static_cast<size_t>(body_.partials[i].output)];
      Value* sum = totals[i];
      if (choice_.width > 1 && !is_kept(body_, choice_.axis))
        sum = vector_is_reduced() ? b_.CreateExtractElement(sum, uint64_t{0})
                                  : b_.reduce_lanes(sum, [&](Value* x, Value* y) { return b_.CreateFAdd(x, y); });
      if (rows) sum = b_.CreateFPTrunc(sum, b_.with_lanes(b_.getFloatTy(), sum->getType()));
      LinearForm column;
      int64_t stride = o.strides[1];
      const std::vector<int>& kept = body_.partials[i].kept;
      for (size_t k = kept.size(); k-- > 0; stride *= nest_.extents[static_cast<size_t>(kept[k])])
        if (nest_.extents[static_cast<size_t>(kept[k])] > 1) column.axes[kept[k]] = stride;
      Value* row = b_.CreateMul(block_.partial_row, b_.i64(o.strides[0]));
      expressions_.store(body_.partials[i].output, column, sum, row);
    }
  }

  Carried square() {
    expressions_.set_square(choice_.square);
    for (int i = 0; i < choice_.width; ++i)
      b_.scoped([&] {
        expressions_.shift_axis(choice_.square, i);
        point({});
      });
    expressions_.shift_axis(choice_.square, 0);
    expressions_.set_square(-1);
    return {};
  }

  // Everything at one point of the parallel axes (or one vector of points).
  Carried point(const Carried& carried) {
    if (!nest_.reductions.empty()) expressions_.set_reduced(reduce());
    // All values before all stores: a store may go over an operand that another value loads (in place).
    std::vector<Value*> values;
    for (const Store& s : nest_.stores)
      values.push_back(vector_is_reduced() ? expressions_.value(s.value) : expressions_.lanes(s.value));
    for (size_t i = 0; i < values.size(); ++i)
      expressions_.store(nest_.stores[i].output, analysis_.store_offset(nest_.stores[i].output), values[i]);
    Carried sums;
    for (size_t i = 0; i < carried.size(); ++i) {
      Value* x = expressions_.lanes(body_.partials[i].body);
      if (expressions_.mask() && !is_kept(body_, choice_.axis))
        x = b_.CreateSelect(expressions_.mask(), x, b_.real(x->getType(), 0));
      sums.push_back(b_.CreateFAdd(carried[i], x));
    }
    return sums;
  }

  // Reductions. Carried: one value per reduction (argmax: two, value and position), lanes if the kernel has lanes.
  int64_t additions_per_lane() const {
    return nest_.reduction_count() / (vector_is_reduced() ? choice_.width : 1);
  }

  std::vector<Value*> reduce() {
    const bool wide = additions_per_lane() > kLongestF32Sum / 2;
    const double infinity = std::numeric_limits<double>::infinity();
    Carried start;
    for (const Reduction& r : nest_.reductions) switch (r.kind) {
        case ReduceKind::sum: start.push_back(b_.real(wide ? f64() : f32(), 0)); break;
        case ReduceKind::max: start.push_back(b_.real(f32(), -infinity)); break;
        case ReduceKind::min: start.push_back(b_.real(f32(), infinity)); break;
        case ReduceKind::argmax:
          start.push_back(b_.real(f32(), -infinity));
          start.push_back(b_.integer(expressions_.index_type(), kNoPosition));
          break;
      }
    return finish(reduction_loops(0, start, wide));
  }

  // A pooling's window: few steps and little code.
  bool unrolls() const {
    constexpr int64_t kMostSteps = 16, kMostCode = 1024;
    const int64_t steps = nest_.reduction_count();
    return !vector_is_reduced() && steps <= kMostSteps && steps * nest_.dag.size() <= kMostCode;
  }

  Carried unrolled(size_t depth, Carried carried) {
    if (depth == reduced_.size()) return update(carried);
    const int axis = reduced_[depth];
    for (int64_t i = 0; i < merged_extent(axis, merged_, nest_.extents); ++i)
      carried = at(axis, b_.i64(i), carried, [&](const Carried& c) { return unrolled(depth + 1, c); });
    return carried;
  }

  Carried reduction_loops(size_t depth, const Carried& carried, bool wide) {
    if (unrolls()) return unrolled(0, carried);
    if (reduced_.empty()) return with_rows(carried, wide, [&](const Carried& c) { return update(c); });
    if (depth + 1 < reduced_.size())
      return run(reduced_[depth], carried, [&](const Carried& c) { return reduction_loops(depth + 1, c, wide); });
    const int axis = reduced_[depth];
    const int64_t extent = merged_extent(axis, merged_, nest_.extents);
    const int64_t piece = kLongestF32Sum * (axis == choice_.axis ? choice_.width : 1);
    auto row = [&](const Carried& c, Value* begin, Value* end, int64_t longest) {
      return with_rows(c, wide, [&](const Carried& r) {
        return run(axis, begin, end, longest, extent, r, [&](const Carried& inner) { return update(inner); });
      });
    };
    if (!wide || extent <= 2 * piece) return row(carried, b_.i64(0), b_.i64(extent), extent);
    return b_.loop(b_.i64(0), b_.i64(extent), piece, carried, true, [&](Value* begin, const Carried& c) {
      Value* end = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, b_.CreateAdd(begin, b_.i64(piece)), b_.i64(extent));
      return row(c, begin, end, piece);
    });
  }

  // Sums of a row start at zero in f32 and are added to the f64 total behind it.
  Carried with_rows(const Carried& carried, bool wide, const std::function<Carried(const Carried&)>& body) {
    if (!wide) return body(carried);
    Carried inner = carried;
    for_sums([&](size_t slot) { inner[slot] = b_.real(f32(), 0); });
    inner = body(inner);
    for_sums([&](size_t slot) { inner[slot] = b_.CreateFAdd(carried[slot], b_.CreateFPExt(inner[slot], f64())); });
    return inner;
  }

  void for_sums(const std::function<void(size_t)>& visit) {
    size_t slot = 0;
    for (const Reduction& r : nest_.reductions) {
      if (r.kind == ReduceKind::sum) visit(slot);
      slot += r.kind == ReduceKind::argmax ? 2 : 1;
    }
  }

  Carried update(const Carried& carried) {
    Carried next = carried;
    size_t slot = 0;
    Value* mask = vector_is_reduced() ? expressions_.mask() : nullptr;  // empty lanes of other vectors are not stored
    for (const Reduction& r : nest_.reductions) {
      Value* x = expressions_.lanes(r.body);
      Value*& state = next[slot];
      auto keep = [&](Value* updated) { return mask ? b_.CreateSelect(mask, updated, state) : updated; };
      switch (r.kind) {
        case ReduceKind::sum: state = keep(b_.CreateFAdd(state, x)); break;
        case ReduceKind::max: state = keep(emit_max(b_, state, x)); break;
        case ReduceKind::min: state = keep(emit_min(b_, state, x)); break;
        case ReduceKind::argmax: {
          Value*& position = next[slot + 1];
          Value* nan = b_.CreateAnd(b_.CreateFCmpUNO(x, x), b_.CreateFCmpORD(state, state));
          Value* first = b_.CreateICmpEQ(position, b_.integer(position->getType(), kNoPosition));
          Value* better = b_.CreateOr(b_.CreateOr(b_.CreateFCmpOGT(x, state), nan), first);
          if (mask) better = b_.CreateAnd(better, mask);
          state = b_.CreateSelect(better, x, state);
          position = b_.CreateSelect(better, position_here(), position);
          break;
        }
      }
      slot += r.kind == ReduceKind::argmax ? 2 : 1;
    }
    return next;
  }

  // Row-major position in the reduction axes.
  Value* position_here() {
    LinearForm form;
    int64_t stride = 1;
    for (int axis = static_cast<int>(nest_.extents.size()) - 1; axis >= nest_.parallel; --axis) {
      if (nest_.extents[static_cast<size_t>(axis)] > 1) form.axes[axis] = stride;
      stride *= nest_.extents[static_cast<size_t>(axis)];
    }
    return expressions_.lanes(form);
  }

  std::vector<Value*> finish(const Carried& carried) {
    const bool across = vector_is_reduced() && choice_.width > 1;
    std::vector<Value*> results;
    size_t slot = 0;
    for (const Reduction& r : nest_.reductions) {
      Value* x = carried[slot];
      auto combine = [&](auto function) { return across ? b_.reduce_lanes(x, function) : x; };
      switch (r.kind) {
        case ReduceKind::sum: {
          Value* sum = combine([&](Value* a, Value* c) { return b_.CreateFAdd(a, c); });
          Type* type = b_.with_lanes(b_.getFloatTy(), sum->getType());
          results.push_back(sum->getType() == type ? sum : b_.CreateFPTrunc(sum, type));
          break;
        }
        case ReduceKind::max: results.push_back(combine([&](Value* a, Value* c) { return emit_max(b_, a, c); })); break;
        case ReduceKind::min: results.push_back(combine([&](Value* a, Value* c) { return emit_min(b_, a, c); })); break;
        case ReduceKind::argmax: {
          Value* position = across ? first_maximum(x, carried[slot + 1]) : carried[slot + 1];
          results.push_back(b_.CreateSIToFP(position, b_.with_lanes(b_.getFloatTy(), position->getType())));
          break;
        }
      }
      slot += r.kind == ReduceKind::argmax ? 2 : 1;
    }
    return results;
  }

  Value* first_maximum(Value* value, Value* position) {
    while (value->getType()->isVectorTy()) {
      Value *v1 = b_.half(value, false), *v2 = b_.half(value, true);
      Value *p1 = b_.half(position, false), *p2 = b_.half(position, true);
      Value *nan1 = b_.CreateFCmpUNO(v1, v1), *nan2 = b_.CreateFCmpUNO(v2, v2);
      Value* earlier = b_.CreateICmpSLT(p2, p1);
      Value* tie = b_.CreateOr(b_.CreateFCmpOEQ(v1, v2), b_.CreateAnd(nan1, nan2));
      Value* greater = b_.CreateOr(b_.CreateFCmpOGT(v2, v1), b_.CreateAnd(nan2, b_.CreateNot(nan1)));
      Value* second = b_.CreateOr(greater, b_.CreateAnd(tie, earlier));
      value = b_.CreateSelect(second, v2, v1);
      position = b_.CreateSelect(second, p2, p1);
    }
    return position;
  }

  LaneBuilder& b_;
  const KernelBody& body_;
  const LoopNest& nest_;
  const TaskBlock& block_;
  IndexAnalysis analysis_;
  std::vector<int> merged_;
  Shape block_extents_;
  VectorChoice choice_;
  Expressions expressions_;
  std::vector<int> parallel_, reduced_;  // loops, outermost first
  size_t kept_loops_ = 0;                // how many of the parallel ones are over kept axes
  std::vector<std::optional<IndexRange>> guard_free_;  // per axis, where its loop has a part that needs no guards
  bool in_square_ = false;               // the innermost body is for `width` points of choice_.square
  bool at_edge_ = false;                 // in a part of a loop in which guards are checked
};

}  // namespace

void emit_nest(LaneBuilder& builder, const KernelBody& body, const TaskGrid& grid, const TaskBlock& block,
               const KernelPointers& pointers, const Target& target) {
  NestEmitter(builder, body, grid, block, pointers, target).emit();
}

}  // namespace netc
