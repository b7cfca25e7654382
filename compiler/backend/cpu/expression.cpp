#include "compiler/backend/cpu/expression.h"

#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <cstddef>

#include "compiler/backend/cpu/vector_math.h"
#include "compiler/base/error.h"
#include "compiler/base/program.h"

namespace netc {

using llvm::Type;
using llvm::Value;

namespace {

constexpr int64_t kSmallIndex = int64_t{1} << 30;

// A condition that is known to hold, in all lanes.
bool is_true(Value* condition) {
  auto* constant = llvm::dyn_cast<llvm::Constant>(condition);
  return constant && constant->isAllOnesValue();
}

// Whether every offset and axis value of the kernel fits i32 with room for sums.
bool small_indices(const KernelBody& body) {
  for (const KernelOperand& o : body.operands) {
    int64_t span = 1;
    for (size_t d = 0; d < o.shape.size(); ++d) span += (o.shape[d] - 1) * o.strides[d];
    if (span >= kSmallIndex) return false;
  }
  return element_count(body.nest.extents) < kSmallIndex || body.nest.extents.size() > 1;
}

}  // namespace

Expressions::Expressions(LaneBuilder& builder, const KernelBody& body, IndexAnalysis& analysis,
                         KernelPointers pointers, const std::vector<int>& merged, int vector_axis, int width)
    : b_(builder), body_(body), dag_(body.nest.dag), analysis_(analysis), pointers_(std::move(pointers)),
      merged_(merged), vector_axis_(vector_axis), width_(width),
      index_type_(lane_type(width > 1 && small_indices(body) ? builder.getInt32Ty() : builder.getInt64Ty())),
      axis_values_(body.nest.extents.size()), axis_levels_(body.nest.extents.size(), 0),
      ranges_(body.nest.extents.size()),
      shifts_(body.nest.extents.size(), 0), shift_levels_(body.nest.extents.size(), 0) {
  if (vector_axis < 0) return;
  for (int axis = 0; axis < static_cast<int>(merged.size()); ++axis) {
    int target = axis;
    while (target != vector_axis && merged[static_cast<size_t>(target)] >= 0) target = merged[static_cast<size_t>(target)];
    if (target == vector_axis) vector_set_ |= axis_bit(axis);
  }
  if (vector_axis < body.nest.parallel) vector_set_ |= kReducedBit;
}

void Expressions::set_axis(int axis, Value* value, std::optional<IndexRange> range) {
  axis_values_[static_cast<size_t>(axis)] = value;
  if (auto* constant = llvm::dyn_cast<llvm::ConstantInt>(value); constant && !range) {
    const int64_t first = constant->getSExtValue();
    range = IndexRange{first, first + (axis == vector_axis_ ? width_ - 1 : 0)};
  }
  // Axes that are merged into this one have no value of their own: its range covers theirs.
  for (int a = axis; a >= 0; --a) {
    int target = a;
    while (target >= 0 && target != axis) target = merged_[static_cast<size_t>(target)];
    if (target != axis) continue;
    axis_levels_[static_cast<size_t>(a)] = b_.level();
    ranges_[static_cast<size_t>(a)] = !range || a == axis ? range : IndexRange{0, 0};
  }
  shift_axis(axis, 0);
}

void Expressions::shift_axis(int axis, int64_t distance) {
  shifts_[static_cast<size_t>(axis)] = distance;
  shift_levels_[static_cast<size_t>(axis)] = distance == 0 ? 0 : b_.level();
}

void Expressions::set_square(int axis) {
  square_ = axis;
  squares_.clear();
}

void Expressions::set_reduced(std::vector<Value*> values) {
  reduced_ = std::move(values);
  reduced_level_ = b_.level();
}

Type* Expressions::lane_type(Type* element) const {
  return width_ == 1 ? element : llvm::FixedVectorType::get(element, static_cast<unsigned>(width_));
}

int Expressions::level_of(AxisSet set) const {
  int level = (set & kReducedBit) ? reduced_level_ : 0;
  for (size_t a = 0; a < axis_levels_.size(); ++a)
    if (set & axis_bit(static_cast<int>(a))) level = std::max({level, axis_levels_[a], shift_levels_[a]});
  return level;
}

int Expressions::level_of(const LinearForm& form) {
  int level = 0;
  for (auto [axis, c] : form.axes) level = std::max(level, axis_levels_[static_cast<size_t>(axis)]);
  for (auto [atom, c] : form.atoms) level = std::max(level, level_of(analysis_.dependencies(atom)));
  return level;
}

int64_t Expressions::shift_of(const LinearForm& form) const {
  int64_t shift = 0;
  for (auto [axis, c] : form.axes) shift += c * shifts_[static_cast<size_t>(axis)];
  return shift;
}

// The terms of `form` that are known at `level` and not before (the constant counts as level 0).
LinearForm Expressions::terms_at(const LinearForm& form, int level) {
  LinearForm terms;
  if (level == 0) terms.constant = form.constant;
  for (auto [axis, c] : form.axes)
    if (axis_levels_[static_cast<size_t>(axis)] == level) terms.axes[axis] = c;
  for (auto [atom, c] : form.atoms)
    if (level_of(analysis_.dependencies(atom)) == level) terms.atoms[atom] = c;
  return terms;
}

// The form's value in i64, without hoisting; the caller is at the form's level.
Value* Expressions::weighted_sum(const LinearForm& form) {
  Value* sum = nullptr;
  auto add = [&](Value* x, int64_t c) {
    if (c != 1) x = b_.CreateMul(x, b_.i64(c));
    sum = sum ? b_.CreateAdd(sum, x) : x;
  };
  for (auto [axis, c] : form.axes)
    if (merged_[static_cast<size_t>(axis)] < 0) add(axis_values_[static_cast<size_t>(axis)], c);
  for (auto [atom, c] : form.atoms) add(value(atom), c);
  if (!sum) return b_.i64(form.constant);
  return form.constant ? b_.CreateAdd(sum, b_.i64(form.constant)) : sum;
}

namespace {
LinearForm without(const LinearForm& form, const LinearForm& part) {
  LinearForm rest = form;
  rest.constant -= part.constant;
  for (auto [axis, c] : part.axes) rest.axes.erase(axis);
  for (auto [atom, c] : part.atoms) rest.atoms.erase(atom);
  return rest;
}
bool is_zero(const LinearForm& form) { return form == LinearForm{}; }
}  // namespace

// A form whose atoms do not vary, at the first lane.
Value* Expressions::scalar(const LinearForm& form) {
  Value* value = unshifted(form);
  const int64_t shift = shift_of(form);
  return shift == 0 ? value : b_.CreateAdd(value, b_.i64(shift));
}

// Outer terms first, so that an inner loop only adds its own.
Value* Expressions::unshifted(const LinearForm& form) {
  const int level = level_of(form);
  Scope& scope = b_.scope(level);
  if (auto found = scope.forms.find(form); found != scope.forms.end()) return found->second;
  const LinearForm own = terms_at(form, level), outer = without(form, own);
  Value* base = is_zero(outer) ? nullptr : unshifted(outer);
  LaneBuilder::At at(b_, level);
  Value* sum = weighted_sum(own);
  if (base) sum = b_.CreateAdd(base, sum);
  return b_.scope(level).forms[form] = sum;
}

Value* Expressions::pointer(int operand, const LinearForm& form) {
  Value* address = unshifted_pointer(operand, form);
  const int64_t shift = shift_of(form);
  return shift == 0 ? address : b_.CreateGEP(storage_type(operand), address, b_.i64(shift));
}

Value* Expressions::unshifted_pointer(int operand, const LinearForm& form) {
  if (is_zero(form)) return pointers_.operands[static_cast<size_t>(operand)];
  const int level = level_of(form);
  auto key = std::make_pair(operand, form);
  Scope& scope = b_.scope(level);
  if (auto found = scope.pointers.find(key); found != scope.pointers.end()) return found->second;
  const LinearForm own = terms_at(form, level), outer = without(form, own);
  Value* base = unshifted_pointer(operand, outer);
  LaneBuilder::At at(b_, level);
  Value* address = b_.CreateGEP(storage_type(operand), base, weighted_sum(own));
  return b_.scope(level).pointers[key] = address;
}

Value* Expressions::lanes(const LinearForm& form) {
  LinearForm fixed = form;
  Value* varying = nullptr;
  auto add = [&](Value* x, int64_t c) {
    if (c != 1) x = b_.CreateMul(x, b_.integer(index_type_, c));
    varying = varying ? b_.CreateAdd(varying, x) : x;
  };
  for (auto [atom, c] : form.atoms)
    if (width_ > 1 && varies(analysis_.dependencies(atom))) {
      fixed.atoms.erase(atom);
      add(value(atom), c);
    }
  if (width_ > 1 && form.coefficient(vector_axis_)) add(b_.iota(index_type_), form.coefficient(vector_axis_));
  Value* base = b_.splat(b_.CreateTrunc(scalar(fixed), index_type_->getScalarType()), width_);
  return varying ? b_.CreateAdd(base, varying) : base;
}

// At width 1 indices stay i64; lanes use index_type_.
Value* Expressions::value(ExprId id) {
  const Expr& e = dag_[id];
  if (e.kind == ExprKind::real_constant) return b_.real(b_.getFloatTy(), e.real);
  const AxisSet set = analysis_.dependencies(id);
  const bool vector = width_ > 1 && varies(set);
  const int level = level_of(set);
  if (auto found = b_.scope(level).expressions.find({id, 0}); found != b_.scope(level).expressions.end())
    return found->second;
  Value* result;
  if (e.type == ExprType::index) {
    const LinearForm& form = analysis_.linear(id);
    const bool atom = form.atoms.size() == 1 && form.atoms.begin()->first == id;
    if (!atom) {
      LaneBuilder::At at(b_, level);
      result = vector ? lanes(form) : scalar(form);
      return b_.scope(level).expressions[{id, 0}] = result;
    }
  }
  result = compute(e, vector);
  return b_.scope(level).expressions[{id, 0}] = result;
}

Value* Expressions::lanes(ExprId id) {
  const AxisSet set = analysis_.dependencies(id);
  Value* result = value(id);
  if (width_ == 1 || varies(set)) return result;
  const int level = level_of(set);
  if (auto found = b_.scope(level).expressions.find({id, 1}); found != b_.scope(level).expressions.end())
    return found->second;
  LaneBuilder::At at(b_, level);
  if (dag_[id].type == ExprType::index) result = b_.CreateTrunc(result, index_type_->getScalarType());
  return b_.scope(level).expressions[{id, 1}] = b_.splat(result, width_);
}

Value* Expressions::argument_of(ExprId id, bool vector) { return vector ? lanes(id) : value(id); }
Value* Expressions::argument(const Expr& e, int i, bool vector) {
  return argument_of(e.args[static_cast<size_t>(i)], vector);
}

// Evaluates the arguments where they belong, then the instruction in its own scope.
Value* Expressions::compute(const Expr& e, bool vector) {
  AxisSet set = 0;
  for (ExprId arg : e.args)
    if (arg != kNoExpr) {
      argument_of(arg, vector);
      set |= dag_[arg].type == ExprType::index ? analysis_.dependencies(analysis_.linear(arg)) : analysis_.dependencies(arg);
    }
  if (e.kind == ExprKind::load || e.kind == ExprKind::index_load)
    set |= analysis_.dependencies(analysis_.offset(static_cast<int>(e.integer), e.indices));
  if (e.kind == ExprKind::reduced) return reduced_[static_cast<size_t>(e.integer)];
  LaneBuilder::At at(b_, level_of(set));
  switch (e.type) {
    case ExprType::index: return index_arithmetic(e, vector);
    case ExprType::real:
    case ExprType::boolean: return arithmetic(e, vector);
  }
  throw InternalError("unknown expression type");
}

Value* Expressions::divide(Value* x, const Expr& e, bool remainder) {
  Type* type = x->getType();
  const int64_t k = e.integer;
  Value* divisor = b_.integer(type, k);
  if ((k & (k - 1)) == 0) {
    if (remainder) return b_.CreateAnd(x, b_.integer(type, k - 1));
    return b_.CreateAShr(x, b_.integer(type, __builtin_ctzll(static_cast<uint64_t>(k))));
  }
  std::optional<IndexRange> range = analysis_.range(analysis_.linear(e.args[0]));
  Value* quotient;
  if (range && range->low >= 0) {
    quotient = b_.CreateUDiv(x, divisor);
  } else {
    // Rounds towards zero; one less for a negative dividend that it does not divide.
    Value* negative = b_.CreateAShr(x, b_.integer(type, type->getScalarSizeInBits() - 1));
    Value* folded = b_.CreateXor(x, negative);  // -1 - x for negative x
    quotient = b_.CreateXor(b_.CreateUDiv(folded, divisor), negative);
  }
  return remainder ? b_.CreateSub(x, b_.CreateMul(quotient, divisor)) : quotient;
}

Value* Expressions::runtime_scalar(size_t offset, Type* type) {
  return b_.CreateLoad(type, b_.CreateConstGEP1_64(b_.getInt8Ty(), pointers_.scalars, offset));
}

Value* Expressions::index_arithmetic(const Expr& e, bool vector) {
  auto arg = [&](int i) { return argument(e, i, vector); };
  switch (e.kind) {
    case ExprKind::index_mul: return b_.CreateMul(arg(0), arg(1));
    case ExprKind::index_floor_div: return divide(arg(0), e, false);
    case ExprKind::index_floor_mod: return divide(arg(0), e, true);
    case ExprKind::index_min: return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, arg(0), arg(1));
    case ExprKind::index_max: return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, arg(0), arg(1));
    case ExprKind::index_select: return b_.CreateSelect(arg(0), arg(1), arg(2));
    case ExprKind::index_load: return load_index(e, vector);
    case ExprKind::index_floor: {
      // Saturates far outside of every extent; NaN becomes the lowest value.
      Type* type = vector ? index_type_ : b_.getInt64Ty();
      Value* floored = emit_floor(b_, arg(0));
      Type* f32 = floored->getType();
      Value* high = b_.real(f32, 0x1p30);
      Value* low = b_.real(f32, -0x1p30);
      floored = b_.CreateSelect(b_.CreateFCmpOLT(floored, high), floored, b_.CreateSelect(b_.CreateFCmpUNO(floored, floored), low, high));
      return b_.CreateFPToSI(b_.CreateSelect(b_.CreateFCmpOGT(floored, low), floored, low), type);
    }
    case ExprKind::index_scalar:
      switch (static_cast<IndexScalar>(e.integer)) {
        case IndexScalar::step: return runtime_scalar(offsetof(RuntimeScalars, step), b_.getInt64Ty());
        case IndexScalar::valid_count: return runtime_scalar(offsetof(RuntimeScalars, valid_count), b_.getInt64Ty());
        case IndexScalar::first_sample: return runtime_scalar(offsetof(RuntimeScalars, first_sample), b_.getInt64Ty());
      }
      break;
    default: break;
  }
  throw InternalError("not an index instruction");
}

