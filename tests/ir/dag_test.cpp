// Expressions: sharing, folding, substitution, affine analysis, rounding.
#include "compiler/ir/dag.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "compiler/base/error.h"

namespace netc {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(Dag, EqualExpressionsAreOne) {
  Dag d;
  ExprId x = d.load(0, {d.axis(0), d.axis(1)});
  ExprId a = d.mul(x, d.add(x, d.real(2)));
  int32_t size = d.size();
  EXPECT_EQ(a, d.mul(d.load(0, {d.axis(0), d.axis(1)}), d.add(x, d.real(2))));
  EXPECT_EQ(d.size(), size);
  EXPECT_NE(x, d.load(1, {d.axis(0), d.axis(1)}));
  EXPECT_NE(x, d.load(0, {d.axis(1), d.axis(0)}));
  EXPECT_NE(d.cast(x, DType::bf16), d.cast(x, DType::f16));
}

TEST(Dag, ArgumentsHaveSmallerIds) {
  Dag d;
  ExprId root = d.select(d.less(d.load(0, {d.axis(0)}), d.real(0)), d.unary(ExprKind::exp, d.load(0, {d.axis(0)})), d.real(1));
  for (ExprId id = 0; id <= root; ++id) {
    for (ExprId arg : d[id].args) EXPECT_LT(arg, id);
    for (ExprId index : d[id].indices) EXPECT_LT(index, id);
  }
}

TEST(Dag, FoldsConstantsByTheReferenceArithmetic) {
  Dag d;
  auto value = [&](ExprId id) { return d[id].real; };
  EXPECT_EQ(value(d.add(d.real(2), d.real(3))), 5);
  EXPECT_EQ(value(d.unary(ExprKind::sqrt, d.real(2))), std::sqrt(2.0));
  EXPECT_TRUE(std::isnan(value(d.max(d.real(1), d.real(kNan)))));
  EXPECT_EQ(value(d.cast(d.real(1 + 1.0 / 512), DType::bf16)), 1);
  EXPECT_EQ(value(d.from_index(d.index(7))), 7);
}

TEST(Dag, KeepsWhatIeeeDistinguishes) {
  Dag d;
  ExprId x = d.load(0, {d.axis(0)});
  EXPECT_EQ(d.mul(x, d.real(1)), x);
  EXPECT_EQ(d.div(x, d.real(1)), x);
  EXPECT_EQ(d.sub(x, d.real(0)), x);
  EXPECT_NE(d.add(x, d.real(0)), x);   // -0 + 0 is 0
  EXPECT_NE(d.sub(x, d.real(-0.0)), x);
  EXPECT_NE(d.real(0), d.real(-0.0));
  EXPECT_EQ(d[d.mul(x, d.real(0))].kind, ExprKind::mul);  // NaN * 0 is NaN
  EXPECT_EQ(d.unary(ExprKind::neg, d.unary(ExprKind::neg, x)), x);
}

TEST(Dag, SimplifiesIndices) {
  Dag d;
  ExprId i = d.axis(0);
  EXPECT_EQ(d.index_add(i, d.index(0)), i);
  EXPECT_EQ(d.index_add(d.index_add(i, d.index(2)), d.index(-2)), i);
  EXPECT_EQ(d.index_mul(i, d.index(1)), i);
  EXPECT_EQ(d.index_mul(i, d.index(0)), d.index(0));
  EXPECT_EQ(d.index_sub(i, i), d.index(0));
  EXPECT_EQ(d.index_floor_div(d.index_mul(i, int64_t{12}), 4), d.index_mul(i, int64_t{3}));
  EXPECT_EQ(d.index_floor_mod(d.index_mul(i, int64_t{12}), 4), d.index(0));
  EXPECT_EQ(d.index_floor_div(d.index(-1), 4), d.index(-1));
  EXPECT_EQ(d.index_floor_mod(d.index(-1), 4), d.index(3));
  EXPECT_THROW(d.index_floor_div(i, 0), InternalError);
}

TEST(Dag, TrueIsNoExpression) {
  Dag d;
  ExprId condition = d.in_range(d.axis(0), 4);
  EXPECT_EQ(d.logical_and(kNoExpr, condition), condition);
  EXPECT_EQ(d.logical_and(condition, kNoExpr), condition);
  EXPECT_EQ(d.logical_and(condition, condition), condition);
}

TEST(Dag, RefusesWrongArguments) {
  Dag d;
  ExprId index = d.axis(0), real = d.real(1);
  EXPECT_THROW(d.add(real, index), InternalError);
  EXPECT_THROW(d.unary(ExprKind::exp, index), InternalError);
  EXPECT_THROW(d.unary(ExprKind::add, real), InternalError);
  EXPECT_THROW(d.index_mul(index, 1000), InternalError);  // an int literal is an ExprId
  EXPECT_THROW(d.index_mul(index, real), InternalError);
}

TEST(Dag, ImportSubstitutesLeaves) {
  Dag inner;  // relu(in0[a0, a1] + in1[a1])
  ExprId sum = inner.add(inner.load(0, {inner.axis(0), inner.axis(1)}), inner.load(1, {inner.axis(1)}));
  ExprId root = inner.max(sum, inner.real(0));
  Dag outer;
  Dag::Substitution substitution;
  substitution.axes = {outer.axis(2), outer.index_add(outer.axis(0), outer.index(1))};
  substitution.load = [&](const Expr& load, const std::vector<ExprId>& indices, ExprId guard) {
    return load.integer == 0 ? outer.reduced(0) : outer.load(5, indices, guard);
  };
  EXPECT_EQ(outer.to_string(outer.import(inner, root, substitution)), "max((reduced0 +. in5[(a0 + 1)]), 0)");
  Dag same;
  EXPECT_EQ(same.to_string(same.import(inner, root, {})), inner.to_string(root));
}

TEST(Dag, VisitsEachNodeOnceArgumentsFirst) {
  Dag d;
  ExprId x = d.load(0, {d.axis(0)});
  ExprId y = x;
  for (int i = 0; i < 60; ++i) y = d.mul(y, y);  // 2^60 paths
  std::vector<bool> seen(static_cast<size_t>(d.size()), false);
  int count = 0;
  visit_postorder(d, y, [&](ExprId id) {
    for (ExprId arg : d[id].args) EXPECT_TRUE(arg == kNoExpr || seen[static_cast<size_t>(arg)]);
    EXPECT_FALSE(seen[static_cast<size_t>(id)]);
    seen[static_cast<size_t>(id)] = true;
    ++count;
  });
  EXPECT_EQ(count, 62);
}

// Through many growths of its table, and in a copy.
TEST(Dag, FindsEveryExpressionAgain) {
  Dag d;
  std::vector<ExprId> made;
  const auto make = [](Dag& dag, int i) {
    return dag.add(dag.load(i % 3, {dag.index_add(dag.axis(0), dag.index(i)), dag.axis(i % 5)}), dag.real(i % 7 - 0.5));
  };
  for (int i = 0; i < 1000; ++i) made.push_back(make(d, i));
  const int32_t size = d.size();
  Dag copy = d;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(make(d, i), made[static_cast<size_t>(i)]);
    EXPECT_EQ(make(copy, i), made[static_cast<size_t>(i)]);
  }
  EXPECT_EQ(d.size(), size);
  EXPECT_NE(d.real(0.0), d.real(-0.0));
}

