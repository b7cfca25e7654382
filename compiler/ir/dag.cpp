#include "compiler/ir/dag.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "compiler/base/error.h"
#include "compiler/base/shape.h"

namespace netc {
namespace {

Expr make(ExprKind kind, ExprType type, ExprId a = kNoExpr, ExprId b = kNoExpr, ExprId c = kNoExpr) {
  Expr expr;
  expr.kind = kind;
  expr.type = type;
  expr.args = {a, b, c};
  return expr;
}

bool is_index_constant(const Expr& e) { return e.kind == ExprKind::index_constant; }
bool is_real_constant(const Expr& e) { return e.kind == ExprKind::real_constant; }
bool is_unary_real(ExprKind kind) {
  switch (kind) {
    case ExprKind::neg: case ExprKind::abs: case ExprKind::exp: case ExprKind::log: case ExprKind::sqrt:
    case ExprKind::tanh: case ExprKind::erf: case ExprKind::floor: case ExprKind::round_tf32:
      return true;
    default:
      return false;
  }
}
bool is_binary_real(ExprKind kind) {
  switch (kind) {
    case ExprKind::add: case ExprKind::sub: case ExprKind::mul: case ExprKind::div: case ExprKind::min:
    case ExprKind::max:
      return true;
    default:
      return false;
  }
}

uint64_t hash_of(const Expr& e) {
  uint64_t hash = static_cast<uint64_t>(e.kind) + 64 * static_cast<uint64_t>(e.dtype);
  auto mix = [&](uint64_t word) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 32;
  };
  for (ExprId arg : e.args) mix(static_cast<uint64_t>(arg));
  mix(static_cast<uint64_t>(e.integer));
  mix(std::bit_cast<uint64_t>(e.real));
  for (ExprId index : e.indices) mix(static_cast<uint64_t>(index));
  return hash;
}

// Bit by bit: 0 and -0 are different constants, a NaN is itself. The type follows from the kind.
bool is_same(const Expr& a, const Expr& b) {
  return a.kind == b.kind && a.args == b.args && a.integer == b.integer &&
         std::bit_cast<uint64_t>(a.real) == std::bit_cast<uint64_t>(b.real) && a.dtype == b.dtype && a.indices == b.indices;
}

double round_mantissa(double value, int mantissa_bits, int min_exponent, double max_finite) {
  if (!std::isfinite(value) || value == 0) return value;
  int exponent;
  std::frexp(value, &exponent);  // |value| in [2^(exponent-1), 2^exponent)
  int unit = std::max(exponent - 1, min_exponent) - mantissa_bits;
  double rounded = std::ldexp(std::nearbyint(std::ldexp(value, -unit)), unit);
  if (std::abs(rounded) > max_finite) return std::copysign(std::numeric_limits<double>::infinity(), value);
  return rounded;
}

double saturate(double value, double low, double high) {
  if (std::isnan(value)) return 0;
  return std::trunc(std::min(std::max(value, low), high));
}

}  // namespace

ExprId Dag::intern(Expr expr) {
  for (ExprId arg : expr.args) NETC_CHECK(arg < size(), "an argument that is no node (a number given for an ExprId?)");
  if (2 * nodes_.size() >= slots_.size()) rehash(std::max<size_t>(32, 2 * slots_.size()));
  size_t slot = hash_of(expr) & (slots_.size() - 1);
  for (; slots_[slot] != kNoExpr; slot = (slot + 1) & (slots_.size() - 1))
    if (is_same((*this)[slots_[slot]], expr)) return slots_[slot];
  slots_[slot] = size();
  nodes_.push_back(std::move(expr));
  return size() - 1;
}

void Dag::rehash(size_t slots) {
  slots_.assign(slots, kNoExpr);
  for (ExprId id = 0; id < size(); ++id) {
    size_t slot = hash_of((*this)[id]) & (slots - 1);
    while (slots_[slot] != kNoExpr) slot = (slot + 1) & (slots - 1);
    slots_[slot] = id;
  }
}

ExprId Dag::axis(int number) {
  Expr e = make(ExprKind::axis, ExprType::index);
  e.integer = number;
  return intern(std::move(e));
}
ExprId Dag::index(int64_t value) {
  Expr e = make(ExprKind::index_constant, ExprType::index);
  e.integer = value;
  return intern(std::move(e));
}
ExprId Dag::scalar(IndexScalar which) {
  Expr e = make(ExprKind::index_scalar, ExprType::index);
  e.integer = static_cast<int64_t>(which);
  return intern(std::move(e));
}
ExprId Dag::scalar(RealScalar which) {
  Expr e = make(ExprKind::real_scalar, ExprType::real);
  e.integer = static_cast<int64_t>(which);
  return intern(std::move(e));
}
ExprId Dag::real(double value) {
  Expr e = make(ExprKind::real_constant, ExprType::real);
  e.real = value;
  return intern(std::move(e));
}

