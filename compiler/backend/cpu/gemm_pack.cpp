#include "compiler/backend/cpu/gemm_pack.h"

#include <llvm/IR/Intrinsics.h>

namespace netc {

using llvm::Type;
using llvm::Value;

namespace {

// constant + sum of coefficients * values
Value* affine(LaneBuilder& b, int64_t constant, const std::vector<int64_t>& coefficients, const std::vector<Value*>& values) {
  Value* sum = b.i64(constant);
  for (size_t v = 0; v < values.size(); ++v)
    if (coefficients[v] != 0 && values[v]) sum = b.CreateAdd(sum, b.CreateMul(values[v], b.i64(coefficients[v])));
  return sum;
}

std::vector<int64_t> memory_strides(const std::vector<GemmIndex>& index, size_t variables) {
  std::vector<int64_t> strides(variables, 0);
  for (const GemmIndex& i : index)
    for (size_t v = 0; v < variables; ++v) strides[v] += i.coefficients[v] * i.stride;
  return strides;
}

int64_t memory_constant(const std::vector<GemmIndex>& index) {
  int64_t sum = 0;
  for (const GemmIndex& i : index) sum += i.constant * i.stride;
  return sum;
}

class Packer {
 public:
  Packer(LaneBuilder& b, const GemmPlan& plan, const GemmPhase& phase, const GemmRanges& ranges, Value* operand,
         DType dtype, Value* panel)
      : b_(b), plan_(plan), phase_(phase), ranges_(ranges), operand_(operand), dtype_(dtype), panel_(panel),
        strides_(memory_strides(phase.v, ranges.size())), constant_(memory_constant(phase.v)),
        m_strides_(role_strides(plan, GemmRole::m)), k_strides_(ranges.size(), 0), width_(plan.lanes),
        values_(ranges.size()), steps_(ranges.size(), b.i64(0)) {
    for (size_t v = 0; v < ranges.size(); ++v) values_[v] = ranges[v].begin;
    // Positions of k within the block, row-major over the phase's own extents.
    int64_t stride = 1;
    for (size_t v = ranges.size(); v-- > 0;) {
      if (plan.variables[v].role != GemmRole::k) continue;
      k_strides_[v] = stride;
      stride *= std::min(plan.variables[v].block, phase.k_extents[v]);
      k_.insert(k_.begin(), v);
    }
    for (size_t v = 0; v < ranges.size(); ++v)
      if (plan.variables[v].role == GemmRole::m && plan.variables[v].block > 1) m_.push_back(v);
    if (m_.empty())
      for (size_t v = 0; v < ranges.size() && m_.empty(); ++v)
        if (plan.variables[v].role == GemmRole::m) m_.push_back(v);
  }

  void run() {
    if (plan_.transpose_v) pack_transposed();
    else pack_rows();
  }

 private:
  // body() for every value of the variables.
  void loops(const std::vector<size_t>& variables, size_t depth, const std::function<void()>& body) {
    if (depth == variables.size()) return body();
    const size_t v = variables[depth];
    if (ranges_[v].known == 1) return loops(variables, depth + 1, body);
    b_.loop(b_.i64(0), ranges_[v].count, 1, {}, true, [&](Value* step, const Carried&) {
      at(v, step);
      loops(variables, depth + 1, body);
      at(v, b_.i64(0));
      return Carried{};
    });
  }

  // Moves the current point to the given step of a variable.
  void at(size_t v, Value* step) {
    steps_[v] = step;
    values_[v] = b_.CreateAdd(ranges_[v].begin, step);
  }

  Value* source() { return b_.CreateGEP(b_.storage_type(dtype_), operand_, affine(b_, constant_, strides_, values_)); }
  Value* target() {
    Value* offset = b_.i64(0);
    for (size_t v = 0; v < steps_.size(); ++v) {
      const int64_t stride = m_strides_[v] + k_strides_[v] * plan_.pitch();
      if (stride != 0) offset = b_.CreateAdd(offset, b_.CreateMul(steps_[v], b_.i64(stride)));
    }
    return b_.CreateGEP(b_.getFloatTy(), panel_, offset);
  }

