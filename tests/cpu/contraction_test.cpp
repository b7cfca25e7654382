// Contractions through the matrix-product path: every direction, odd sizes, strides, dilation, groups,
// epilogues, slices of larger buffers, partial sums, and 16-bit operands.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "compiler/lower/gemm_plan.h"
#include "tests/cpu/kernel_harness.h"
#include "tests/tolerance.h"

namespace netc {
namespace {

struct ConvCase {
  int64_t n, c, h, w, k, window_h, window_w, stride, pad, dilation, groups;
};

Attrs attrs_of(const ConvCase& v) {
  return {{"stride_h", v.stride},     {"stride_w", v.stride},     {"pad_h", v.pad},   {"pad_w", v.pad},
          {"dilation_h", v.dilation}, {"dilation_w", v.dilation}, {"groups", v.groups}};
}

std::string name_of(const ConvCase& v) {
  auto t = [](int64_t x) { return std::to_string(x); };
  return t(v.n) + "x" + t(v.c) + "x" + t(v.h) + "x" + t(v.w) + " to " + t(v.k) + ", window " + t(v.window_h) + "x" +
         t(v.window_w) + ", stride " + t(v.stride) + ", pad " + t(v.pad) + ", dilation " + t(v.dilation) + ", groups " +
         t(v.groups);
}

// Forward, data gradient, weight gradient: the body and its operands' types.
struct Direction {
  std::string name;
  KernelBody body;
  const OpDef* op;
  Attrs attrs;
  std::vector<TensorType> inputs, outputs;
};

std::vector<Direction> directions(const ConvCase& v, DType dtype = DType::f32) {
  const int64_t oh = (v.h + 2 * v.pad - v.dilation * (v.window_h - 1) - 1) / v.stride + 1;
  const int64_t ow = (v.w + 2 * v.pad - v.dilation * (v.window_w - 1) - 1) / v.stride + 1;
  const TensorType x{dtype, {v.n, v.c, v.h, v.w}}, w{dtype, {v.k, v.c / v.groups, v.window_h, v.window_w}},
      y{dtype, {v.n, v.k, oh, ow}};
  Attrs data = attrs_of(v), weight = attrs_of(v);
  data.set("height", v.h);
  data.set("width", v.w);
  weight.set("window_h", v.window_h);
  weight.set("window_w", v.window_w);
  std::vector<Direction> result = {
      {"forward", {}, &op("correlation"), attrs_of(v), {x, w}, {y}},
      {"data gradient", {}, &op("convolution_data_gradient"), data, {w, y}, {x}},
      {"weight gradient", {}, &op("convolution_weight_gradient"), weight, {x, y}, {w}}};
  for (Direction& d : result) {
    d.attrs = complete_attrs(*d.op, d.attrs);
    d.body = body_of(*d.op, d.attrs, d.inputs, {true, true}, d.outputs);
  }
  return result;
}

void check(const Direction& d, const Target& target, const std::string& what) {
  SCOPED_TRACE(what);
  std::mt19937 random(11);
  const HostTensor a = random_tensor(d.inputs[0], -1, 1, random), b = random_tensor(d.inputs[1], -1, 1, random);
  const HostTensor expected = interpret_op(*d.op, d.attrs, {&a, &b}, d.inputs)[0];
  const CompiledKernel kernel(d.body, target);
  const HostTensor got = kernel.run({&a, &b})[2];
  expect_close(expected, got, d.outputs[0].dtype, reduction_length(d.body), what);
  EXPECT_EQ(got.data, kernel.run({&a, &b}, {}, Split::reversed_singles)[2].data) << "depends on the split";
}

const ConvCase kCases[] = {
    {2, 8, 9, 9, 8, 3, 3, 1, 1, 1, 1},     {3, 5, 7, 7, 6, 3, 3, 1, 1, 1, 1},    {1, 16, 14, 14, 32, 3, 3, 2, 1, 1, 1},
    {2, 4, 11, 13, 12, 5, 3, 1, 2, 1, 1},  {2, 6, 12, 10, 8, 1, 1, 2, 0, 1, 1},  {2, 16, 8, 8, 24, 1, 1, 1, 0, 1, 1},
    {2, 3, 23, 21, 16, 7, 7, 2, 3, 1, 1},  {2, 8, 10, 10, 8, 3, 3, 1, 2, 2, 1},  {2, 8, 13, 13, 12, 3, 3, 3, 1, 1, 1},
    {2, 12, 9, 9, 24, 3, 3, 1, 1, 1, 3},   {2, 6, 9, 9, 6, 3, 3, 1, 1, 1, 6},    {2, 8, 9, 9, 16, 3, 3, 2, 1, 1, 2},
    {5, 1, 28, 28, 16, 3, 3, 1, 1, 1, 1},  {4, 32, 7, 7, 40, 3, 3, 1, 1, 1, 1},  {2, 4, 9, 70, 8, 3, 3, 1, 1, 1, 1},
    {1, 4, 3, 600, 8, 1, 3, 1, 1, 1, 1},   {2, 7, 15, 15, 9, 3, 3, 2, 1, 2, 1},  {2, 8, 5, 5, 8, 5, 5, 1, 0, 1, 1},
    {2, 8, 12, 12, 8, 2, 2, 2, 0, 1, 1},   {2, 8, 16, 16, 8, 3, 3, 4, 1, 1, 1},
};

class Contractions : public testing::TestWithParam<const char*> {};

TEST_P(Contractions, EveryDirectionOfConvolution) {
  const Target target = target_named(GetParam());
  for (const ConvCase& v : kCases)
    for (const Direction& d : directions(v)) check(d, target, d.name + " of " + name_of(v));
}

TEST_P(Contractions, SixteenBitOperands) {
  const Target target = target_named(GetParam());
  for (DType dtype : {DType::bf16, DType::f16})
    for (const Direction& d : directions({2, 8, 9, 9, 8, 3, 3, 1, 1, 1, 1}, dtype))
      check(d, target, d.name + " in " + std::string(name_of(dtype)));
}

TEST_P(Contractions, MatrixProducts) {
  const Target target = target_named(GetParam());
  for (auto [m, k, n] : {std::array<int64_t, 3>{128, 40, 10}, {7, 33, 65}, {1, 100, 40}, {64, 784, 100}, {33, 5, 17}, {300, 300, 300}})
    for (bool ta : {false, true})
      for (bool tb : {false, true}) {
        const OpDef& matmul = op("matmul");
        Direction d{"matmul", {}, &matmul, complete_attrs(matmul, {{"transpose_a", ta}, {"transpose_b", tb}}),
                    {{DType::f32, ta ? Shape{k, m} : Shape{m, k}}, {DType::f32, tb ? Shape{n, k} : Shape{k, n}}},
                    {{DType::f32, {m, n}}}};
        d.body = body_of(matmul, d.attrs, d.inputs, {true, true}, d.outputs);
        check(d, target, "matmul " + std::to_string(m) + "x" + std::to_string(k) + "x" + std::to_string(n) +
                             (ta ? " a^T" : "") + (tb ? " b^T" : ""));
      }
}

// conv + bias + residual + relu into channels 3.. of a larger buffer, with sums of y and y^2 per channel.
TEST_P(Contractions, EpilogueIntoASliceWithPartialSums) {
  const Target target = target_named(GetParam());
  const ConvCase v{3, 8, 14, 14, 20, 3, 3, 1, 1, 1, 1};
  const Direction d = directions(v)[0];
  KernelBody body = d.body;
  const Shape y = d.outputs[0].shape;
  body.operands[2].strides[0] = (20 + 7) * 14 * 14;  // a slice of a [3, 27, 14, 14] buffer
  body.operands.push_back(dense_operand("bias", {DType::f32, {20}}, false));
  body.operands.push_back(dense_operand("residual", d.outputs[0], false));
  Dag& dag = body.nest.dag;
  std::vector<ExprId> axes{dag.axis(0), dag.axis(1), dag.axis(2), dag.axis(3)};
  ExprId value = dag.add(dag.add(dag.reduced(0), dag.load(3, {axes[1]})), dag.load(4, axes));
  value = dag.max(value, dag.real(0));
  body.nest.stores = {{2, value}};
  const TaskGrid grid = task_grid(body, target);
  const TensorType rows{DType::f32, {grid.partial_rows({1}), 20}};
  body.operands.push_back(dense_operand("sums", rows, true));
  body.operands.push_back(dense_operand("squares", rows, true));
  body.partials = {{{1}, value, 5}, {{1}, dag.mul(value, value), 6}};

  std::mt19937 random(5);
  const HostTensor x = random_tensor(d.inputs[0], -1, 1, random), w = random_tensor(d.inputs[1], -1, 1, random),
                   bias = random_tensor({DType::f32, {20}}, -1, 1, random), residual = random_tensor(d.outputs[0], -1, 1, random);
  HostTensor expected = interpret_op(*d.op, d.attrs, {&x, &w}, d.inputs)[0];
  HostTensor sums{{20}, std::vector<double>(20, 0.0)}, squares = sums;
  for (size_t i = 0; i < expected.data.size(); ++i) {
    const size_t channel = i / 196 % 20;
    double& e = expected.data[i];
    e = std::max(0.0, e + bias.data[channel] + residual.data[i]);
    sums.data[channel] += e;
    squares.data[channel] += e * e;
  }
  const CompiledKernel kernel(body, target);
  const std::vector<const HostTensor*> operands{&x, &w, nullptr, &bias, &residual, nullptr, nullptr};
  const std::vector<HostTensor> got = kernel.run(operands), again = kernel.run(operands, {}, Split::reversed_singles);
  expect_close(expected, got[2], DType::f32, 72, "y");
  for (size_t o : {size_t{5}, size_t{6}}) {
    HostTensor total{{20}, std::vector<double>(20, 0.0)};
    for (size_t i = 0; i < got[o].data.size(); ++i) total.data[i % 20] += got[o].data[i];
    expect_close(o == 5 ? sums : squares, total, DType::f32, 72 * 588, "partial sums");
    EXPECT_EQ(got[o].data, again[o].data);
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Contractions, testing::Values("native", "x86-64-v3", "x86-64"), [](const auto& instance) {
  std::string name = instance.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

// Not a check: prints GFLOP/s on one thread. --gtest_also_run_disabled_tests --gtest_filter=*Speed*
TEST(Speed, DISABLED_Contractions) {
  const Target target = host_target();
  const ConvCase cases[] = {
      {8, 64, 56, 56, 64, 3, 3, 1, 1, 1, 1},    {8, 128, 28, 28, 128, 3, 3, 1, 1, 1, 1}, {8, 256, 14, 14, 256, 3, 3, 1, 1, 1, 1},
      {8, 512, 7, 7, 512, 3, 3, 1, 1, 1, 1},    {8, 64, 56, 56, 256, 1, 1, 1, 0, 1, 1},  {8, 256, 56, 56, 64, 1, 1, 1, 0, 1, 1},
      {8, 512, 7, 7, 2048, 1, 1, 1, 0, 1, 1},   {8, 256, 56, 56, 512, 1, 1, 2, 0, 1, 1}, {8, 3, 224, 224, 64, 7, 7, 2, 3, 1, 1},
      {128, 16, 32, 32, 16, 3, 3, 1, 1, 1, 1},  {128, 32, 16, 16, 32, 3, 3, 1, 1, 1, 1}, {128, 64, 8, 8, 64, 3, 3, 1, 1, 1, 1},
      {128, 1, 28, 28, 32, 3, 3, 1, 1, 1, 1},   {128, 32, 28, 28, 32, 3, 3, 1, 1, 1, 1}, {128, 64, 14, 14, 64, 3, 3, 1, 1, 1, 1},
      {128, 32, 28, 28, 64, 3, 3, 2, 1, 1, 1},  {32, 32, 28, 28, 32, 3, 3, 1, 1, 1, 32},
  };
  const char* only = std::getenv("NETC_ONLY");
  for (const ConvCase& v : cases) {
    if (only && name_of(v).find(only) == std::string::npos) continue;
    std::printf("%-64s", name_of(v).c_str());
    for (const Direction& d : directions(v)) {
      const CompiledKernel kernel(d.body, target);
      const double seconds = kernel.measure(4);
      const double flops = 2.0 * static_cast<double>(d.body.contraction->contraction.multiply_adds());
      std::printf("  %6.1f (%ld tasks, %4.1f us; %zu KB in %.0f ms)", flops / seconds * 1e-9, static_cast<long>(kernel.tasks()),
                  seconds * 1e6 / static_cast<double>(kernel.tasks()), kernel.object_bytes() >> 10,
                  kernel.compile_seconds() * 1e3);
      std::fflush(stdout);
    }
    std::printf("\n");
    if (std::getenv("NETC_PLANS"))
      for (const Direction& d : directions(v)) {
        const std::optional<GemmPlan> plan = plan_gemm(d.body, target);
        std::printf("%s: %s", d.name.c_str(), plan ? to_string(*plan).c_str() : "nest\n");
      }
  }
}

}  // namespace
}  // namespace netc