ExprId Dag::index_add(ExprId a, ExprId b) {
  const Expr &x = (*this)[a], &y = (*this)[b];
  if (is_index_constant(x) && is_index_constant(y)) return index(x.integer + y.integer);
  if (is_index_constant(x)) return index_add(b, a);  // constants to the right
  if (is_index_constant(y)) {
    if (y.integer == 0) return a;
    if (x.kind == ExprKind::index_add && is_index_constant((*this)[x.args[1]])) {
      ExprId base = x.args[0];  // read before index() grows the nodes
      return index_add(base, index((*this)[x.args[1]].integer + y.integer));
    }
  }
  return intern(make(ExprKind::index_add, ExprType::index, a, b));
}
ExprId Dag::index_sub(ExprId a, ExprId b) {
  const Expr &x = (*this)[a], &y = (*this)[b];
  if (a == b) return index(0);
  if (is_index_constant(y)) return index_add(a, index(-y.integer));
  if (is_index_constant(x) && is_index_constant(y)) return index(x.integer - y.integer);
  return intern(make(ExprKind::index_sub, ExprType::index, a, b));
}
ExprId Dag::index_mul(ExprId a, ExprId b) {
  NETC_CHECK(a < size() && b < size() && (*this)[a].type == ExprType::index && (*this)[b].type == ExprType::index,
             "index_mul of no index (an int literal is an ExprId: write int64_t{2})");
  const Expr &x = (*this)[a], &y = (*this)[b];
  if (is_index_constant(x) && is_index_constant(y)) return index(x.integer * y.integer);
  if (is_index_constant(x)) return index_mul(b, a);
  if (is_index_constant(y)) {
    int64_t factor = y.integer;
    if (factor == 0) return index(0);
    if (factor == 1) return a;
    if (x.kind == ExprKind::index_mul && is_index_constant((*this)[x.args[1]])) {
      ExprId base = x.args[0];
      return index_mul(base, index((*this)[x.args[1]].integer * factor));
    }
  }
  return intern(make(ExprKind::index_mul, ExprType::index, a, b));
}
ExprId Dag::index_floor_div(ExprId a, int64_t divisor) {
  NETC_CHECK(divisor > 0, "division by a constant that is not positive");
  const Expr& x = (*this)[a];
  if (divisor == 1) return a;
  if (is_index_constant(x)) return index(floor_div(x.integer, divisor));
  // (y * k*divisor) div divisor == y * k
  if (x.kind == ExprKind::index_mul && is_index_constant((*this)[x.args[1]]) &&
      (*this)[x.args[1]].integer % divisor == 0)
    return index_mul(x.args[0], (*this)[x.args[1]].integer / divisor);
  Expr e = make(ExprKind::index_floor_div, ExprType::index, a);
  e.integer = divisor;
  return intern(std::move(e));
}
ExprId Dag::index_floor_mod(ExprId a, int64_t divisor) {
  NETC_CHECK(divisor > 0, "modulus by a constant that is not positive");
  const Expr& x = (*this)[a];
  if (divisor == 1) return index(0);
  if (is_index_constant(x)) return index(floor_mod(x.integer, divisor));
  if (x.kind == ExprKind::index_mul && is_index_constant((*this)[x.args[1]]) &&
      (*this)[x.args[1]].integer % divisor == 0)
    return index(0);
  Expr e = make(ExprKind::index_floor_mod, ExprType::index, a);
  e.integer = divisor;
  return intern(std::move(e));
}
ExprId Dag::index_min(ExprId a, ExprId b) {
  const Expr &x = (*this)[a], &y = (*this)[b];
  if (a == b) return a;
  if (is_index_constant(x) && is_index_constant(y)) return index(std::min(x.integer, y.integer));
  return intern(make(ExprKind::index_min, ExprType::index, a, b));
}
ExprId Dag::index_max(ExprId a, ExprId b) {
  const Expr &x = (*this)[a], &y = (*this)[b];
  if (a == b) return a;
  if (is_index_constant(x) && is_index_constant(y)) return index(std::max(x.integer, y.integer));
  return intern(make(ExprKind::index_max, ExprType::index, a, b));
}
ExprId Dag::index_floor(ExprId a) { return intern(make(ExprKind::index_floor, ExprType::index, a)); }
ExprId Dag::index_select(ExprId condition, ExprId a, ExprId b) {
  if (a == b || condition == kNoExpr) return a;
  return intern(make(ExprKind::index_select, ExprType::index, condition, a, b));
}
ExprId Dag::index_load(int operand, std::vector<ExprId> indices) {
  Expr e = make(ExprKind::index_load, ExprType::index);
  e.integer = operand;
  e.indices = std::move(indices);
  return intern(std::move(e));
}

