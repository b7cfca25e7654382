// Direct contractions: blocked operands in every direction, odd sizes, channel counts that are no multiple of 16,
// halos, strides, dilation, groups, epilogues, partial sums; and that no result depends on the split into calls.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "compiler/lower/direct_plan.h"
#include "tests/cpu/blocked_convolution.h"
#include "tests/cpu/kernel_harness.h"
#include "tests/tolerance.h"

namespace netc {
namespace {

const BlockedConvolution kCases[] = {
    {2, 16, 9, 9, 16, 3, 3, 1, 1},      {1, 32, 14, 14, 48, 3, 3, 1, 1},   {2, 24, 7, 7, 40, 3, 3, 1, 1},
    {2, 3, 23, 21, 24, 7, 7, 2, 3},     {1, 5, 11, 13, 32, 5, 3, 1, 2},    {2, 32, 12, 10, 64, 1, 1, 1, 0},
    {2, 64, 13, 13, 112, 1, 1, 1, 0},   {2, 32, 14, 14, 32, 3, 3, 2, 1},   {2, 48, 15, 13, 16, 3, 3, 2, 1},
    {2, 32, 14, 14, 64, 1, 1, 2, 0},    {1, 32, 13, 15, 16, 1, 1, 2, 0},   {1, 16, 10, 10, 16, 3, 3, 1, 2, 2},
    {2, 64, 9, 9, 96, 3, 3, 1, 1, 1, 2}, {1, 32, 8, 30, 16, 2, 2, 2, 0},    {4, 160, 1, 1, 32, 1, 1, 1, 0},
    {1, 64, 1, 1, 1000, 1, 1, 1, 0},    {2, 16, 16, 16, 16, 3, 3, 3, 1},   {1, 256, 7, 7, 64, 3, 3, 1, 1},
    {1, 16, 5, 5, 208, 5, 5, 1, 2},
};

void check(const BlockedConvolution& v, Direction direction, KernelBody body, const Target& target) {
  SCOPED_TRACE(std::string(name_of(direction)) + " of " + name_of(v));
  ASSERT_TRUE(plan_direct(body, target));
  std::mt19937 random(7);
  std::vector<HostTensor> tensors;
  for (size_t i = 0; i < body.operands.size(); ++i)
    tensors.push_back(body.operands[i].written ? HostTensor{} : blocked_tensor(v, body, static_cast<int>(i), random));
  std::vector<const HostTensor*> operands;
  for (size_t i = 0; i < body.operands.size(); ++i) operands.push_back(body.operands[i].written ? nullptr : &tensors[i]);
  const std::vector<HostTensor> expected = reference(body, operands);
  const CompiledKernel kernel(body, target);
  const std::vector<HostTensor> got = kernel.run(operands), again = kernel.run(operands, {}, Split::reversed_singles);
  const int64_t length = reduction_length(body);
  expect_close(expected[2], got[2], body.operands[2].dtype, length, "result");
  EXPECT_EQ(got[2].data, again[2].data) << "depends on the split";
  for (const PartialSum& p : body.partials) {
    const auto o = static_cast<size_t>(p.output);
    HostTensor total{expected[o].shape, std::vector<double>(expected[o].data.size(), 0.0)};
    for (size_t i = 0; i < got[o].data.size(); ++i) total.data[i % total.data.size()] += got[o].data[i];
    expect_close(expected[o], total, DType::f32, length * body.nest.parallel_count() / total.shape[0], "partial sums");
    EXPECT_EQ(got[o].data, again[o].data) << "depends on the split";
  }
}

// The target as it is where the instruction is missing.
Target without_dot_products(Target target) {
  target.bf16_pairs = false;
  return target;
}

class Direct : public testing::TestWithParam<const char*> {};

TEST_P(Direct, EveryDirection) {
  const Target target = target_named(GetParam());
  for (const BlockedConvolution& v : kCases)
    for (Direction direction : {Direction::forward, Direction::data_gradient, Direction::weight_gradient}) {
      if (direction == Direction::data_gradient && v.c < 16) continue;  // nobody asks for the image's gradient
      check(v, direction, blocked_body(v, direction), target);
    }
}

// Pairs where the target multiplies them, else widened one by one.
TEST_P(Direct, SixteenBitOperands) {
  const Target target = target_named(GetParam());
  for (DType dtype : {DType::bf16, DType::f16})
    for (const BlockedConvolution& v : kCases)
      for (Direction direction : {Direction::forward, Direction::data_gradient, Direction::weight_gradient}) {
        if (direction == Direction::data_gradient && v.c < 16) continue;
        if (dtype == DType::f16 && v.window_h > 1) continue;  // the same code but for the conversion
        const KernelBody body = blocked_body(v, direction, false, dtype);
        const bool pairs = dtype == DType::bf16 && target.bf16_pairs && reduction_length(body) > 1;
        EXPECT_EQ(plan_direct(body, target)->dot_products, pairs) << name_of(direction) << " of " << name_of(v);
        check(v, direction, body, target);
      }
}

// bf16 values with exponents between two, and one in a thousand that is infinite or NaN; zeros stay.
HostTensor with_exponents(HostTensor tensor, int low, int high, bool special, std::mt19937& random) {
  for (double& value : tensor.data) {
    if (value == 0) continue;
    const int exponent = special && random() % 1000 == 0 ? 255 : low + static_cast<int>(random() % static_cast<unsigned>(high - low + 1));
    value = static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(random() & 0x807f0000u) | static_cast<uint32_t>(exponent) << 23));
  }
  return tensor;
}