Value* Expressions::arithmetic(const Expr& e, bool vector) {
  auto arg = [&](int i) { return argument(e, i, vector); };
  switch (e.kind) {
    case ExprKind::index_less: return less(e, vector);
    case ExprKind::index_equal: return b_.CreateICmpEQ(arg(0), arg(1));
    case ExprKind::real_less: return b_.CreateFCmpOLT(arg(0), arg(1));
    case ExprKind::real_less_equal: return b_.CreateFCmpOLE(arg(0), arg(1));
    case ExprKind::real_equal: return b_.CreateFCmpOEQ(arg(0), arg(1));
    case ExprKind::logical_and: {
      Value *x = arg(0), *y = arg(1);
      return is_true(x) ? y : is_true(y) ? x : b_.CreateAnd(x, y);
    }
    case ExprKind::logical_or: return b_.CreateOr(arg(0), arg(1));
    case ExprKind::logical_not: return b_.CreateNot(arg(0));
    case ExprKind::real_scalar:
      return runtime_scalar(static_cast<RealScalar>(e.integer) == RealScalar::learning_rate
                                ? offsetof(RuntimeScalars, learning_rate) : offsetof(RuntimeScalars, loss_scale),
                            b_.getFloatTy());
    case ExprKind::load: return load(e, vector);
    case ExprKind::from_index: {
      Value* x = arg(0);
      return b_.CreateSIToFP(x, b_.with_lanes(b_.getFloatTy(), x->getType()));
    }
    case ExprKind::add: return b_.CreateFAdd(arg(0), arg(1));
    case ExprKind::sub: return b_.CreateFSub(arg(0), arg(1));
    case ExprKind::mul: return b_.CreateFMul(arg(0), arg(1));
    case ExprKind::div: return b_.CreateFDiv(arg(0), arg(1));
    case ExprKind::neg: return b_.CreateFNeg(arg(0));
    case ExprKind::min: return emit_min(b_, arg(0), arg(1));
    case ExprKind::max: return emit_max(b_, arg(0), arg(1));
    case ExprKind::abs: return b_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, arg(0));
    case ExprKind::exp: return emit_exp(b_, arg(0));
    case ExprKind::log: return emit_log(b_, arg(0));
    case ExprKind::sqrt: return b_.CreateUnaryIntrinsic(llvm::Intrinsic::sqrt, arg(0));
    case ExprKind::tanh: return emit_tanh(b_, arg(0));
    case ExprKind::erf: return emit_erf(b_, arg(0));
    case ExprKind::floor: return emit_floor(b_, arg(0));
    case ExprKind::round_tf32: return emit_round_tf32(b_, arg(0));
    case ExprKind::select: return is_true(arg(0)) ? arg(1) : b_.CreateSelect(arg(0), arg(1), arg(2));
    case ExprKind::cast: return b_.to_f32(b_.from_f32(arg(0), e.dtype), e.dtype);
    case ExprKind::uniform: return uniform(e, vector);
    default: break;
  }
  throw InternalError("not a real or boolean instruction");
}