  Value* both(Value* a, Value* c) { return !a ? c : !c ? a : b_.CreateAnd(a, c); }

  // Checks that do not vary along variable `lane` (at the current point), as i1; nullptr: always inside.
  Value* point_check(size_t lane) {
    Value* inside = nullptr;
    for (const GemmIndex& i : phase_.v)
      if (i.checked && i.coefficients[lane] == 0)
        inside = both(inside, b_.CreateICmpULT(affine(b_, i.constant, i.coefficients, values_), b_.i64(i.extent)));
    return inside;
  }

  // Checks that vary along `lane`, for the lanes from the current point on.
  Value* lane_check(size_t lane) {
    auto* i32 = llvm::FixedVectorType::get(b_.getInt32Ty(), static_cast<unsigned>(width_));
    Value* inside = nullptr;
    for (const GemmIndex& i : phase_.v) {
      if (!i.checked || i.coefficients[lane] == 0) continue;
      Value* first = b_.CreateTrunc(affine(b_, i.constant, i.coefficients, values_), b_.getInt32Ty());
      Value* index = b_.CreateAdd(b_.splat(first, width_), b_.CreateMul(b_.iota(i32), b_.integer(i32, i.coefficients[lane])));
      inside = both(inside, b_.CreateICmpULT(index, b_.integer(i32, i.extent)));
    }
    return inside;
  }

  Value* first_lanes(Value* count) {
    auto* i32 = llvm::FixedVectorType::get(b_.getInt32Ty(), static_cast<unsigned>(width_));
    return b_.CreateICmpULT(b_.iota(i32), b_.splat(b_.CreateTrunc(count, b_.getInt32Ty()), width_));
  }

  Value* load(size_t lane, Value* mask) {
    auto* raw = llvm::FixedVectorType::get(b_.storage_type(dtype_), static_cast<unsigned>(width_));
    const llvm::Align alignment(static_cast<uint64_t>(size_of(dtype_)));
    Value* zero = llvm::Constant::getNullValue(raw);
    Value* result;
    if (strides_[lane] == 1) {
      result = mask ? b_.CreateMaskedLoad(raw, source(), alignment, mask, zero)
                    : static_cast<Value*>(b_.CreateAlignedLoad(raw, source(), alignment));
    } else {
      auto* i64 = llvm::FixedVectorType::get(b_.getInt64Ty(), static_cast<unsigned>(width_));
      Value* offsets = b_.CreateMul(b_.iota(i64), b_.integer(i64, strides_[lane]));
      result = b_.CreateMaskedGather(raw, b_.CreateGEP(b_.storage_type(dtype_), source(), offsets), alignment, mask, zero);
    }
    return b_.to_f32(result, dtype_);
  }

  // body(mask) for pieces of `width` values of variable v; the mask is nullptr for whole pieces. Up to
  // `unrolled` pieces are written out.
  void pieces(size_t v, Value* count, int64_t known, int64_t unrolled, const std::function<void(Value*)>& body) {
    const int64_t w = width_;
    if (known > 0 && known <= unrolled * w) {
      for (int64_t first = 0; first < known; first += w) {
        at(v, b_.i64(first));
        body(first + w <= known ? nullptr : first_lanes(b_.i64(known - first)));
      }
      at(v, b_.i64(0));
      return;
    }
    Value* whole = b_.CreateAnd(count, b_.i64(-w));
    b_.loop(b_.i64(0), whole, w, {}, known >= w, [&](Value* first, const Carried&) {
      at(v, first);
      body(nullptr);
      return Carried{};
    });
    at(v, b_.i64(0));
    if (known > 0 && known % w == 0) return;
    Value* rest = b_.CreateSub(count, whole);
    b_.when(b_.CreateICmpSGT(rest, b_.i64(0)), {}, [&](const Carried&) {
      at(v, whole);
      body(first_lanes(rest));
      return Carried{};
    });
    at(v, b_.i64(0));
  }