// Dot products of pairs by the processor's instruction, and by the f32 arithmetic of targets that lack it.
TEST_P(Direct, PairsHaveTheSameBitsOnEveryTarget) {
  const Target native = host_target(), target = without_dot_products(target_named(GetParam()));
  if (!native.bf16_pairs) GTEST_SKIP() << "this processor has no instruction for pairs of bf16";
  struct Range {
    const char* what;
    int low, high;  // of exponents, biased by 127
    bool special;
  };
  constexpr Range kRanges[] = {{"ordinary", 115, 135, false}, {"infinite and NaN", 115, 135, true},
                               {"subnormal products", 50, 72, false}, {"subnormal factors", 0, 127, false},
                               {"overflowing", 170, 200, true}};
  std::mt19937 random(7);
  for (size_t r = 0; r < std::size(kRanges); ++r) {
    const Range& range = kRanges[r];
    // The product of a multiply-add that is not fused is flushed, or overflows, by itself.
    if (!target.fma && (range.low < 64 || range.high > 140)) continue;
    for (size_t c = 0; c < std::size(kCases); ++c) {
      if (c % 3 != r % 3) continue;
      for (Direction direction : {Direction::forward, Direction::data_gradient, Direction::weight_gradient}) {
        const BlockedConvolution& v = kCases[c];
        if (direction == Direction::data_gradient && v.c < 16) continue;
        const KernelBody body = blocked_body(v, direction, false, DType::bf16);
        std::vector<HostTensor> tensors;
        for (int i = 0; i < 2; ++i)
          tensors.push_back(with_exponents(blocked_tensor(v, body, i, random), range.low, range.high, range.special, random));
        const auto run = [&](const Target& t) { return CompiledKernel(body, t).run({&tensors[0], &tensors[1], nullptr})[2].data; };
        const std::vector<double> expected = run(native), got = run(target);
        for (size_t i = 0; i < expected.size(); ++i) {
          if (std::isnan(expected[i]) && std::isnan(got[i])) continue;
          ASSERT_EQ(std::bit_cast<uint64_t>(expected[i]), std::bit_cast<uint64_t>(got[i]))
              << range.what << ": " << expected[i] << " and " << got[i] << " in " << name_of(direction) << " of " << name_of(v);
        }
      }
    }
  }
}

// Products of two f16 are exact in f32, so a fused multiply-add rounds no less than a product and a sum; conversions are the
// processor's, or integer arithmetic.
TEST_P(Direct, F16HasTheSameBitsOnEveryTarget) {
  std::mt19937 random(11);
  const Target native = host_target(), target = target_named(GetParam());
  for (size_t c = 0; c < std::size(kCases); c += 3)
    for (Direction direction : {Direction::forward, Direction::data_gradient, Direction::weight_gradient}) {
      const BlockedConvolution& v = kCases[c];
      if (direction == Direction::data_gradient && v.c < 16) continue;
      const KernelBody body = blocked_body(v, direction, false, DType::f16);
      std::vector<HostTensor> tensors;
      for (int i = 0; i < 2; ++i) {
        tensors.push_back(blocked_tensor(v, body, i, random));
        for (double& value : tensors.back().data)  // from subnormals to the largest
          if (value != 0) value = round_to(std::ldexp(value, static_cast<int>(random() % 40) - 24), DType::f16);
      }
      const auto run = [&](const Target& t) { return CompiledKernel(body, t).run({&tensors[0], &tensors[1], nullptr})[2].data; };
      EXPECT_EQ(run(native), run(target)) << name_of(direction) << " of " << name_of(v);
    }
}

TEST_P(Direct, EpiloguesHalosAndPartialSums) {
  const Target target = target_named(GetParam());
  bool halo = false;
  for (const BlockedConvolution& v : kCases)
    for (Direction direction : {Direction::forward, Direction::data_gradient}) {
      if (direction == Direction::data_gradient && v.c < 16) continue;
      halo = !halo;
      KernelBody body = blocked_body(v, direction, halo);
      add_epilogue(body, v.groups > 1 ? body.nest.extents[1] * 16 : direction == Direction::forward ? v.k : v.c);
      add_channel_sums(body, task_grid(body, target).partial_rows({1, body.nest.parallel - 1}));
      check(v, direction, body, target);
    }
}

INSTANTIATE_TEST_SUITE_P(Targets, Direct, testing::Values("native", "x86-64-v3", "x86-64"), [](const auto& instance) {
  std::string name = instance.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace netc