Value* Expressions::less(const Expr& e, bool vector) {
  std::vector<IndexRange> ranges = analysis_.axis_ranges();
  for (size_t a = 0; a < ranges.size(); ++a)
    if (ranges_[a]) ranges[a] = {ranges_[a]->low + shifts_[a], ranges_[a]->high + shifts_[a]};
  if (std::optional<bool> known = analysis_.compare(e, ranges)) return b_.splat(b_.getInt1(*known), vector ? width_ : 1);
  return b_.CreateICmpSLT(argument(e, 0, vector), argument(e, 1, vector));
}

Value* Expressions::uniform(const Expr& e, bool vector) {
  Value* seed = runtime_scalar(offsetof(RuntimeScalars, seed), b_.getInt64Ty());
  Value* step = runtime_scalar(offsetof(RuntimeScalars, step), b_.getInt64Ty());
  Value *sample = argument(e, 0, vector), *element = argument(e, 1, vector);
  Type* i32 = b_.with_lanes(b_.getInt32Ty(), sample->getType());
  Value* high = element->getType()->getScalarSizeInBits() == 64
                    ? b_.CreateTrunc(b_.CreateLShr(element, b_.integer(element->getType(), 32)), i32)
                    : b_.integer(i32, 0);
  return emit_uniform(b_, seed, static_cast<uint32_t>(e.integer), step, b_.CreateTrunc(sample, i32),
                      b_.CreateTrunc(element, i32), high);
}

