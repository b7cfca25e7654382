// Weight gradients by Winograd's algorithm: against the definition in double precision, with odd sizes, in parts; and that no result
// depends on the split into calls.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "compiler/lower/winograd_gradient_plan.h"
#include "tests/cpu/blocked_convolution.h"
#include "tests/cpu/kernel_harness.h"
#include "tests/tolerance.h"

namespace netc {
namespace {

struct Case {
  BlockedConvolution convolution;
  int64_t parts;
};

const Case kCases[] = {
    {{1, 16, 7, 7, 16, 3, 3, 1, 1}, 1},   {{4, 32, 7, 7, 48, 3, 3, 1, 1}, 2},   {{3, 64, 14, 14, 32, 3, 3, 1, 1}, 3},
    {{6, 16, 14, 14, 64, 3, 3, 1, 1}, 2}, {{2, 32, 13, 17, 32, 3, 3, 1, 1}, 1}, {{3, 16, 17, 13, 16, 3, 3, 1, 1}, 3},
    {{2, 16, 56, 56, 16, 3, 3, 1, 1}, 1}, {{4, 48, 3, 3, 16, 3, 3, 1, 1}, 2},   {{2, 16, 9, 11, 32, 3, 3, 1, 0}, 2},
    {{1, 16, 8, 150, 16, 3, 3, 1, 1}, 1}, {{2, 16, 5, 6, 32, 3, 3, 1, 2}, 1},   {{5, 16, 1, 2, 16, 3, 3, 1, 1}, 1},
    {{2, 256, 8, 8, 128, 3, 3, 1, 1}, 2}, {{1, 16, 4, 500, 16, 3, 3, 1, 1}, 1},
};

void check(const Case& c, const Winograd& winograd, const Target& target, DType dtype) {
  const BlockedConvolution& v = c.convolution;
  SCOPED_TRACE(name_of(v) + ", tile " + std::to_string(winograd.tile) + ", parts " + std::to_string(c.parts));
  std::mt19937 random(7);
  const KernelBody body = with_winograd_gradient(blocked_body(v, Direction::weight_gradient, false, dtype), winograd, c.parts);
  verify(body);
  const HostTensor x = blocked_tensor(v, body, 0, random), dy = blocked_tensor(v, body, 1, random);
  const HostTensor expected = reference(body, {&x, &dy, nullptr})[2];
  const CompiledKernel kernel(body, target);
  const HostTensor got = kernel.run({&x, &dy, nullptr})[2], reversed = kernel.run({&x, &dy, nullptr}, {}, Split::reversed_singles)[2];
  EXPECT_EQ(got.data, reversed.data) << "depends on the split";
  ASSERT_EQ(got.data.size(), expected.data.size());
  double largest = 0, error = 0;
  for (size_t i = 0; i < expected.data.size(); ++i) {
    ASSERT_TRUE(std::isfinite(got.data[i])) << i;
    largest = std::max(largest, std::abs(expected.data[i]));
    error = std::max(error, std::abs(expected.data[i] - got.data[i]));
  }
  // The bound of a convolution with sums as long as this one's, of all pixels instead of 9 of every channel.
  const int64_t terms = v.n / c.parts * v.out_h() * v.out_w();
  EXPECT_LE(error, winograd_tolerance(winograd.tile, std::max<int64_t>(1, terms / 9)) * largest);
}

// Of a target, over operands of a type.
class WinogradGradientKernel : public testing::TestWithParam<std::tuple<const char*, DType>> {};

TEST_P(WinogradGradientKernel, IsTheWeightGradient) {
  for (const Case& c : kCases)
    for (int64_t tile : {2, 4}) check(c, {tile}, target_named(std::get<0>(GetParam())), std::get<1>(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Targets, WinogradGradientKernel,
                         testing::Combine(testing::Values("native", "x86-64-v3", "x86-64"), testing::Values(DType::f32, DType::bf16, DType::f16)),
                         [](const auto& instance) {
                           std::string name = std::get<0>(instance.param);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name + "_" + std::string(name_of(std::get<1>(instance.param)));
                         });

}  // namespace
}  // namespace netc