ExprId Dag::index_less(ExprId a, ExprId b) { return intern(make(ExprKind::index_less, ExprType::boolean, a, b)); }
ExprId Dag::index_equal(ExprId a, ExprId b) { return intern(make(ExprKind::index_equal, ExprType::boolean, a, b)); }
ExprId Dag::less(ExprId a, ExprId b) { return intern(make(ExprKind::real_less, ExprType::boolean, a, b)); }
ExprId Dag::less_equal(ExprId a, ExprId b) {
  return intern(make(ExprKind::real_less_equal, ExprType::boolean, a, b));
}
ExprId Dag::equal(ExprId a, ExprId b) { return intern(make(ExprKind::real_equal, ExprType::boolean, a, b)); }
ExprId Dag::logical_and(ExprId a, ExprId b) {
  if (a == kNoExpr || a == b) return b;
  if (b == kNoExpr) return a;
  return intern(make(ExprKind::logical_and, ExprType::boolean, a, b));
}
ExprId Dag::logical_or(ExprId a, ExprId b) {
  return a == b ? a : intern(make(ExprKind::logical_or, ExprType::boolean, a, b));
}
ExprId Dag::logical_not(ExprId a) { return intern(make(ExprKind::logical_not, ExprType::boolean, a)); }
ExprId Dag::in_range(ExprId a, int64_t extent) {
  return logical_and(index_less(index(-1), a), index_less(a, index(extent)));
}

ExprId Dag::load(int operand, std::vector<ExprId> indices, ExprId guard) {
  Expr e = make(ExprKind::load, ExprType::real, guard);
  e.integer = operand;
  e.indices = std::move(indices);
  return intern(std::move(e));
}
ExprId Dag::reduced(int number) {
  Expr e = make(ExprKind::reduced, ExprType::real);
  e.integer = number;
  return intern(std::move(e));
}
ExprId Dag::from_index(ExprId a) {
  const Expr& x = (*this)[a];
  if (is_index_constant(x)) return real(static_cast<double>(x.integer));
  return intern(make(ExprKind::from_index, ExprType::real, a));
}
ExprId Dag::unary(ExprKind kind, ExprId a) {
  NETC_CHECK(is_unary_real(kind), "not a unary instruction");
  const Expr& x = (*this)[a];
  NETC_CHECK(x.type == ExprType::real, "unary instruction on a value that is not real");
  if (is_real_constant(x)) return real(evaluate(kind, x.real));
  if (kind == ExprKind::neg && x.kind == ExprKind::neg) return x.args[0];
  return intern(make(kind, ExprType::real, a));
}
ExprId Dag::binary(ExprKind kind, ExprId a, ExprId b) {
  NETC_CHECK(is_binary_real(kind), "not a binary instruction");
  const Expr &x = (*this)[a], &y = (*this)[b];
  NETC_CHECK(x.type == ExprType::real && y.type == ExprType::real, "binary instruction on values that are not real");
  if (is_real_constant(x) && is_real_constant(y)) return real(evaluate(kind, x.real, y.real));
  // Only identities that hold for every IEEE value (x * 0 and x + 0 do not: NaN and -0).
  if ((kind == ExprKind::mul || kind == ExprKind::div) && is_real_constant(y) && y.real == 1) return a;
  if (kind == ExprKind::mul && is_real_constant(x) && x.real == 1) return b;
  if (kind == ExprKind::sub && is_real_constant(y) && y.real == 0 && !std::signbit(y.real)) return a;
  return intern(make(kind, ExprType::real, a, b));
}
ExprId Dag::select(ExprId condition, ExprId a, ExprId b) {
  if (a == b || condition == kNoExpr) return a;
  return intern(make(ExprKind::select, ExprType::real, condition, a, b));
}
ExprId Dag::cast(ExprId a, DType dtype) {
  const Expr& x = (*this)[a];
  if (is_real_constant(x)) return real(round_to(x.real, dtype));
  if (x.kind == ExprKind::cast && x.dtype == dtype) return a;
  Expr e = make(ExprKind::cast, ExprType::real, a);
  e.dtype = dtype;
  return intern(std::move(e));
}
ExprId Dag::uniform(uint32_t key, ExprId sample, ExprId element) {
  Expr e = make(ExprKind::uniform, ExprType::real, sample, element);
  e.integer = key;
  return intern(std::move(e));
}

