// Loop nests against results computed by hand, and every instruction against Dag's evaluate().
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "compiler/base/error.h"
#include "compiler/base/random.h"
#include "compiler/interpret/evaluate.h"

namespace netc {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

HostTensor tensor(Shape shape, std::vector<double> data) { return {std::move(shape), std::move(data)}; }
HostTensor counting(Shape shape) {
  HostTensor t{shape, std::vector<double>(static_cast<size_t>(element_count(shape)))};
  std::iota(t.data.begin(), t.data.end(), 0.0);
  return t;
}

HostTensor run(const LoopNest& nest, const std::vector<const HostTensor*>& operands, DType dtype = DType::f32,
               const RunScalars& scalars = {}) {
  return evaluate_nest(nest, operands, {{dtype, nest.parallel_extents()}}, scalars).at(0);
}

// A map over `shape` without reductions.
template <class Body>
LoopNest map(Shape shape, Body body) {
  LoopNest nest;
  nest.extents = shape;
  nest.parallel = static_cast<int>(shape.size());
  ExprId value = body(nest.dag);
  nest.stores = {{0, value}};
  return nest;
}

TEST(Nest, TransposeOfAnyBlockCount) {
  for (int64_t rows : {1, 3, 40})
    for (int64_t columns : {1, 5, 70}) {
      HostTensor x = counting({columns, rows});
      HostTensor y = run(map({rows, columns}, [](Dag& d) { return d.load(0, {d.axis(1), d.axis(0)}); }), {&x});
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < columns; ++c) ASSERT_EQ(y.data[static_cast<size_t>(r * columns + c)], c * rows + r);
    }
}

TEST(Nest, ViewsOfWholeBlocksAndTheRest) {
  HostTensor x = counting({700});
  HostTensor y = run(map({700}, [](Dag& d) { return d.mul(d.load(0, {d.axis(0)}), d.real(2)); }), {&x});
  for (size_t i = 0; i < 700; ++i) ASSERT_EQ(y.data[i], 2.0 * static_cast<double>(i));
  // A shifted view: y[i] = x[i + 100].
  HostTensor z = run(map({600}, [](Dag& d) { return d.load(0, {d.index_add(d.axis(0), d.index(100))}); }), {&x});
  for (size_t i = 0; i < 600; ++i) ASSERT_EQ(z.data[i], static_cast<double>(i + 100));
}

TEST(Nest, RankZeroAndExtentsOfOne) {
  HostTensor x = tensor({}, {3});
  EXPECT_EQ(run(map({}, [](Dag& d) { return d.mul(d.load(0, {}), d.load(0, {})); }), {&x}).data, std::vector<double>{9});
  HostTensor column = tensor({3, 1, 1}, {1, 2, 3});
  HostTensor y = run(map({3, 1, 2}, [](Dag& d) { return d.load(0, {d.axis(0), d.index(0), d.axis(1)}); }), {&column});
  EXPECT_EQ(y.data, (std::vector<double>{1, 1, 2, 2, 3, 3}));
}

TEST(Nest, GuardedLoadsPadWithZeros) {
  HostTensor x = tensor({3}, {1, 2, 3});
  HostTensor y = run(map({6}, [](Dag& d) {
                       ExprId i = d.index_sub(d.axis(0), d.index(2));
                       return d.load(0, {i}, d.in_range(i, 3));
                     }),
                     {&x});
  EXPECT_EQ(y.data, (std::vector<double>{0, 0, 1, 2, 3, 0}));
}

TEST(Nest, LoadsOutsideOfTheirOperandAreBugs) {
  HostTensor x = tensor({3}, {1, 2, 3});
  EXPECT_THROW(run(map({4}, [](Dag& d) { return d.load(0, {d.axis(0)}); }), {&x}), InternalError);
  // A guard that lets one point too many through.
  EXPECT_THROW(run(map({6}, [](Dag& d) { return d.load(0, {d.axis(0)}, d.in_range(d.axis(0), 4)); }), {&x}), InternalError);
  EXPECT_THROW(run(map({2}, [](Dag& d) { return d.load(1, {d.axis(0)}); }), {&x, nullptr}), InternalError);
}