TEST(Dag, AffineIndices) {
  Dag d;
  AffineIndex affine;
  ExprId i = d.axis(0), j = d.axis(3);
  ASSERT_TRUE(as_affine(d, d.index_sub(d.index_mul(d.index_add(i, d.index(2)), int64_t{3}), j), affine));
  EXPECT_EQ(affine.constant, 6);
  EXPECT_EQ(affine.coefficients, (std::map<int, int64_t>{{0, 3}, {3, -1}}));
  ASSERT_TRUE(as_affine(d, d.index_sub(d.index_add(i, j), i), affine));
  EXPECT_EQ(affine.coefficients, (std::map<int, int64_t>{{3, 1}}));
  EXPECT_FALSE(as_affine(d, d.index_floor_div(i, 2), affine));
  EXPECT_FALSE(as_affine(d, d.index_mul(i, j), affine));
  EXPECT_FALSE(as_affine(d, d.scalar(IndexScalar::step), affine));
}

TEST(Dag, MinimumAndMaximumPropagateNan) {
  for (ExprKind kind : {ExprKind::min, ExprKind::max}) {
    EXPECT_TRUE(std::isnan(evaluate(kind, kNan, 1)));
    EXPECT_TRUE(std::isnan(evaluate(kind, 1, kNan)));
  }
  EXPECT_EQ(evaluate(ExprKind::min, 1, 2), 1);
  EXPECT_EQ(evaluate(ExprKind::max, 1, 2), 2);
}

