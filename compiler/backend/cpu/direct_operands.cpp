#include "compiler/backend/cpu/direct_operands.h"

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include <bit>

namespace netc {

using llvm::Type;
using llvm::Value;

namespace {

llvm::Align alignment_of(DType dtype) { return llvm::Align(static_cast<uint64_t>(size_of(dtype))); }

class Singles final : public DirectOperands {
 public:
  Singles(LaneBuilder& builder, const DirectPlan& plan, const DirectFormat& format)
      : b_(builder), format_(format), vectors_(plan.vectors()), width_(plan.vector_lanes),
        vector_(llvm::FixedVectorType::get(builder.storage_type(format.lanes), static_cast<unsigned>(plan.vector_lanes))) {}

  int64_t steps() const override { return 1; }

  std::vector<Value*> lanes(Value* address, int64_t) override {
    std::vector<Value*> result;
    for (int i = 0; i < vectors_; ++i) {
      Value* at = b_.CreateGEP(vector_->getScalarType(), address, b_.i64(int64_t{i} * width_));
      result.push_back(b_.to_f32(b_.CreateAlignedLoad(vector_, at, alignment_of(format_.lanes)), format_.lanes));
    }
    return result;
  }

  void start_rows(Value* address, int64_t) override { rows_ = address; }

  Value* row(int64_t number) override {
    Type* type = b_.storage_type(format_.broadcast);
    Value* at = b_.CreateGEP(type, rows_, b_.i64(number * format_.row_stride));
    return b_.splat(b_.to_f32(b_.CreateAlignedLoad(type, at, alignment_of(format_.broadcast)), format_.broadcast), width_);
  }

  Value* multiply_add(Value* lanes, Value* row, Value* sum) override { return b_.fma(lanes, row, sum); }

 private:
  LaneBuilder& b_;
  const DirectFormat format_;
  int vectors_, width_;
  llvm::FixedVectorType* vector_;
  Value* rows_ = nullptr;
};

class Pairs final : public DirectOperands {
 public:
  Pairs(LaneBuilder& builder, const DirectFormat& format) : b_(builder), format_(format) {
    if (format.broadcast_step == 1) return;
    llvm::BasicBlock& entry = builder.GetInsertBlock()->getParent()->getEntryBlock();
    llvm::IRBuilder<> at_entry(&entry, entry.begin());
    auto* lines = at_entry.CreateAlloca(llvm::ArrayType::get(words(kLaneBlock), static_cast<uint64_t>(ceil_div(format.rows, kLaneBlock))));
    lines->setAlignment(llvm::Align(64));
    lines_ = lines;
  }

  int64_t steps() const override { return 2; }

  std::vector<Value*> lanes(Value* address, int64_t count) override {
    return {interleaved(address, kLaneBlock, format_.lane_step, count)};
  }

  void start_rows(Value* address, int64_t count) override {
    rows_ = address;
    count_ = count;
    if (format_.broadcast_step == 1) return;
    // In short vectors without a mask, the last one perhaps over that before it. One long load under a mask, which mostly crosses a line of
    // the cache, made a pair of 2x12 take 40 cycles instead of 27 (Zen 4, where its dot products need 24).
    const int64_t width = std::min<int64_t>(8, std::bit_floor(static_cast<uint64_t>(format_.rows)));
    int64_t first = 0;
    for (; first + width <= format_.rows; first += width) bring_rows(address, first, width, count);
    if (const int64_t rest = whole(format_.rows - first); first < format_.rows) bring_rows(address, format_.rows - rest, rest, count);
    rows_ = b_.opaque(lines_);  // else each row is taken out of the register again
  }

  Value* row(int64_t number) override {
    Type* word = b_.getInt32Ty();
    if (format_.broadcast_step != 1)
      return b_.splat(b_.CreateAlignedLoad(word, b_.CreateConstGEP1_64(word, rows_, static_cast<uint64_t>(number)), llvm::Align(4)), kLanes);
    Value* at = b_.CreateGEP(b_.getInt16Ty(), rows_, b_.i64(number * format_.row_stride));
    Value* pair = count_ == 2 ? b_.CreateAlignedLoad(word, at, llvm::Align(2))
                              : b_.CreateZExt(b_.CreateAlignedLoad(b_.getInt16Ty(), at, llvm::Align(2)), word);
    return b_.splat(pair, kLanes);
  }

  Value* multiply_add(Value* lanes, Value* row, Value* sum) override {
    auto* pairs = llvm::FixedVectorType::get(b_.getBFloatTy(), 2 * kLanes);
    return b_.CreateIntrinsic(llvm::Intrinsic::x86_avx512bf16_dpbf16ps_512, {},
                              {sum, b_.CreateBitCast(lanes, pairs), b_.CreateBitCast(row, pairs)});
  }

 private:
  static constexpr int kLanes = static_cast<int>(kLaneBlock);

  void bring_rows(Value* address, int64_t first, int64_t width, int64_t count) {
    Value* rows = b_.CreateConstGEP1_64(b_.getInt16Ty(), address, static_cast<uint64_t>(first));
    b_.CreateAlignedStore(interleaved(rows, width, format_.broadcast_step, count),
                          b_.CreateConstGEP1_64(b_.getInt32Ty(), lines_, static_cast<uint64_t>(first)), llvm::Align(4));
  }

  llvm::FixedVectorType* halves(int64_t count) { return llvm::FixedVectorType::get(b_.getInt16Ty(), static_cast<unsigned>(count)); }
  llvm::FixedVectorType* words(int64_t count) { return llvm::FixedVectorType::get(b_.getInt32Ty(), static_cast<unsigned>(count)); }

  // A vector for each step of `width` values.
  Value* load(Value* address, int64_t width, int64_t steps = 1) {
    return b_.CreateAlignedLoad(halves(steps * width), address, llvm::Align(2));
  }
  static int64_t whole(int64_t width) { return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(width))); }

  // `count` steps of `width` values each, step by step for every value; zeros stand for a second step that is missing. `width`: a
  // power of 2.
  Value* interleaved(Value* address, int64_t width, int64_t stride, int64_t count) {
    if (count == 1) return b_.CreateZExt(load(address, width), words(width));
    std::vector<int> order;
    for (int i = 0; i < static_cast<int>(width); ++i) {
      order.push_back(i);
      order.push_back(i + static_cast<int>(width));
    }
    Value* mixed;
    if (stride == width) {
      mixed = b_.CreateShuffleVector(load(address, width, 2), order);
    } else {
      Value* second = b_.CreateGEP(b_.getInt16Ty(), address, b_.i64(stride));
      mixed = b_.CreateShuffleVector(load(address, width), load(second, width), order);
    }
    return b_.CreateBitCast(mixed, words(width));
  }

  LaneBuilder& b_;
  const DirectFormat format_;
  Value *lines_ = nullptr, *rows_ = nullptr;
  int64_t count_ = 2;
};

}  // namespace

std::unique_ptr<DirectOperands> direct_operands(LaneBuilder& builder, const DirectPlan& plan, const DirectFormat& format) {
  if (plan.dot_products) return std::make_unique<Pairs>(builder, format);
  return std::make_unique<Singles>(builder, plan, format);
}

}  // namespace netc
