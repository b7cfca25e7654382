// The elementary functions against double precision over dense ranges of f32, and Philox bit for bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdio>

#include "compiler/base/random.h"
#include "tests/cpu/kernel_harness.h"

namespace netc {
namespace {

// A map of one operand over [count]: y = make(dag, x).
KernelBody map_body(int64_t count, const std::function<ExprId(Dag&, ExprId)>& make) {
  KernelBody body;
  body.operands = {dense_operand("x", {DType::f32, {count}}, false), dense_operand("y", {DType::f32, {count}}, true)};
  body.nest.extents = {count};
  body.nest.parallel = 1;
  Dag& d = body.nest.dag;
  body.nest.stores = {{1, make(d, d.load(0, {d.axis(0)}))}};
  return body;
}

double ulp_of(double value) {
  const double magnitude = std::max(std::abs(value), 0x1p-126);
  return std::ldexp(1.0, std::ilogb(magnitude) - 23);
}

// Every f32 whose bit pattern is a multiple of `step`, of both signs, within [low, high]; not so small that an
// intermediate result would be subnormal, which the runtime's mode makes zero.
HostTensor dense_range(double low, double high, uint32_t step) {
  HostTensor x{{0}, {}};
  for (uint64_t bits = 0; bits < 0x7f800000u; bits += step)
    for (uint32_t sign : {0u, 0x80000000u}) {
      const double v = static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(bits) | sign));
      if (v >= low && v <= high && (v == 0 || std::abs(v) >= 0x1p-120)) x.data.push_back(v);
    }
  x.shape[0] = static_cast<int64_t>(x.data.size());
  return x;
}

struct Function {
  const char* name;
  ExprKind kind;
  double low, high;
  double allowed_ulp;
};

class Math : public testing::TestWithParam<const char*> {};

TEST_P(Math, ErrorsStayWithinTheirBounds) {
  const Function functions[] = {
      {"exp", ExprKind::exp, -87.3, 88.7, 2},  {"log", ExprKind::log, 0x1p-120, 3e38, 2},
      {"tanh", ExprKind::tanh, -100, 100, 4},  {"erf", ExprKind::erf, -10, 10, 4},
      {"sqrt", ExprKind::sqrt, 0, 3e38, 0.51}, {"floor", ExprKind::floor, -1e9, 1e9, 0},
      {"tf32", ExprKind::round_tf32, -3.4e38, 3.4e38, 0},
  };
  for (const Function& f : functions) {
    const HostTensor x = dense_range(f.low, f.high, 4001);
    const CompiledKernel kernel(map_body(x.shape[0], [&](Dag& d, ExprId v) { return d.unary(f.kind, v); }),
                                target_named(GetParam()));
    const HostTensor y = kernel.run({&x, nullptr})[1];
    double worst = 0, where = 0;
    for (size_t i = 0; i < x.data.size(); ++i) {
      const double expected = evaluate(f.kind, x.data[i]);
      const double error = std::abs(y.data[i] - expected) / ulp_of(expected);
      if (!(error <= worst)) {
        worst = error;
        where = x.data[i];
      }
    }
    std::printf("  %-6s %-10s worst error %.2f ulp at %.9g (%zu points)\n", f.name, GetParam(), worst, where, x.data.size());
    EXPECT_LE(worst, f.allowed_ulp) << f.name << " at " << where;
  }
}

TEST_P(Math, SpecialValues) {
  const double inf = HUGE_VAL, nan = std::nan("");
  const HostTensor x{{11}, {0.0, -0.0, inf, -inf, nan, 200, -200, 1, -1, 88.72283, -103}};
  auto run = [&](ExprKind kind) {
    return CompiledKernel(map_body(11, [&](Dag& d, ExprId v) { return d.unary(kind, v); }), target_named(GetParam()))
        .run({&x, nullptr})[1].data;
  };
  const std::vector<double> e = run(ExprKind::exp), l = run(ExprKind::log), t = run(ExprKind::tanh), r = run(ExprKind::erf);
  EXPECT_EQ(e[0], 1);
  EXPECT_EQ(e[2], inf);
  EXPECT_EQ(e[3], 0);
  EXPECT_TRUE(std::isnan(e[4]));
  EXPECT_EQ(e[5], inf);
  EXPECT_EQ(e[6], 0);
  EXPECT_TRUE(std::isfinite(e[9]));
  EXPECT_EQ(l[0], -inf);
  EXPECT_EQ(l[2], inf);
  EXPECT_TRUE(std::isnan(l[3]) && std::isnan(l[4]) && std::isnan(l[8]));
  EXPECT_EQ(l[7], 0);
  EXPECT_EQ(t[2], 1);
  EXPECT_EQ(t[3], -1);
  EXPECT_TRUE(std::isnan(t[4]) && std::isnan(r[4]));
  EXPECT_EQ(r[2], 1);
  EXPECT_EQ(r[6], -1);
}