TEST(Nest, DivisionAndModulusFloor) {
  HostTensor y = run(map({7}, [](Dag& d) {
                       ExprId i = d.index_sub(d.axis(0), d.index(3));
                       return d.from_index(d.index_add(d.index_mul(d.index_floor_div(i, 2), d.index(10)), d.index_floor_mod(i, 2)));
                     }),
                     {});
  EXPECT_EQ(y.data, (std::vector<double>{-19, -10, -9, 0, 1, 10, 11}));
}

TEST(Nest, IndirectLoads) {
  HostTensor table = tensor({4}, {10, 11, 12, 13}), labels = tensor({3}, {2, 0, 3});
  HostTensor y = run(map({3}, [](Dag& d) { return d.load(0, {d.index_load(1, {d.axis(0)})}); }), {&table, &labels});
  EXPECT_EQ(y.data, (std::vector<double>{12, 10, 13}));
}

TEST(Nest, ReductionsOfEveryKind) {
  HostTensor x = tensor({2, 2, 3}, {1, 5, 2, 5, -1, 0, kNan, 2, 3, kNan, 9, 1});
  auto reduce = [&](ReduceKind kind) {
    LoopNest nest;
    nest.extents = {2, 2, 3};
    nest.parallel = 1;
    Dag& d = nest.dag;
    nest.reductions = {{kind, d.load(0, {d.axis(0), d.axis(1), d.axis(2)})}};
    nest.stores = {{0, d.reduced(0)}};
    return run(nest, {&x}).data;
  };
  EXPECT_EQ(reduce(ReduceKind::sum)[0], 12);
  EXPECT_EQ(reduce(ReduceKind::max)[0], 5);
  EXPECT_EQ(reduce(ReduceKind::min)[0], -1);
  EXPECT_EQ(reduce(ReduceKind::argmax)[0], 1);  // the first of two maxima
  EXPECT_TRUE(std::isnan(reduce(ReduceKind::max)[1]));
  EXPECT_TRUE(std::isnan(reduce(ReduceKind::min)[1]));
  EXPECT_EQ(reduce(ReduceKind::argmax)[1], 0);  // the first NaN
}

TEST(Nest, SeveralReductionsLongerAndShorterThanABlock) {
  for (int64_t depth : {1, 7, 300, 1000}) {
    HostTensor x = counting({5, depth});
    LoopNest nest;
    nest.extents = {5, depth};
    nest.parallel = 1;
    Dag& d = nest.dag;
    ExprId value = d.load(0, {d.axis(0), d.axis(1)});
    nest.reductions = {{ReduceKind::sum, value}, {ReduceKind::max, value}};
    nest.stores = {{0, d.sub(d.reduced(1), d.div(d.reduced(0), d.real(static_cast<double>(depth))))}};
    HostTensor y = run(nest, {&x});
    for (double value_at : y.data) ASSERT_DOUBLE_EQ(value_at, static_cast<double>(depth - 1) / 2);
  }
}

TEST(Nest, EveryRealInstructionMeansWhatEvaluateSays) {
  std::vector<double> values{0.0, -0.0, 1.5, -2.5, 3, 1e300, -1e-300, kInfinity, -kInfinity, kNan};
  HostTensor a{{10, 10}, {}}, b{{10, 10}, {}};
  for (double x : values)
    for (double y : values) {
      a.data.push_back(x);
      b.data.push_back(y);
    }
  auto same = [](double x, double y) { return std::isnan(x) ? std::isnan(y) : x == y && std::signbit(x) == std::signbit(y); };
  for (ExprKind kind : {ExprKind::add, ExprKind::sub, ExprKind::mul, ExprKind::div, ExprKind::min, ExprKind::max, ExprKind::neg,
                        ExprKind::abs, ExprKind::exp, ExprKind::log, ExprKind::sqrt, ExprKind::tanh, ExprKind::erf, ExprKind::floor,
                        ExprKind::round_tf32}) {
    bool binary = kind == ExprKind::add || kind == ExprKind::sub || kind == ExprKind::mul || kind == ExprKind::div ||
                  kind == ExprKind::min || kind == ExprKind::max;
    HostTensor y = run(map({10, 10}, [&](Dag& d) {
                         ExprId x0 = d.load(0, {d.axis(0), d.axis(1)}), x1 = d.load(1, {d.axis(0), d.axis(1)});
                         return binary ? d.binary(kind, x0, x1) : d.unary(kind, x0);
                       }),
                       {&a, &b});
    for (size_t i = 0; i < 100; ++i)
      ASSERT_TRUE(same(y.data[i], evaluate(kind, a.data[i], b.data[i])))
          << static_cast<int>(kind) << " of " << a.data[i] << ", " << b.data[i] << " is " << y.data[i];
  }
}