TEST(RoundToTf32, TiesAwayFromZero) {
  struct {
    double value, expected;
  } cases[] = {
      {1 + 0x1p-11, 1 + 0x1p-10},  // a tie
      {-1 - 0x1p-11, -1 - 0x1p-10},
      {1 + 0x1p-11 - 0x1p-30, 1},
      {1 + 3 * 0x1p-11, 1 + 2 * 0x1p-10},
      {2 - 0x1p-11, 2},  // into the next exponent
      {0x1p-136, 0x1p-136},  // the smallest one
      {0x1p-137, 0x1p-136},
      {0x1p-138, 0},
      {0x1.FFCp127, 0x1.FFCp127},  // the largest one
      {0x1.FFEp127, kInfinity},
      {-0x1.FFEp127, -kInfinity},
      {-kInfinity, -kInfinity},
  };
  for (const auto& c : cases) EXPECT_EQ(round_to_tf32(c.value), c.expected) << c.value;
  EXPECT_TRUE(std::signbit(round_to_tf32(-0.0)));
  EXPECT_TRUE(std::isnan(round_to_tf32(kNan)));
}

TEST(RoundTo, NearestEvenAndRanges) {
  struct {
    double value;
    DType dtype;
    double expected;
  } cases[] = {
      {1 + 0x1p-8, DType::bf16, 1},               // a tie: to even
      {1 + 3 * 0x1p-8, DType::bf16, 1 + 0x1p-6},  // a tie: to even, upwards
      {1 + 0x1p-8 + 0x1p-30, DType::bf16, 1 + 0x1p-7},
      {-3.4e38, DType::bf16, -kInfinity},
      {3.38e38, DType::bf16, 0x1.FCp127},
      {1 + 0x1p-11, DType::f16, 1},
      {65519, DType::f16, 65504},
      {65520, DType::f16, kInfinity},
      {0x1p-24, DType::f16, 0x1p-24},  // the smallest subnormal
      {0x1p-25, DType::f16, 0},
      {1.5 * 0x1p-25, DType::f16, 0x1p-24},
      {kInfinity, DType::f16, kInfinity},
      {1 + 0x1p-24, DType::f32, 1},
      {2.9, DType::u8, 2},
      {-1, DType::u8, 0},
      {256, DType::u8, 255},
      {-2.9, DType::i32, -2},
      {3e9, DType::i32, 2147483647},
      {kNan, DType::i32, 0},
      {-5.5, DType::i64, -5},
  };
  for (const auto& c : cases) EXPECT_EQ(round_to(c.value, c.dtype), c.expected) << c.value << " to " << name_of(c.dtype);
  EXPECT_TRUE(std::isnan(round_to(kNan, DType::bf16)));
  EXPECT_TRUE(std::signbit(round_to(-0.0, DType::f16)));
}

}  // namespace
}  // namespace netc
