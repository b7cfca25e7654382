#include "compiler/backend/cpu/gemm_tile.h"

#include <llvm/IR/GlobalVariable.h>

#include <algorithm>

namespace netc {

using llvm::Value;

namespace {

// Offsets of S for consecutive positions: a multiple of the position, or a table.
struct Offsets {
  std::vector<int64_t> values;
  llvm::GlobalVariable* table = nullptr;  // where they are not linear
  int64_t stride = 0;
};

Offsets make_offsets(LaneBuilder& b, std::vector<int64_t> values) {
  Offsets offsets{std::move(values), nullptr, 0};
  const std::vector<int64_t>& o = offsets.values;
  offsets.stride = o.size() > 1 ? o[1] : 0;
  for (size_t i = 0; i < o.size(); ++i)
    if (o[i] != static_cast<int64_t>(i) * offsets.stride) {
      llvm::Module& module = *b.GetInsertBlock()->getModule();
      auto* content = llvm::ConstantDataArray::get(b.getContext(), llvm::ArrayRef<uint64_t>(
          reinterpret_cast<const uint64_t*>(o.data()), o.size()));
      offsets.table = new llvm::GlobalVariable(module, content->getType(), true, llvm::GlobalValue::PrivateLinkage, content);
      break;
    }
  return offsets;
}

Value* offset_at(LaneBuilder& b, const Offsets& offsets, Value* position) {
  if (!offsets.table) return b.CreateMul(position, b.i64(offsets.stride));
  return b.CreateLoad(b.getInt64Ty(), b.CreateGEP(b.getInt64Ty(), offsets.table, position));
}

class Tiles {
 public:
  Tiles(LaneBuilder& b, const GemmPlan& plan, const GemmPhase& phase, const GemmRanges& ranges, Value* panel, Value* s,
        Value* c, bool accumulate)
      : b_(b), plan_(plan), panel_(panel), s_(s), c_(c), accumulate_(accumulate),
        vector_(llvm::FixedVectorType::get(b.getFloatTy(), static_cast<unsigned>(plan.lanes))),
        alignment_(static_cast<uint64_t>(plan.lanes) * 4) {
    const std::vector<int64_t> strides = scalar_strides(plan, phase);
    Shape k_extents, k_steps, n_extents, n_steps;
    k_count_ = b.i64(1);
    for (size_t v = 0; v < ranges.size(); ++v) {
      if (plan.variables[v].role == GemmRole::k) {
        k_extents.push_back(std::min(plan.variables[v].block, phase.k_extents[v]));
        k_steps.push_back(strides[v]);
        k_count_ = b.CreateMul(k_count_, ranges[v].count);
      } else if (plan.variables[v].role == GemmRole::n) {
        n_extents.push_back(plan.variables[v].block);
        n_steps.push_back(strides[v]);
      }
    }
    k_offsets_ = make_offsets(b, row_major_offsets(k_extents, k_steps));
    n_offsets_ = row_major_offsets(n_extents, n_steps);
    std::vector<int64_t> tile_starts;
    for (size_t n = 0; n < n_offsets_.size(); n += static_cast<size_t>(plan.tile_scalars)) tile_starts.push_back(n_offsets_[n]);
    tile_offsets_ = make_offsets(b, tile_starts);
  }

  void run() {
    const int64_t whole = plan_.m_vectors / plan_.tile_vectors, rest = plan_.m_vectors % plan_.tile_vectors;
    if (whole > 0)
      b_.loop(b_.i64(0), b_.i64(whole), 1, {}, true, [&](Value* i, const Carried&) {
        strip(b_.CreateMul(i, b_.i64(plan_.tile_vectors * plan_.lanes)), plan_.tile_vectors);
        return Carried{};
      });
    if (rest > 0) strip(b_.i64(whole * plan_.tile_vectors * plan_.lanes), static_cast<int>(rest));
  }