Type* Expressions::storage_type(int operand) {
  return b_.storage_type(body_.operands[static_cast<size_t>(operand)].dtype);
}
llvm::Align Expressions::alignment(int operand) const {
  return llvm::Align(static_cast<uint64_t>(size_of(body_.operands[static_cast<size_t>(operand)].dtype)));
}

Value* Expressions::load(const Expr& e, bool vector) {
  return b_.to_f32(load_raw(e, vector), body_.operands[static_cast<size_t>(e.integer)].dtype);
}

Value* Expressions::load_index(const Expr& e, bool vector) {
  Value* raw = load_raw(e, vector);
  Type* type = vector ? index_type_ : b_.getInt64Ty();
  if (body_.operands[static_cast<size_t>(e.integer)].dtype == DType::u8) return b_.CreateZExt(raw, type);
  if (raw->getType()->getScalarSizeInBits() > type->getScalarSizeInBits()) {
    // Saturate instead of wrapping, so that a wild label stays out of range.
    raw = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, raw, b_.integer(raw->getType(), kSmallIndex));
    raw = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, raw, b_.integer(raw->getType(), -kSmallIndex));
  }
  return b_.CreateSExtOrTrunc(raw, type);
}

// In the storage type; zero where the guard is false or the lane does not count. Indices that come from
// data are clamped into the operand: a wild one reads a wrong element, never a wrong address.
Value* Expressions::load_raw(const Expr& e, bool vector) {
  const int operand = static_cast<int>(e.integer);
  const KernelOperand& o = body_.operands[static_cast<size_t>(operand)];
  std::vector<ExprId> known = e.indices;
  Value* extra = nullptr;  // the part of the offset that comes from data
  for (size_t d = 0; d < e.indices.size(); ++d) {
    if (!analysis_.from_data(e.indices[d])) continue;
    Value* index = argument_of(e.indices[d], vector);
    index = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, index, b_.integer(index->getType(), 0));
    index = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, index, b_.integer(index->getType(), o.shape[d] - 1));
    index = b_.CreateMul(index, b_.integer(index->getType(), o.strides[d]));
    extra = extra ? b_.CreateAdd(extra, index) : index;
    known[d] = kNoExpr;
  }
  LinearForm form;
  if (!extra) {
    form = analysis_.offset(operand, e.indices);
  } else {
    std::vector<ExprId> indices;
    for (size_t d = 0; d < known.size(); ++d) {
      if (known[d] == kNoExpr) continue;
      LinearForm part = analysis_.linear(known[d]);
      form.constant += part.constant * o.strides[d];
      for (auto [axis, c] : part.axes) form.axes[axis] += c * o.strides[d];
      for (auto [atom, c] : part.atoms) form.atoms[atom] += c * o.strides[d];
    }
  }
  if (!vector) return load_scalar(e, form, extra);

  Value* mask = mask_;
  if (e.args[0] != kNoExpr) {
    Value* guard = lanes(e.args[0]);
    if (!is_true(guard)) mask = mask ? b_.CreateAnd(mask, guard) : guard;
  }
  const bool scattered = extra || std::any_of(form.atoms.begin(), form.atoms.end(), [&](const auto& atom) {
                           return varies(analysis_.dependencies(atom.first));
                         });
  if (!scattered) return load_strided(operand, form, form.coefficient(vector_axis_), mask);
  return gather(operand, form, extra, mask);
}

