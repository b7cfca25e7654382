// Direct contractions: blocked operands in every direction, odd sizes, channel counts that are no multiple of 16,
// halos, strides, dilation, groups, epilogues, partial sums; and that no result depends on the split into calls.
#include <gtest/gtest.h>

#include <algorithm>

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
        EXPECT_EQ(plan_direct(body, target)->pairs, pairs) << name_of(direction) << " of " << name_of(v);
        check(v, direction, body, target);
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