TEST(Nest, ComparisonsAndSelections) {
  HostTensor x = tensor({4}, {1, kNan, 2, -0.0});
  auto count = [&](auto condition) {
    HostTensor y = run(map({4}, [&](Dag& d) {
                         ExprId v = d.load(0, {d.axis(0)});
                         return d.select(condition(d, v), d.real(1), d.real(0));
                       }),
                       {&x});
    return y.data;
  };
  using V = std::vector<double>;
  EXPECT_EQ(count([](Dag& d, ExprId v) { return d.less(v, d.real(2)); }), (V{1, 0, 0, 1}));
  EXPECT_EQ(count([](Dag& d, ExprId v) { return d.less_equal(v, d.real(2)); }), (V{1, 0, 1, 1}));
  EXPECT_EQ(count([](Dag& d, ExprId v) { return d.equal(v, d.real(0)); }), (V{0, 0, 0, 1}));
  EXPECT_EQ(count([](Dag& d, ExprId v) { return d.logical_not(d.less(v, d.real(2))); }), (V{0, 1, 1, 0}));
  EXPECT_EQ(count([](Dag& d, ExprId v) { return d.logical_or(d.less(v, d.real(1)), d.index_less(d.axis(0), d.index(1))); }),
            (V{1, 0, 0, 1}));
  EXPECT_EQ(count([](Dag& d, ExprId) { return d.index_equal(d.axis(0), d.index(2)); }), (V{0, 0, 1, 0}));
}

TEST(Nest, IndexFloorSaturates) {
  HostTensor x = tensor({5}, {-1.5, 2.9, kNan, 1e30, -1e30});
  HostTensor y = run(map({5}, [](Dag& d) { return d.from_index(d.index_floor(d.load(0, {d.axis(0)}))); }), {&x});
  EXPECT_EQ(y.data, (std::vector<double>{-2, 2, -0x1p63, 0x1p63, -0x1p63}));
}

TEST(Nest, NarrowOutputsAreRounded) {
  HostTensor x = tensor({3}, {1.0000001, 300.7, -2.5});
  auto copy = map({3}, [](Dag& d) { return d.load(0, {d.axis(0)}); });
  EXPECT_EQ(run(copy, {&x}, DType::f32).data, x.data);
  EXPECT_EQ(run(copy, {&x}, DType::u8).data, (std::vector<double>{1, 255, 0}));
  EXPECT_EQ(run(copy, {&x}, DType::bf16).data, (std::vector<double>{1, 300, -2.5}));
}

TEST(Nest, ScalarsOfTheRun) {
  RunScalars scalars;
  scalars.scalars.step = 3;
  scalars.scalars.valid_count = 2;
  scalars.scalars.first_sample = 10;
  scalars.scalars.loss_scale = 8;
  scalars.learning_rate = 0.1;
  auto value = [&](auto body) { return run(map({}, body), {}, DType::f32, scalars).data.at(0); };
  EXPECT_EQ(value([](Dag& d) { return d.from_index(d.scalar(IndexScalar::step)); }), 3);
  EXPECT_EQ(value([](Dag& d) { return d.from_index(d.scalar(IndexScalar::valid_count)); }), 2);
  EXPECT_EQ(value([](Dag& d) { return d.from_index(d.scalar(IndexScalar::first_sample)); }), 10);
  EXPECT_EQ(value([](Dag& d) { return d.scalar(RealScalar::loss_scale); }), 8);
  EXPECT_EQ(value([](Dag& d) { return d.scalar(RealScalar::learning_rate); }), 0.1);
}

TEST(Nest, UniformIsTheRunsDraw) {
  RunScalars scalars;
  scalars.scalars.seed = 77;
  scalars.scalars.step = 5;
  HostTensor y = run(map({2, 3}, [](Dag& d) { return d.uniform(path_key("dropout0"), d.axis(0), d.axis(1)); }), {}, DType::f32, scalars);
  for (uint64_t n = 0; n < 2; ++n)
    for (uint64_t i = 0; i < 3; ++i)
      EXPECT_EQ(y.data[n * 3 + i], uniform_from_bits(random_bits(77, path_key("dropout0"), 5, n, i)));
}

}  // namespace
}  // namespace netc