 private:
  static std::vector<int64_t> row_major_offsets(const Shape& extents, const Shape& steps) {
    std::vector<int64_t> offsets;
    const int64_t count = element_count(extents);
    for (int64_t i = 0; i < count; ++i) {
      int64_t rest = i, offset = 0;
      for (size_t d = extents.size(); d-- > 0;) {
        offset += rest % extents[d] * steps[d];
        rest /= extents[d];
      }
      offsets.push_back(offset);
    }
    return offsets;
  }

  // All n for `vectors` vectors of m from column `column` on.
  void strip(Value* column, int vectors) {
    const int64_t whole = plan_.n_block / plan_.tile_scalars, rest = plan_.n_block % plan_.tile_scalars;
    if (whole > 0)
      b_.loop(b_.i64(0), b_.i64(whole), 1, {}, true, [&](Value* t, const Carried&) {
        tile(column, vectors, t, plan_.tile_scalars);
        return Carried{};
      });
    if (rest > 0) tile(column, vectors, b_.i64(whole), static_cast<int>(rest));
  }

  Value* address(Value* base, Value* floats) { return b_.CreateGEP(b_.getFloatTy(), base, floats); }

  void tile(Value* column, int vectors, Value* number, int scalars) {
    Value* s = address(s_, offset_at(b_, tile_offsets_, number));
    Value* panel = address(panel_, column);
    Value* c = address(c_, b_.CreateAdd(column, b_.CreateMul(number, b_.i64(plan_.tile_scalars * plan_.pitch()))));
    auto c_element = [&](int i, int j) { return address(c, b_.i64(j * plan_.pitch() + i * plan_.lanes)); };
    Carried sums;
    for (int j = 0; j < scalars; ++j)
      for (int i = 0; i < vectors; ++i)
        sums.push_back(accumulate_ ? static_cast<Value*>(b_.CreateAlignedLoad(vector_, c_element(i, j), alignment_))
                                   : b_.real(vector_, 0));
    sums = b_.loop(b_.i64(0), k_count_, 1, sums, true, [&](Value* k, const Carried& carried) {
      Value* row = address(panel, b_.CreateMul(k, b_.i64(plan_.pitch())));
      Value* scalar = address(s, offset_at(b_, k_offsets_, k));
      Carried next = carried;
      std::vector<Value*> v;
      for (int i = 0; i < vectors; ++i) v.push_back(b_.CreateAlignedLoad(vector_, address(row, b_.i64(i * plan_.lanes)), alignment_));
      for (int j = 0; j < scalars; ++j) {
        Value* x = b_.splat(b_.CreateAlignedLoad(b_.getFloatTy(), address(scalar, b_.i64(n_offsets_[static_cast<size_t>(j)])),
                                                 llvm::Align(4)), plan_.lanes);
        for (int i = 0; i < vectors; ++i) {
          Value*& sum = next[static_cast<size_t>(j * vectors + i)];
          sum = b_.fma(v[static_cast<size_t>(i)], x, sum);
        }
      }
      return next;
    });
    for (int j = 0; j < scalars; ++j)
      for (int i = 0; i < vectors; ++i)
        b_.CreateAlignedStore(sums[static_cast<size_t>(j * vectors + i)], c_element(i, j), alignment_);
  }

  LaneBuilder& b_;
  const GemmPlan& plan_;
  Value *panel_, *s_, *c_;
  bool accumulate_;
  llvm::Type* vector_;
  llvm::Align alignment_;
  Value* k_count_;
  Offsets k_offsets_, tile_offsets_;
  std::vector<int64_t> n_offsets_;
};

}  // namespace

void multiply_tiles(LaneBuilder& b, const GemmPlan& plan, const GemmPhase& phase, const GemmRanges& ranges, Value* panel,
                    Value* s, Value* c, bool accumulate) {
  Tiles(b, plan, phase, ranges, panel, s, c, accumulate).run();
}

}  // namespace netc