namespace {

// Copies one node whose arguments are copied already.
ExprId copy_node(Dag& to, const Expr& e, const std::array<ExprId, 3>& a, const std::vector<ExprId>& indices) {
  switch (e.kind) {
    case ExprKind::axis: return to.axis(static_cast<int>(e.integer));
    case ExprKind::index_constant: return to.index(e.integer);
    case ExprKind::index_add: return to.index_add(a[0], a[1]);
    case ExprKind::index_sub: return to.index_sub(a[0], a[1]);
    case ExprKind::index_mul: return to.index_mul(a[0], a[1]);
    case ExprKind::index_floor_div: return to.index_floor_div(a[0], e.integer);
    case ExprKind::index_floor_mod: return to.index_floor_mod(a[0], e.integer);
    case ExprKind::index_min: return to.index_min(a[0], a[1]);
    case ExprKind::index_max: return to.index_max(a[0], a[1]);
    case ExprKind::index_scalar: return to.scalar(static_cast<IndexScalar>(e.integer));
    case ExprKind::index_load: return to.index_load(static_cast<int>(e.integer), indices);
    case ExprKind::index_floor: return to.index_floor(a[0]);
    case ExprKind::index_select: return to.index_select(a[0], a[1], a[2]);
    case ExprKind::index_less: return to.index_less(a[0], a[1]);
    case ExprKind::index_equal: return to.index_equal(a[0], a[1]);
    case ExprKind::real_less: return to.less(a[0], a[1]);
    case ExprKind::real_less_equal: return to.less_equal(a[0], a[1]);
    case ExprKind::real_equal: return to.equal(a[0], a[1]);
    case ExprKind::logical_and: return to.logical_and(a[0], a[1]);
    case ExprKind::logical_or: return to.logical_or(a[0], a[1]);
    case ExprKind::logical_not: return to.logical_not(a[0]);
    case ExprKind::real_constant: return to.real(e.real);
    case ExprKind::real_scalar: return to.scalar(static_cast<RealScalar>(e.integer));
    case ExprKind::load: return to.load(static_cast<int>(e.integer), indices, a[0]);
    case ExprKind::reduced: return to.reduced(static_cast<int>(e.integer));
    case ExprKind::from_index: return to.from_index(a[0]);
    case ExprKind::add: case ExprKind::sub: case ExprKind::mul: case ExprKind::div: case ExprKind::min:
    case ExprKind::max:
      return to.binary(e.kind, a[0], a[1]);
    case ExprKind::neg: case ExprKind::abs: case ExprKind::exp: case ExprKind::log: case ExprKind::sqrt:
    case ExprKind::tanh: case ExprKind::erf: case ExprKind::floor: case ExprKind::round_tf32:
      return to.unary(e.kind, a[0]);
    case ExprKind::select: return to.select(a[0], a[1], a[2]);
    case ExprKind::cast: return to.cast(a[0], e.dtype);
    case ExprKind::uniform: return to.uniform(static_cast<uint32_t>(e.integer), a[0], a[1]);
  }
  throw InternalError("unknown expression kind");
}

}  // namespace

ExprId Dag::import(const Dag& from, ExprId root, const Substitution& substitution) {
  NETC_CHECK(&from != this, "a Dag cannot import from itself");
  std::vector<ExprId> copied(static_cast<size_t>(from.size()), kNoExpr);
  auto copy_of = [&](ExprId id) { return id == kNoExpr ? kNoExpr : copied[static_cast<size_t>(id)]; };
  visit_postorder(from, root, [&](ExprId id) {
    const Expr& e = from[id];
    std::array<ExprId, 3> args{copy_of(e.args[0]), copy_of(e.args[1]), copy_of(e.args[2])};
    std::vector<ExprId> indices;
    indices.reserve(e.indices.size());
    for (ExprId i : e.indices) indices.push_back(copy_of(i));
    ExprId result;
    if (e.kind == ExprKind::axis && !substitution.axes.empty())
      result = substitution.axes.at(static_cast<size_t>(e.integer));
    else if ((e.kind == ExprKind::load || e.kind == ExprKind::index_load) && substitution.load)
      result = substitution.load(e, indices, args[0]);
    else if (e.kind == ExprKind::reduced && substitution.reduced)
      result = substitution.reduced(e.integer);
    else
      result = copy_node(*this, e, args, indices);
    copied[static_cast<size_t>(id)] = result;
  });
  return copy_of(root);
}