Value* Expressions::load_scalar(const Expr& e, const LinearForm& form, Value* extra) {
  const int operand = static_cast<int>(e.integer);
  Type* type = storage_type(operand);
  if (e.args[0] == kNoExpr || is_true(value(e.args[0]))) {
    Value* address = pointer(operand, form);
    if (extra) address = b_.CreateGEP(type, address, extra);
    return b_.CreateAlignedLoad(type, address, alignment(operand));
  }
  // Where the guard is false the first element is read, which always exists, and dropped.
  Value* guard = value(e.args[0]);
  Value* offset = scalar(form);
  if (extra) offset = b_.CreateAdd(offset, extra);
  offset = b_.CreateSelect(guard, offset, b_.i64(0));
  Value* address = b_.CreateGEP(type, pointers_.operands[static_cast<size_t>(operand)], offset);
  return b_.CreateSelect(guard, b_.CreateAlignedLoad(type, address, alignment(operand)), llvm::Constant::getNullValue(type));
}

Value* Expressions::load_strided(int operand, const LinearForm& form, int64_t stride, Value* mask) {
  Type* vector = lane_type(storage_type(operand));
  if (stride == 1) {
    Value* address = pointer(operand, form);
    if (!mask) return b_.CreateAlignedLoad(vector, address, alignment(operand));
    return b_.CreateMaskedLoad(vector, address, alignment(operand), mask, llvm::Constant::getNullValue(vector));
  }
  if (stride == 2) {
    // Two vectors whose even elements are wanted. Without a mask the second one ends at the last wanted
    // element; with one, only wanted elements are touched.
    Value* first = pointer(operand, form);
    const int skip = mask ? width_ : width_ - 1;
    Value* second = b_.CreateConstGEP1_64(storage_type(operand), first, static_cast<uint64_t>(skip));
    std::vector<int> picked;
    for (int i = 0; i < width_; ++i) picked.push_back(2 * i < width_ ? 2 * i : 2 * i + width_ - skip);
    if (!mask)
      return b_.CreateShuffleVector(b_.CreateAlignedLoad(vector, first, alignment(operand)),
                                    b_.CreateAlignedLoad(vector, second, alignment(operand)), picked);
    Value* none = llvm::Constant::getNullValue(mask->getType());
    auto part = [&](Value* address, int from) {
      std::vector<int> spread;  // every second lane is not wanted
      for (int i = 0; i < width_; ++i) spread.push_back(i % 2 == 0 ? from + i / 2 : width_);
      return b_.CreateMaskedLoad(vector, address, alignment(operand), b_.CreateShuffleVector(mask, none, spread),
                                 llvm::Constant::getNullValue(vector));
    };
    return b_.CreateShuffleVector(part(first, 0), part(second, width_ / 2), picked);
  }
  if (square_ >= 0 && form.coefficient(square_) == 1 && !mask) return load_square(operand, form, stride);
  return gather(operand, form, nullptr, mask);
}

