// Scalar expressions: a hash-consed DAG over an index space (decision 2).
//
// A Dag says what one element of an operator's output is. Leaves are axes of the index space,
// constants, run-time scalars, loads from operands and results of reductions; inner nodes are index
// arithmetic (quasi-affine: sums, products with constants, floor division and modulus by constants),
// comparisons and real arithmetic. Backends know these instructions and no operator; the interpreter
// evaluates the same ones in double precision.
//
// Example, relu over [N, C]: `max(load(0, {axis(0), axis(1)}), 0)`:
//   Dag d; ExprId y = d.max(d.load(0, {d.axis(0), d.axis(1)}), d.real(0));
//
// GUARANTEES: equal expressions have equal ids; arguments have smaller ids than their users;
// constants are folded. REQUIRES: argument types as the factory functions say (checked). A reference to a node is valid until
// the next one is made.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "compiler/base/dtype.h"

namespace netc {

using ExprId = int32_t;
constexpr ExprId kNoExpr = -1;

enum class ExprType : uint8_t { index, real, boolean };

enum class ExprKind : uint8_t {
  // index: signed 64-bit
  axis,            // integer: which axis
  index_constant,  // integer
  index_add, index_sub,
  index_mul,       // of any two indices; affine analysis wants one constant
  index_floor_div, index_floor_mod,  // integer: the positive constant divisor
  index_min, index_max,
  index_scalar,    // integer: an IndexScalar
  index_load,      // integer: operand (i32, i64 or u8); indices
  index_floor,     // of a real: floor(x), saturating, NaN gives INT64_MIN
  index_select,    // boolean ? index : index
  // boolean
  index_less, index_equal,
  real_less, real_less_equal, real_equal,  // IEEE: false for NaN
  logical_and, logical_or, logical_not,
  // real: f32 in kernels, f64 in the interpreter
  real_constant,
  real_scalar,     // integer: a RealScalar
  load,            // integer: operand (of any element type); indices; args[0]: guard or kNoExpr. 0 where it is false
  reduced,         // integer: which reduction's (or the contraction's) result
  from_index,
  add, sub, mul, div, neg,
  min, max,        // NaN if either is NaN
  abs, exp, log, sqrt, tanh, erf, floor,
  round_tf32,      // to the nearest tf32, ties away from zero: see round_to_tf32
  select,          // boolean ? real : real; both sides are evaluated
  cast,            // rounds to `dtype` (nearest even) and back
  uniform,         // [0, 1): args: sample, element; integer: path key (base/random.h; seed and step are the run's)
};

enum class IndexScalar : uint8_t { step, valid_count, first_sample };
enum class RealScalar : uint8_t { learning_rate, loss_scale };

struct Expr {
  ExprKind kind;
  ExprType type;
  std::array<ExprId, 3> args{kNoExpr, kNoExpr, kNoExpr};
  int64_t integer = 0;
  double real = 0;
  DType dtype = DType::f32;
  std::vector<ExprId> indices;
};

class Dag {
 public:
  const Expr& operator[](ExprId id) const { return nodes_[static_cast<size_t>(id)]; }
  int32_t size() const { return static_cast<int32_t>(nodes_.size()); }

  ExprId axis(int number);
  ExprId index(int64_t value);
  ExprId scalar(IndexScalar which);
  ExprId scalar(RealScalar which);
  ExprId real(double value);

  // Index arithmetic; simplified where the result is an exact identity (x + 0, x * 1, x div 1, ...).
  ExprId index_add(ExprId a, ExprId b);
  ExprId index_sub(ExprId a, ExprId b);
  ExprId index_mul(ExprId a, ExprId b);
  ExprId index_mul(ExprId a, int64_t b) { return index_mul(a, index(b)); }
  ExprId index_floor_div(ExprId a, int64_t divisor);
  ExprId index_floor_mod(ExprId a, int64_t divisor);
  ExprId index_min(ExprId a, ExprId b);
  ExprId index_max(ExprId a, ExprId b);
  ExprId index_floor(ExprId real);
  ExprId index_select(ExprId condition, ExprId a, ExprId b);
  ExprId index_load(int operand, std::vector<ExprId> indices);