double evaluate(ExprKind kind, double a, double b) {
  switch (kind) {
    case ExprKind::neg: return -a;
    case ExprKind::abs: return std::abs(a);
    case ExprKind::exp: return std::exp(a);
    case ExprKind::log: return std::log(a);
    case ExprKind::sqrt: return std::sqrt(a);
    case ExprKind::tanh: return std::tanh(a);
    case ExprKind::erf: return std::erf(a);
    case ExprKind::floor: return std::floor(a);
    case ExprKind::round_tf32: return round_to_tf32(a);
    case ExprKind::add: return a + b;
    case ExprKind::sub: return a - b;
    case ExprKind::mul: return a * b;
    case ExprKind::div: return a / b;
    case ExprKind::min: return a < b || a != a ? a : b;
    case ExprKind::max: return a > b || a != a ? a : b;
    default: throw InternalError("not a real instruction");
  }
}

double round_to(double value, DType dtype) {
  switch (dtype) {
    case DType::f32: return static_cast<double>(static_cast<float>(value));
    case DType::f16: return round_mantissa(value, 10, -14, 65504.0);
    case DType::bf16:  // without subnormals, as processors' conversions and dot products have it
      return std::abs(value) < 0x1p-126 ? std::copysign(0.0, value) : round_mantissa(value, 7, -126, 3.3895313892515355e38);
    case DType::u8: return saturate(value, 0, 255);
    case DType::i32: return saturate(value, -2147483648.0, 2147483647.0);
    case DType::i64: return saturate(value, -9007199254740992.0, 9007199254740992.0);
  }
  return value;
}

double round_to_tf32(double value) {
  if (value == 0 || !std::isfinite(value)) return value;
  constexpr int kBits = 10, kSmallestExponent = -126;
  const double unit = std::ldexp(1.0, std::max(std::ilogb(value), kSmallestExponent) - kBits);
  const double rounded = std::round(value / unit) * unit;
  return std::abs(rounded) < 0x1p128 ? rounded : std::copysign(HUGE_VAL, value);
}

std::vector<bool> reachable_from(const Dag& dag, std::span<const ExprId> roots) {
  // Arguments have smaller ids, so marking downwards needs no recursion.
  const ExprId top = roots.empty() ? kNoExpr : *std::max_element(roots.begin(), roots.end());
  std::vector<bool> reachable(static_cast<size_t>(top + 1), false);
  auto mark = [&](ExprId id) {
    if (id != kNoExpr) reachable[static_cast<size_t>(id)] = true;
  };
  for (ExprId root : roots) mark(root);
  for (ExprId id = top; id >= 0; --id) {
    if (!reachable[static_cast<size_t>(id)]) continue;
    for (ExprId arg : dag[id].args) mark(arg);
    for (ExprId i : dag[id].indices) mark(i);
  }
  return reachable;
}

bool as_affine(const Dag& dag, ExprId id, AffineIndex& out) {
  const Expr& e = dag[id];
  auto combine = [&](int64_t sign) {
    AffineIndex a, b;
    if (!as_affine(dag, e.args[0], a) || !as_affine(dag, e.args[1], b)) return false;
    out = std::move(a);
    out.constant += sign * b.constant;
    for (auto [axis, c] : b.coefficients)
      if ((out.coefficients[axis] += sign * c) == 0) out.coefficients.erase(axis);
    return true;
  };
  switch (e.kind) {
    case ExprKind::axis:
      out = {0, {{static_cast<int>(e.integer), 1}}};
      return true;
    case ExprKind::index_constant:
      out = {e.integer, {}};
      return true;
    case ExprKind::index_add: return combine(1);
    case ExprKind::index_sub: return combine(-1);
    case ExprKind::index_mul: {
      const Expr& factor = dag[e.args[1]];  // constants stand on the right
      AffineIndex a;
      if (!is_index_constant(factor) || !as_affine(dag, e.args[0], a)) return false;
      out = std::move(a);
      out.constant *= factor.integer;
      for (auto& [axis, c] : out.coefficients) c *= factor.integer;
      return true;
    }
    default: return false;
  }
}

}  // namespace netc