Value* Expressions::load_square(int operand, const LinearForm& form, int64_t stride) {
  auto [square, is_new] = squares_.try_emplace({operand, form});
  if (is_new) {
    Value* first = unshifted_pointer(operand, form);
    std::vector<Value*> rows;
    for (int lane = 0; lane < width_; ++lane) {
      Value* address = b_.CreateGEP(storage_type(operand), first, b_.i64(lane * stride));
      rows.push_back(b_.CreateAlignedLoad(lane_type(storage_type(operand)), address, alignment(operand)));
    }
    square->second = b_.transpose(std::move(rows));
  }
  return square->second[static_cast<size_t>(shifts_[static_cast<size_t>(square_)])];
}

Value* Expressions::gather(int operand, const LinearForm& form, Value* extra, Value* mask) {
  LinearForm fixed = form, varying;
  for (auto [atom, c] : form.atoms)
    if (varies(analysis_.dependencies(atom))) {
      fixed.atoms.erase(atom);
      varying.atoms[atom] = c;
    }
  Value* offsets = extra;
  auto add = [&](Value* x, int64_t c) {
    if (c != 1) x = b_.CreateMul(x, b_.integer(index_type_, c));
    offsets = offsets ? b_.CreateAdd(offsets, x) : x;
  };
  for (auto [atom, c] : varying.atoms) add(value(atom), c);
  if (int64_t c = form.coefficient(vector_axis_)) add(b_.iota(index_type_), c);
  if (!offsets) offsets = b_.integer(index_type_, 0);
  // The lanes' offsets are relative to the first lane's address, which stays inside or is not used.
  Type* type = storage_type(operand);
  Value* addresses = b_.CreateGEP(type, pointer(operand, fixed), offsets);
  Type* vector = lane_type(type);
  return b_.CreateMaskedGather(vector, addresses, alignment(operand), mask, llvm::Constant::getNullValue(vector));
}

void Expressions::store(int operand, const LinearForm& form, Value* value, Value* extra) {
  const DType dtype = body_.operands[static_cast<size_t>(operand)].dtype;
  Value* raw = b_.from_f32(value, dtype);
  Value* address = pointer(operand, form);
  if (extra) address = b_.CreateGEP(storage_type(operand), address, extra);
  if (!raw->getType()->isVectorTy()) {
    b_.CreateAlignedStore(raw, address, alignment(operand));
    return;
  }
  const int64_t stride = form.coefficient(vector_axis_);
  if (stride == 1) {
    if (mask_) b_.CreateMaskedStore(raw, address, alignment(operand), mask_);
    else b_.CreateAlignedStore(raw, address, alignment(operand));
    return;
  }
  Value* offsets = b_.CreateMul(b_.iota(index_type_), b_.integer(index_type_, stride));
  b_.CreateMaskedScatter(raw, b_.CreateGEP(storage_type(operand), address, offsets), alignment(operand), mask_);
}

}  // namespace netc