TEST_P(Math, MaximumAndMinimumKeepNaN) {
  const double nan = std::nan("");
  const HostTensor a{{6}, {1, nan, 2, nan, -3, 5}}, b{{6}, {2, 1, nan, nan, -4, 5}};
  for (ExprKind kind : {ExprKind::max, ExprKind::min}) {
    KernelBody body = map_body(6, [&](Dag& d, ExprId x) { return d.binary(kind, x, d.load(2, {d.axis(0)})); });
    body.operands.push_back(dense_operand("b", {DType::f32, {6}}, false));
    const HostTensor y = CompiledKernel(body, target_named(GetParam())).run({&a, nullptr, &b})[1];
    for (size_t i = 0; i < 6; ++i) {
      const double expected = evaluate(kind, a.data[i], b.data[i]);
      EXPECT_TRUE(std::isnan(expected) ? std::isnan(y.data[i]) : expected == y.data[i] || std::isnan(a.data[i] + b.data[i]));
      EXPECT_EQ(std::isnan(y.data[i]), std::isnan(a.data[i]) || std::isnan(b.data[i])) << i;
    }
  }
}

TEST_P(Math, UniformIsPhiloxBitForBit) {
  const int64_t samples = 5, elements = 77;
  KernelBody body;
  body.operands = {dense_operand("y", {DType::f32, {samples, elements}}, true)};
  body.nest.extents = {samples, elements};
  body.nest.parallel = 2;
  Dag& d = body.nest.dag;
  const uint32_t key = path_key("stage.0.dropout0");
  body.nest.stores = {{0, d.uniform(key, d.index_add(d.axis(0), d.scalar(IndexScalar::first_sample)),
                                    d.index_add(d.index_mul(d.axis(1), int64_t{3}), d.index(1)))}};
  RuntimeScalars scalars;
  scalars.seed = 0x0123456789abcdef;
  scalars.step = 0x1122334455;
  scalars.first_sample = 60000;
  const HostTensor y = CompiledKernel(body, target_named(GetParam())).run({nullptr}, scalars)[0];
  for (int64_t s = 0; s < samples; ++s)
    for (int64_t e = 0; e < elements; ++e) {
      const uint32_t bits = random_bits(static_cast<uint64_t>(scalars.seed), key, static_cast<uint64_t>(scalars.step),
                                        static_cast<uint64_t>(60000 + s), static_cast<uint64_t>(3 * e + 1));
      EXPECT_EQ(y.data[static_cast<size_t>(s * elements + e)], uniform_from_bits(bits));
    }
}

// Every 16-bit pattern survives loading and storing; f32 rounds to nearest even.
TEST_P(Math, SixteenBitFormats) {
  for (DType dtype : {DType::f16, DType::bf16}) {
    HostTensor x{{65536}, {}};
    for (uint32_t bits = 0; bits < 65536; ++bits) {
      const uint16_t pattern = static_cast<uint16_t>(bits);
      const double v = read_element(reinterpret_cast<const std::byte*>(&pattern), dtype);
      const bool flushed = std::abs(v) < 0x1p-126;  // f32 subnormals are zero in the runtime's mode
      x.data.push_back(std::isnan(v) ? 1.0 : flushed ? 0.0 : v);
    }
    KernelBody body = map_body(65536, [](Dag&, ExprId v) { return v; });
    body.operands[0].dtype = dtype;
    body.operands[1].dtype = dtype;
    EXPECT_EQ(CompiledKernel(body, target_named(GetParam())).run({&x, nullptr})[1].data, x.data);

    std::mt19937 random(3);
    HostTensor reals{{40000}, {}};
    for (int i = 0; i < 40000; ++i) {
      const double scale = std::ldexp(1.0, static_cast<int>(random() % 48) - 30);
      reals.data.push_back(static_cast<double>(static_cast<float>((static_cast<double>(random()) / 2147483648.0 - 1) * scale)));
    }
    KernelBody rounding = map_body(40000, [](Dag&, ExprId v) { return v; });
    rounding.operands[1].dtype = dtype;
    const HostTensor rounded = CompiledKernel(rounding, target_named(GetParam())).run({&reals, nullptr})[1];
    for (size_t i = 0; i < reals.data.size(); ++i)
      ASSERT_EQ(rounded.data[i], round_to(reals.data[i], dtype)) << reals.data[i] << " as " << name_of(dtype);
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Math, testing::Values("native", "x86-64-v3", "x86-64"), [](const auto& instance) {
  std::string name = instance.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace netc