  // V is contiguous (or strided) along the last m: rows are copied one behind the other. A row's last vector is stored
  // whole; what it writes behind the row is overwritten by the next one.
  void pack_rows() {
    const size_t lane = m_.back();
    std::vector<size_t> rows(m_.begin(), m_.end() - 1);
    Value* count = ranges_[lane].count;
    int64_t known = ranges_[lane].known;
    auto unchecked = [&](size_t v) {
      for (const GemmIndex& i : phase_.v)
        if (i.checked && i.coefficients[v] != 0) return false;
      return true;
    };
    int64_t length = plan_.variables[lane].block;
    while (!rows.empty() && unchecked(lane) && unchecked(rows.back()) && strides_[rows.back()] == strides_[lane] * length &&
           known == length) {
      // Rows that follow each other in memory are one long row.
      length *= plan_.variables[rows.back()].block;
      count = b_.CreateMul(count, ranges_[rows.back()].count);
      known *= ranges_[rows.back()].known;
      rows.pop_back();
    }
    loops(k_, 0, [&] {
      loops(rows, 0, [&] {
        Value* point = point_check(lane);
        if (point) point = b_.splat(point, width_);
        pieces(lane, count, known, 4, [&](Value* mask) {
          Value* x = load(lane, both(both(mask, lane_check(lane)), point));
          b_.CreateAlignedStore(x, target(), llvm::Align(4));
        });
      });
    });
  }

  // V is contiguous along the last k: squares of width x width elements are read along k and
  // transposed in registers.
  void pack_transposed() {
    size_t lane = k_.back();
    for (size_t v : k_)
      if (phase_.k_extents[v] > 1) lane = v;
    std::vector<size_t> outer_k, outer_m(m_.begin(), m_.end() - 1);
    for (size_t v : k_)
      if (v != lane) outer_k.push_back(v);
    const size_t row = m_.back();
    loops(outer_k, 0, [&] {
      pieces(lane, ranges_[lane].count, ranges_[lane].known, 1, [&](Value* k_mask) {
        loops(outer_m, 0, [&] {
          pieces(row, ranges_[row].count, ranges_[row].known, 1,
                 [&](Value* m_mask) { transpose(lane, row, k_mask, m_mask); });
        });
      });
    });
  }

  void transpose(size_t lane, size_t row, Value* k_mask, Value* m_mask) {
    std::vector<Value*> rows;
    Value* first = steps_[row];
    for (int r = 0; r < width_; ++r) {
      at(row, b_.CreateAdd(first, b_.i64(r)));
      Value* point = point_check(lane);
      if (m_mask) point = both(point, b_.CreateExtractElement(m_mask, static_cast<uint64_t>(r)));
      Value* mask = both(k_mask, lane_check(lane));
      if (point) mask = both(mask, b_.splat(point, width_));
      rows.push_back(load(lane, mask));
    }
    at(row, first);
    rows = b_.transpose(std::move(rows));
    // Rows behind the last k are overwritten by the next ones; columns behind the last m must not be
    // written where another m follows.
    Value* to = target();
    Value* mask = m_.size() > 1 ? m_mask : nullptr;
    for (int i = 0; i < width_; ++i) {
      Value* address = b_.CreateGEP(b_.getFloatTy(), to, b_.i64(i * k_strides_[lane] * plan_.pitch()));
      if (mask) b_.CreateMaskedStore(rows[static_cast<size_t>(i)], address, llvm::Align(4), mask);
      else b_.CreateAlignedStore(rows[static_cast<size_t>(i)], address, llvm::Align(4));
    }
  }