  ExprId index_less(ExprId a, ExprId b);
  ExprId index_equal(ExprId a, ExprId b);
  ExprId less(ExprId a, ExprId b);
  ExprId less_equal(ExprId a, ExprId b);
  ExprId equal(ExprId a, ExprId b);
  ExprId logical_and(ExprId a, ExprId b);  // kNoExpr stands for true
  ExprId logical_or(ExprId a, ExprId b);
  ExprId logical_not(ExprId a);
  // 0 <= a < extent
  ExprId in_range(ExprId a, int64_t extent);

  ExprId load(int operand, std::vector<ExprId> indices, ExprId guard = kNoExpr);
  ExprId reduced(int number);
  ExprId from_index(ExprId a);
  // Any unary or binary real instruction.
  ExprId unary(ExprKind kind, ExprId a);
  ExprId binary(ExprKind kind, ExprId a, ExprId b);
  ExprId add(ExprId a, ExprId b) { return binary(ExprKind::add, a, b); }
  ExprId sub(ExprId a, ExprId b) { return binary(ExprKind::sub, a, b); }
  ExprId mul(ExprId a, ExprId b) { return binary(ExprKind::mul, a, b); }
  ExprId div(ExprId a, ExprId b) { return binary(ExprKind::div, a, b); }
  ExprId max(ExprId a, ExprId b) { return binary(ExprKind::max, a, b); }
  ExprId min(ExprId a, ExprId b) { return binary(ExprKind::min, a, b); }
  ExprId select(ExprId condition, ExprId a, ExprId b);
  ExprId cast(ExprId a, DType dtype);
  ExprId uniform(uint32_t path_key, ExprId sample, ExprId element);

  // Copies `root` of `from` into this Dag, leaves replaced: `axes[i]` for axis i, and what the
  // callbacks return for loads (real and index) and reduced values. An empty callback keeps the
  // leaf as it is. This is how fusion composes operators.
  struct Substitution {
    std::vector<ExprId> axes;  // empty: keep axes
    std::function<ExprId(const Expr& load, const std::vector<ExprId>& indices, ExprId guard)> load;
    std::function<ExprId(int64_t number)> reduced;
  };
  ExprId import(const Dag& from, ExprId root, const Substitution& substitution);

  // Text such as "max(in0[a0, a1], 0)".
  std::string to_string(ExprId root) const;

 private:
  ExprId intern(Expr expr);
  void rehash(size_t slots);
  std::vector<Expr> nodes_;
  std::vector<ExprId> slots_;  // a hash table of the nodes: a power of two of places, kNoExpr where free
};

// The exact double meaning of a unary or binary real instruction; the reference for all backends.
double evaluate(ExprKind kind, double a, double b = 0);
// Rounds to the nearest value of `dtype` (floating types: nearest even; integers: saturating truncation).
double round_to(double value, DType dtype);

// Rounds to the nearest value with tf32's 10 explicit bits of mantissa and f32's exponents, ties away from zero, as PTX's
// cvt.rna.tf32.f32 does. Beyond the largest one: infinity.
double round_to_tf32(double value);

// Whether each node up to the last root is reachable from the roots.
std::vector<bool> reachable_from(const Dag& dag, std::span<const ExprId> roots);

// Calls `visit` once for every node reachable from the roots, arguments first.
template <class Visit>
void visit_postorder(const Dag& dag, std::span<const ExprId> roots, Visit&& visit) {
  const std::vector<bool> reachable = reachable_from(dag, roots);
  for (size_t id = 0; id < reachable.size(); ++id)
    if (reachable[id]) visit(static_cast<ExprId>(id));
}
template <class Visit>
void visit_postorder(const Dag& dag, ExprId root, Visit&& visit) {
  visit_postorder(dag, std::span<const ExprId>(&root, 1), visit);
}

// An index as constant + sum of coefficient * axis, where it is one.
struct AffineIndex {
  int64_t constant = 0;
  std::map<int, int64_t> coefficients;  // axis -> coefficient, no zeros
};
bool as_affine(const Dag& dag, ExprId id, AffineIndex& out);

}  // namespace netc
