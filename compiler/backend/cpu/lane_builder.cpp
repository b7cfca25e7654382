#include "compiler/backend/cpu/lane_builder.h"

#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include <numeric>

#include "compiler/base/error.h"

namespace netc {

using llvm::Type;
using llvm::Value;

namespace {

unsigned lanes_of(Type* type) {
  auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(type);
  return vector ? vector->getNumElements() : 0;
}

}  // namespace

Type* LaneBuilder::with_lanes(Type* element, Type* like) const {
  unsigned lanes = lanes_of(like);
  return lanes ? llvm::FixedVectorType::get(element, lanes) : element;
}

Value* LaneBuilder::real(Type* like, double value) { return llvm::ConstantFP::get(like, value); }
Value* LaneBuilder::integer(Type* like, int64_t value) { return llvm::ConstantInt::getSigned(like, value); }

Value* LaneBuilder::clamp(Value* x, Value* low, Value* high) {
  return CreateBinaryIntrinsic(llvm::Intrinsic::smax, CreateBinaryIntrinsic(llvm::Intrinsic::smin, x, high), low);
}

Value* LaneBuilder::iota(Type* vector) {
  std::vector<llvm::Constant*> lanes;
  for (unsigned i = 0; i < lanes_of(vector); ++i) lanes.push_back(llvm::ConstantInt::get(vector->getScalarType(), i));
  return llvm::ConstantVector::get(lanes);
}

Value* LaneBuilder::fma(Value* a, Value* b, Value* c) {
  if (!features_.fma) return CreateFAdd(CreateFMul(a, b), c);
  return CreateIntrinsic(a->getType(), llvm::Intrinsic::fma, {a, b, c});
}

Type* LaneBuilder::storage_type(DType dtype) {
  switch (dtype) {
    case DType::f32: return getFloatTy();
    case DType::f16:
    case DType::bf16: return getInt16Ty();
    case DType::u8: return getInt8Ty();
    case DType::i32: return getInt32Ty();
    case DType::i64: return getInt64Ty();
  }
  throw InternalError("unknown element type");
}

Value* LaneBuilder::to_f32(Value* raw, DType dtype) {
  Type* f32 = with_lanes(getFloatTy(), raw->getType());
  Type* i32 = with_lanes(getInt32Ty(), raw->getType());
  switch (dtype) {
    case DType::f32: return raw;
    case DType::bf16: return CreateBitCast(CreateShl(CreateZExt(raw, i32), integer(i32, 16)), f32);
    case DType::f16: {
      if (features_.f16c) return CreateFPExt(CreateBitCast(raw, with_lanes(getHalfTy(), raw->getType())), f32);
      Value* bits = CreateZExt(raw, i32);
      Value* sign = CreateShl(CreateAnd(bits, integer(i32, 0x8000)), integer(i32, 16));
      Value* rest = CreateAnd(bits, integer(i32, 0x7fff));
      // Normal numbers: move the fields and rebias the exponent; infinities and NaN get all exponent bits.
      Value* normal = CreateAdd(CreateShl(rest, integer(i32, 13)), integer(i32, 112 << 23));
      Value* special = CreateOr(CreateShl(rest, integer(i32, 13)), integer(i32, 0x7f800000));
      Value* small = CreateBitCast(CreateFMul(CreateSIToFP(rest, f32), real(f32, 0x1p-24)), i32);
      Value* magnitude = CreateSelect(CreateICmpULT(rest, integer(i32, 0x400)), small,
                                      CreateSelect(CreateICmpUGE(rest, integer(i32, 0x7c00)), special, normal));
      return CreateBitCast(CreateOr(sign, magnitude), f32);
    }
    case DType::u8: return CreateUIToFP(CreateZExt(raw, i32), f32);
    case DType::i32:
    case DType::i64: return CreateSIToFP(raw, f32);
  }
  throw InternalError("unknown element type");
}

Value* LaneBuilder::convert_to_bf16(Value* value) {
  const unsigned lanes = lanes_of(value->getType());
  if (!features_.avx512bf16 || (lanes != 8 && lanes != 16)) return nullptr;
  const llvm::Intrinsic::ID id =
      lanes == 16 ? llvm::Intrinsic::x86_avx512bf16_cvtneps2bf16_512 : llvm::Intrinsic::x86_avx512bf16_cvtneps2bf16_256;
  return CreateIntrinsic(id, llvm::ArrayRef<Type*>{}, llvm::ArrayRef<Value*>{value});
}

Value* LaneBuilder::from_f32(Value* value, DType dtype) {
  Type* f32 = value->getType();
  Type* i32 = with_lanes(getInt32Ty(), f32);
  Type* i16 = with_lanes(getInt16Ty(), f32);
  auto saturate = [&](Type* to, llvm::Intrinsic::ID id) {
    return CreateIntrinsic(id, {to, f32}, {value});
  };
  switch (dtype) {
    case DType::f32: return value;
    case DType::bf16: {
      if (Value* converted = convert_to_bf16(value)) return CreateBitCast(converted, i16);
      // The same bits as the instruction, which takes subnormals for zeros whatever the mode.
      Value* bits = CreateBitCast(value, i32);
      Value* odd = CreateAnd(CreateLShr(bits, integer(i32, 16)), integer(i32, 1));
      Value* rounded = CreateAdd(bits, CreateAdd(odd, integer(i32, 0x7fff)));  // nearest even; may carry to infinity
      Value* quiet = CreateOr(bits, integer(i32, 0x400000));
      Value* sign = CreateAnd(bits, integer(i32, INT32_MIN));
      Value* tiny = CreateICmpULT(CreateAnd(bits, integer(i32, INT32_MAX)), integer(i32, 0x800000));
      Value* chosen = CreateSelect(CreateFCmpUNO(value, value), quiet, CreateSelect(tiny, sign, rounded));
      return CreateTrunc(CreateLShr(chosen, integer(i32, 16)), i16);
    }
    case DType::f16: {
      if (features_.f16c) return CreateBitCast(CreateFPTrunc(value, with_lanes(getHalfTy(), f32)), i16);
      Value* bits = CreateBitCast(value, i32);
      Value* sign = CreateAnd(CreateLShr(bits, integer(i32, 16)), integer(i32, 0x8000));
      Value* rest = CreateAnd(bits, integer(i32, 0x7fffffff));
      Value* odd = CreateAnd(CreateLShr(rest, integer(i32, 13)), integer(i32, 1));
      Value* normal = CreateLShr(CreateAdd(rest, CreateAdd(odd, integer(i32, 0xfff - (112 << 23)))), integer(i32, 13));
      // Below 2^-14: adding 0.5 makes the FPU round to multiples of 2^-24, the step of half subnormals.
      Value* shifted = CreateFAdd(CreateBitCast(rest, f32), real(f32, 0.5));
      Value* subnormal = CreateSub(CreateBitCast(shifted, i32), integer(i32, 126 << 23));
      Value* overflow = integer(i32, 0x7c00);
      Value* nan = integer(i32, 0x7e00);
      Value* magnitude = CreateSelect(CreateICmpULT(rest, integer(i32, 113 << 23)), subnormal, normal);
      magnitude = CreateSelect(CreateICmpUGE(rest, integer(i32, 0x477ff000)), overflow, magnitude);
      magnitude = CreateSelect(CreateICmpUGT(rest, integer(i32, 0x7f800000)), nan, magnitude);
      return CreateTrunc(CreateOr(sign, magnitude), i16);
    }
    case DType::u8: return saturate(with_lanes(getInt8Ty(), f32), llvm::Intrinsic::fptoui_sat);
    case DType::i32: return saturate(i32, llvm::Intrinsic::fptosi_sat);
    case DType::i64: return saturate(with_lanes(getInt64Ty(), f32), llvm::Intrinsic::fptosi_sat);
  }
  throw InternalError("unknown element type");
}

Value* LaneBuilder::opaque(Value* address) {
  auto* type = llvm::FunctionType::get(address->getType(), {address->getType()}, false);
  return CreateCall(type, llvm::InlineAsm::get(type, "", "=r,0", false), {address});
}

void LaneBuilder::prefetch(Value* address, bool write) {
  CreateIntrinsic(llvm::Intrinsic::prefetch, {address->getType()}, {address, getInt32(write), getInt32(3), getInt32(1)});
}

Value* LaneBuilder::half(Value* vector, bool upper) {
  const int count = static_cast<int>(lanes_of(vector->getType())) / 2;
  std::vector<int> picked(static_cast<size_t>(count));
  std::iota(picked.begin(), picked.end(), upper ? count : 0);
  Value* part = CreateShuffleVector(vector, picked);
  return count == 1 ? CreateExtractElement(part, uint64_t{0}) : part;
}

std::vector<Value*> LaneBuilder::transpose(std::vector<Value*> rows) {
  const int width = static_cast<int>(rows.size());
  // log2(width) rounds of interleaving row i with row i + width/2.
  std::vector<int> low, high;
  for (int i = 0; i < width / 2; ++i) {
    low.insert(low.end(), {i, width + i});
    high.insert(high.end(), {width / 2 + i, width + width / 2 + i});
  }
  for (int round = width; round > 1; round /= 2) {
    std::vector<Value*> next;
    for (int i = 0; i < width / 2; ++i) {
      Value *a = rows[static_cast<size_t>(i)], *c = rows[static_cast<size_t>(i + width / 2)];
      next.push_back(CreateShuffleVector(a, c, low));
      next.push_back(CreateShuffleVector(a, c, high));
    }
    rows = std::move(next);
  }
  return rows;
}

Value* LaneBuilder::reduce_lanes(Value* vector, const std::function<Value*(Value*, Value*)>& combine) {
  while (lanes_of(vector->getType()) > 1) vector = combine(half(vector, false), half(vector, true));
  return vector;
}

Carried LaneBuilder::loop(Value* begin, Value* end, int64_t step, Carried initial, bool nonempty,
                          const std::function<Carried(Value*, const Carried&)>& body) {
  llvm::Function* function = GetInsertBlock()->getParent();
  llvm::BasicBlock* before = GetInsertBlock();
  llvm::BasicBlock* inside = llvm::BasicBlock::Create(getContext(), "loop", function);
  scopes_.back().block = before;
  llvm::BasicBlock* after = llvm::BasicBlock::Create(getContext(), "after", function);
  if (nonempty) CreateBr(inside);
  else CreateCondBr(CreateICmpSLT(begin, end), inside, after);

  SetInsertPoint(inside);
  llvm::PHINode* i = CreatePHI(getInt64Ty(), 2);
  i->addIncoming(begin, before);
  std::vector<llvm::PHINode*> phis;
  for (Value* v : initial) {
    phis.push_back(CreatePHI(v->getType(), 2));
    phis.back()->addIncoming(v, before);
  }
  open_scope();
  Carried next = body(i, Carried(phis.begin(), phis.end()));
  close_scope();
  llvm::BasicBlock* latch = GetInsertBlock();
  Value* following = CreateAdd(i, i64(step), "", true, true);
  CreateCondBr(CreateICmpSLT(following, end), inside, after);
  i->addIncoming(following, latch);
  for (size_t k = 0; k < phis.size(); ++k) phis[k]->addIncoming(next[k], latch);

  after->moveAfter(latch);
  SetInsertPoint(after);
  scopes_.back().block = after;
  if (nonempty) return next;
  Carried results;
  for (size_t k = 0; k < initial.size(); ++k) {
    llvm::PHINode* phi = CreatePHI(initial[k]->getType(), 2);
    phi->addIncoming(initial[k], before);
    phi->addIncoming(next[k], latch);
    results.push_back(phi);
  }
  return results;
}

Carried LaneBuilder::when(Value* condition, Carried initial, const std::function<Carried(const Carried&)>& body) {
  llvm::Function* function = GetInsertBlock()->getParent();
  llvm::BasicBlock* before = GetInsertBlock();
  llvm::BasicBlock* inside = llvm::BasicBlock::Create(getContext(), "then", function);
  llvm::BasicBlock* after = llvm::BasicBlock::Create(getContext(), "after", function);
  scopes_.back().block = before;
  CreateCondBr(condition, inside, after);
  SetInsertPoint(inside);
  open_scope();
  Carried next = body(initial);
  close_scope();
  llvm::BasicBlock* last = GetInsertBlock();
  CreateBr(after);
  after->moveAfter(last);
  SetInsertPoint(after);
  scopes_.back().block = after;
  Carried results;
  for (size_t k = 0; k < initial.size(); ++k) {
    if (next[k] == initial[k]) {
      results.push_back(next[k]);
      continue;
    }
    llvm::PHINode* phi = CreatePHI(initial[k]->getType(), 2);
    phi->addIncoming(initial[k], before);
    phi->addIncoming(next[k], last);
    results.push_back(phi);
  }
  return results;
}

void LaneBuilder::scoped(const std::function<void()>& body) {
  open_scope();
  body();
  close_scope();
  scopes_.back().block = GetInsertBlock();
}

LaneBuilder::At::At(LaneBuilder& builder, int level)
    : builder_(builder), saved_(builder.saveIP()),
      moved_(level < builder.level() && builder.scope(level).block != builder.GetInsertBlock()) {
  if (!moved_) return;
  llvm::BasicBlock* block = builder.scope(level).block;
  NETC_CHECK(block->getTerminator(), "an outer scope has been left by a branch");
  builder.SetInsertPoint(block->getTerminator());
}

LaneBuilder::At::~At() {
  if (moved_) builder_.restoreIP(saved_);
}

}  // namespace netc