  LaneBuilder& b_;
  const GemmPlan& plan_;
  const GemmPhase& phase_;
  const GemmRanges& ranges_;
  Value* operand_;
  DType dtype_;
  Value* panel_;
  std::vector<int64_t> strides_;  // of V in memory, per variable
  int64_t constant_;
  std::vector<int64_t> m_strides_, k_strides_;
  int width_;
  std::vector<size_t> k_, m_;             // variables, outermost first
  std::vector<Value*> values_, steps_;    // the current point: absolute, and relative to the block
};

}  // namespace

void pack_panel(LaneBuilder& b, const GemmPlan& plan, const GemmPhase& phase, const GemmRanges& ranges, Value* operand,
                DType dtype, Value* panel) {
  Packer(b, plan, phase, ranges, operand, dtype, panel).run();
}

Value* scalar_base(LaneBuilder& b, const GemmPhase& phase, const GemmRanges& ranges, Value* operand) {
  std::vector<Value*> begins;
  for (const GemmRange& range : ranges) begins.push_back(range.begin);
  Value* offset = affine(b, memory_constant(phase.s), memory_strides(phase.s, ranges.size()), begins);
  return b.CreateGEP(b.getFloatTy(), operand, offset);
}

Value* stage_scalars(LaneBuilder& b, const GemmPlan& plan, const GemmPhase& phase, const GemmRanges& ranges,
                     Value* operand, DType dtype, Value* stage) {
  const Shape shape = plan.stage_shape();
  const Shape pitches = row_major_strides(shape);
  const int width = plan.lanes;
  const size_t rank = shape.size();
  std::vector<Value*> low(rank);
  Value* start = b.i64(0);  // the block's first element within the box
  for (size_t d = 0; d < rank; ++d) {
    low[d] = b.i64(phase.s[d].constant);
    for (size_t v = 0; v < ranges.size(); ++v) {
      const int64_t c = phase.s[d].coefficients[v];
      if (c == 0) continue;
      low[d] = b.CreateAdd(low[d], b.CreateMul(ranges[v].begin, b.i64(c)));
      const int64_t reach = c * (plan.variables[v].block - 1);
      if (c > 0) continue;
      low[d] = b.CreateAdd(low[d], b.i64(reach));
      start = b.CreateAdd(start, b.i64(-reach * pitches[d]));
    }
  }
  auto* raw = llvm::FixedVectorType::get(b.storage_type(dtype), static_cast<unsigned>(width));
  auto* i64 = llvm::FixedVectorType::get(b.getInt64Ty(), static_cast<unsigned>(width));
  auto* i32 = llvm::FixedVectorType::get(b.getInt32Ty(), static_cast<unsigned>(width));
  const llvm::Align alignment(static_cast<uint64_t>(size_of(dtype)));

  std::function<void(size_t, Value*, Value*, Value*)> copy = [&](size_t d, Value* from, Value* to, Value* inside) {
    const GemmIndex& index = phase.s[d];
    if (d + 1 < rank) {
      b.loop(b.i64(0), b.i64(shape[d]), 1, {}, true, [&](Value* i, const Carried&) {
        Value* position = b.CreateAdd(low[d], i);
        Value* valid = b.CreateAnd(inside, b.CreateICmpULT(position, b.i64(index.extent)));
        copy(d + 1, b.CreateAdd(from, b.CreateMul(position, b.i64(index.stride))),
             b.CreateAdd(to, b.CreateMul(i, b.i64(pitches[d]))), valid);
        return Carried{};
      });
      return;
    }
    Value* row = b.splat(inside, width);
    b.loop(b.i64(0), b.i64(shape[d]), width, {}, true, [&](Value* i, const Carried&) {
      Value* position = b.CreateAdd(low[d], i);
      Value* lanes = b.CreateAdd(b.splat(b.CreateTrunc(position, b.getInt32Ty()), width), b.iota(i32));
      Value* mask = b.CreateAnd(row, b.CreateICmpULT(lanes, b.integer(i32, index.extent)));
      Value* address = b.CreateGEP(b.storage_type(dtype), operand, b.CreateAdd(from, b.CreateMul(position, b.i64(index.stride))));
      Value* zero = llvm::Constant::getNullValue(raw);
      Value* x = index.stride == 1
                     ? b.CreateMaskedLoad(raw, address, alignment, mask, zero)
                     : b.CreateMaskedGather(raw, b.CreateGEP(b.storage_type(dtype), address,
                                                             b.CreateMul(b.iota(i64), b.integer(i64, index.stride))),
                                            alignment, mask, zero);
      b.CreateAlignedStore(b.to_f32(x, dtype), b.CreateGEP(b.getFloatTy(), stage, b.CreateAdd(to, i)), llvm::Align(4));
      return Carried{};
    });
  };
  copy(0, b.i64(0), b.i64(0), b.getTrue());
  return b.CreateGEP(b.getFloatTy(), stage, start);
}

}  // namespace netc
