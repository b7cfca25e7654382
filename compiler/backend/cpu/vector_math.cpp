#include "compiler/backend/cpu/vector_math.h"

#include <llvm/IR/Intrinsics.h>

#include <cmath>
#include <limits>

#include "compiler/base/random.h"

namespace netc {

using llvm::Type;
using llvm::Value;

namespace {

// c[0] + c[1]*x + … by Horner's rule. Coefficients are our own fits (interpolation in Chebyshev nodes
// of the interval that each caller states).
Value* polynomial(LaneBuilder& b, Value* x, std::initializer_list<double> c) {
  const double* first = std::data(c);
  Value* sum = b.real(x->getType(), first[c.size() - 1]);
  for (size_t i = c.size() - 1; i-- > 0;) sum = b.fma(sum, x, b.real(x->getType(), first[i]));
  return sum;
}

Value* magnitude(LaneBuilder& b, Value* x) {
  Type* i32 = b.with_lanes(b.getInt32Ty(), x->getType());
  return b.CreateBitCast(b.CreateAnd(b.CreateBitCast(x, i32), b.integer(i32, 0x7fffffff)), x->getType());
}

Value* with_sign_of(LaneBuilder& b, Value* x, Value* sign) {
  Type* i32 = b.with_lanes(b.getInt32Ty(), x->getType());
  Value* bit = b.CreateAnd(b.CreateBitCast(sign, i32), b.integer(i32, int64_t{-2147483647 - 1}));
  return b.CreateBitCast(b.CreateOr(b.CreateBitCast(x, i32), bit), x->getType());
}

// 2^n for -126 <= n <= 127.
Value* power_of_two(LaneBuilder& b, Value* n, Type* f32) {
  Type* i32 = n->getType();
  return b.CreateBitCast(b.CreateShl(b.CreateAdd(n, b.integer(i32, 127)), b.integer(i32, 23)), f32);
}

Value* keep_nan(LaneBuilder& b, Value* x, Value* result) {
  return b.CreateSelect(b.CreateFCmpUNO(x, x), x, result);
}

}  // namespace

Value* emit_max(LaneBuilder& b, Value* a, Value* c) {
  if (llvm::isa<llvm::Constant>(c)) std::swap(a, c);
  // The processor's max(a, c): c if either is NaN.
  Value* larger = b.CreateSelect(b.CreateFCmpOGT(a, c), a, c);
  return llvm::isa<llvm::Constant>(a) ? larger : b.CreateSelect(b.CreateFCmpUNO(a, a), a, larger);
}

Value* emit_min(LaneBuilder& b, Value* a, Value* c) {
  if (llvm::isa<llvm::Constant>(c)) std::swap(a, c);
  Value* smaller = b.CreateSelect(b.CreateFCmpOLT(a, c), a, c);
  return llvm::isa<llvm::Constant>(a) ? smaller : b.CreateSelect(b.CreateFCmpUNO(a, a), a, smaller);
}

Value* emit_floor(LaneBuilder& b, Value* x) {
  Type* f32 = x->getType();
  if (b.features().sse41) return b.CreateUnaryIntrinsic(llvm::Intrinsic::floor, x);
  Type* i32 = b.with_lanes(b.getInt32Ty(), f32);
  // From 2^23 on every float is an integer; below, truncate and correct negative ones.
  Value* large = b.CreateFCmpUGE(magnitude(b, x), b.real(f32, 0x1p23));
  Value* safe = b.CreateSelect(large, b.real(f32, 0), x);
  Value* truncated = b.CreateSIToFP(b.CreateFPToSI(safe, i32), f32);
  Value* floored = b.CreateSelect(b.CreateFCmpOGT(truncated, safe), b.CreateFSub(truncated, b.real(f32, 1)), truncated);
  return b.CreateSelect(large, x, with_sign_of(b, magnitude(b, floored), x));
}

// Half a unit is added to the magnitude's bits, and what is below a unit dropped; a carry goes into the exponent as it should.
Value* emit_round_tf32(LaneBuilder& b, Value* x) {
  Type* i32 = b.with_lanes(b.getInt32Ty(), x->getType());
  const auto constant = [&](uint32_t bits) { return llvm::ConstantInt::get(i32, bits); };
  Value* bits = b.CreateBitCast(x, i32);
  Value* finite = b.CreateICmpNE(b.CreateAnd(bits, constant(0x7f800000)), constant(0x7f800000));
  Value* rounded = b.CreateAnd(b.CreateAdd(bits, constant(0x1000)), constant(~0x1fffu));
  return b.CreateSelect(finite, b.CreateBitCast(rounded, x->getType()), x);
}

// e^x = 2^n * e^r, n = round(x / ln 2), |r| <= ln 2 / 2. 2^n in two factors, so that the ends of the
// range round once.
Value* emit_exp(LaneBuilder& b, Value* x) {
  Type* f32 = x->getType();
  Type* i32 = b.with_lanes(b.getInt32Ty(), f32);
  Value* clamped = b.CreateSelect(b.CreateFCmpOGT(x, b.real(f32, 89)), b.real(f32, 89), x);
  clamped = b.CreateSelect(b.CreateFCmpOGT(clamped, b.real(f32, -105)), clamped, b.real(f32, -105));
  Value* shift = b.real(f32, 0x1.8p23);  // adding it rounds to an integer in the low bits
  Value* shifted = b.fma(clamped, b.real(f32, 1.4426950408889634), shift);
  Value* n = b.CreateFSub(shifted, shift);
  Value* r = b.fma(n, b.real(f32, -0.693359375), clamped);  // ln 2 in two parts; the first has few bits
  r = b.fma(n, b.real(f32, 2.12194440054690582e-4), r);
  Value* q = polynomial(b, r, {0.5, 0.166665734, 0.0416665501, 0.00836377387, 0.00139269266});
  Value* e = b.CreateFAdd(b.fma(b.CreateFMul(r, r), q, r), b.real(f32, 1));
  Value* whole = b.CreateFPToSI(n, i32);
  Value* half = b.CreateAShr(whole, b.integer(i32, 1));
  e = b.CreateFMul(e, power_of_two(b, half, f32));
  e = b.CreateFMul(e, power_of_two(b, b.CreateSub(whole, half), f32));
  return keep_nan(b, x, e);
}

// x = 2^k * (1 + f), sqrt(1/2) <= 1 + f < sqrt(2); with s = f / (2 + f), log(1 + f) = f - s*(f - s^2 * R(s^2)).
Value* emit_log(LaneBuilder& b, Value* x) {
  Type* f32 = x->getType();
  Type* i32 = b.with_lanes(b.getInt32Ty(), f32);
  Value* bits = b.CreateSub(b.CreateBitCast(x, i32), b.integer(i32, 0x3f3504f3));  // sqrt(1/2)
  Value* k = b.CreateSIToFP(b.CreateAShr(bits, b.integer(i32, 23)), f32);
  Value* m = b.CreateAdd(b.CreateAnd(bits, b.integer(i32, 0x7fffff)), b.integer(i32, 0x3f3504f3));
  Value* f = b.CreateFSub(b.CreateBitCast(m, f32), b.real(f32, 1));
  Value* s = b.CreateFDiv(f, b.CreateFAdd(f, b.real(f32, 2)));
  Value* z = b.CreateFMul(s, s);
  Value* r = b.CreateFMul(z, polynomial(b, z, {0.666666666, 0.400001252, 0.285504427, 0.233407101}));
  Value* small = b.fma(k, b.real(f32, -2.12194440054690582e-4), b.CreateFNeg(b.CreateFMul(s, b.CreateFSub(f, r))));
  Value* result = b.fma(k, b.real(f32, 0.693359375), b.CreateFAdd(f, small));
  const double infinity = std::numeric_limits<double>::infinity();
  result = b.CreateSelect(b.CreateFCmpOEQ(x, b.real(f32, infinity)), x, result);
  result = b.CreateSelect(b.CreateFCmpOLT(x, b.real(f32, 0x1p-126)), b.real(f32, -infinity), result);
  result = b.CreateSelect(b.CreateFCmpOLT(x, b.real(f32, 0)), b.real(f32, std::numeric_limits<double>::quiet_NaN()), result);
  return keep_nan(b, x, result);
}

// |x| < 0.6: x + x^3 * T(x^2), fitted on [0, 0.37]; above: 1 - 2 / (e^(2|x|) + 1).
Value* emit_tanh(LaneBuilder& b, Value* x) {
  Type* f32 = x->getType();
  Value* z = b.CreateFMul(x, x);
  Value* t = polynomial(b, z, {-0.333333332, 0.133333101, -0.0539608544, 0.0217822467, -0.00838877367, 0.00234493122});
  Value* near = b.fma(b.CreateFMul(x, z), t, x);
  Value* a = magnitude(b, x);
  Value* e = emit_exp(b, b.CreateFAdd(a, a));
  Value* far = b.CreateFSub(b.real(f32, 1), b.CreateFDiv(b.real(f32, 2), b.CreateFAdd(e, b.real(f32, 1))));
  Value* result = b.CreateSelect(b.CreateFCmpOLT(a, b.real(f32, 0.6)), near, with_sign_of(b, far, x));
  return keep_nan(b, x, result);
}

// |x| < 1: x + x * E(x^2), fitted on [0, 1.02]; above: 1 - e^G(|x|) with G = log(erfc), fitted on [0.98, 4].
Value* emit_erf(LaneBuilder& b, Value* x) {
  Type* f32 = x->getType();
  Value* z = b.CreateFMul(x, x);
  Value* near = b.fma(x, polynomial(b, z, {0.128379167, -0.376126384, 0.112837814, -0.0268653598, 0.00522081172,
                                           -0.000848060328, 0.000112388961, -9.58475549e-06}), x);
  Value* a = magnitude(b, x);
  Value* clamped = b.CreateSelect(b.CreateFCmpOLT(a, b.real(f32, 4)), a, b.real(f32, 4));
  Value* g = polynomial(b, clamped, {0.000321471027, -1.1302392, -0.6318157, -0.110090197, 0.0264270438,
                                     -0.00476171724, 0.000597264433, -4.61129139e-05, 1.63993802e-06});
  Value* far = with_sign_of(b, b.CreateFSub(b.real(f32, 1), emit_exp(b, g)), x);
  return keep_nan(b, x, b.CreateSelect(b.CreateFCmpOLT(a, b.real(f32, 1)), near, far));
}

Value* emit_uniform(LaneBuilder& b, Value* seed, uint32_t path, Value* step, Value* sample, Value* element_low,
                    Value* element_high) {
  Type* i32 = sample->getType();
  Type* i64 = b.with_lanes(b.getInt64Ty(), i32);
  auto spread = [&](Value* scalar) {
    auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(i32);
    return vector ? b.CreateVectorSplat(vector->getNumElements(), scalar) : scalar;
  };
  auto low = [&](Value* wide) { return b.CreateTrunc(wide, b.getInt32Ty()); };
  Value* key[2] = {b.CreateXor(low(seed), b.getInt32(path)), low(b.CreateLShr(seed, b.getInt64(32)))};
  Value* c[4] = {element_low, sample, spread(low(step)), element_high};
  const uint32_t multiplier[2] = {0xD2511F53u, 0xCD9E8D57u}, weyl[2] = {0x9E3779B9u, 0xBB67AE85u};
  for (uint32_t round = 0; round < 10; ++round) {
    Value *high[2], *product[2];
    for (uint32_t i = 0; i < 2; ++i) {
      Value* wide = b.CreateMul(b.CreateZExt(c[2 * i], i64), b.CreateZExt(llvm::ConstantInt::get(i32, multiplier[i]), i64));
      high[i] = b.CreateTrunc(b.CreateLShr(wide, b.integer(i64, 32)), i32);
      product[i] = b.CreateTrunc(wide, i32);
    }
    auto round_key = [&](uint32_t i) { return spread(b.CreateAdd(key[i], b.getInt32(round * weyl[i]))); };
    Value* next[4] = {b.CreateXor(b.CreateXor(high[1], c[1]), round_key(0)), product[1],
                      b.CreateXor(b.CreateXor(high[0], c[3]), round_key(1)), product[0]};
    std::copy(next, next + 4, c);
  }
  Type* f32 = b.with_lanes(b.getFloatTy(), i32);
  return b.CreateFMul(b.CreateSIToFP(b.CreateLShr(c[0], b.integer(i32, 8)), f32), b.real(f32, 0x1p-24));
}

}  // namespace netc
