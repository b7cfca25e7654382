// Extents as arguments: kernels of one form share a function, and dividing by an argument is exact.
#include "compiler/backend/cuda/kernel_extents.h"

#include <gtest/gtest.h>

#include <random>

#include "compiler/base/error.h"
#include "tests/cuda/convolution_cases.h"
#include "tests/cuda/emulated_kernels.h"

namespace netc {
namespace {

// Divisor of prelude/common.cuh.
int64_t quotient(int64_t x, const std::vector<int32_t>& words) {
  const uint64_t product = uint64_t{2 * static_cast<uint32_t>(x)} * static_cast<uint32_t>(words[1]);
  return static_cast<int64_t>(product >> 32 >> words[2]);
}

TEST(KernelExtents, DivisionIsExact) {
  constexpr int64_t kLast = INT32_MAX;
  std::mt19937 random(1);
  std::vector<int64_t> divisors;
  for (int64_t d = 1; d <= 1200; ++d) divisors.push_back(d);
  for (int bit = 11; bit < 31; ++bit)
    for (int64_t by : {-1, 0, 1}) divisors.push_back((int64_t{1} << bit) + by);
  for (int i = 0; i < 2000; ++i) divisors.push_back(1 + static_cast<int64_t>(random() % kLast));
  divisors.push_back(kLast);
  for (const int64_t d : divisors) {
    KernelExtents extents;
    extents.count_divisor("by", d);
    const std::vector<int32_t> words = extents.words();
    ASSERT_EQ(words.size(), 3u);
    EXPECT_EQ(words[0], d);
    const auto check = [&](int64_t x) {
      if (x < 0 || x > kLast) return;
      EXPECT_EQ(quotient(x, words), x / d) << x << " / " << d;
    };
    for (const int64_t multiple :
         {int64_t{0}, d, 2 * d, kLast / d * d, (kLast / d - 1) * d, kLast / d / 2 * d})
      for (int64_t by : {-1, 0, 1}) check(multiple + by);
    for (int i = 0; i < 100; ++i) check(static_cast<int64_t>(random() % (uint64_t{1} << 31)));
    check(kLast);
  }
}

TEST(KernelExtents, FieldsFollowTheirGroups) {
  KernelExtents extents;
  EXPECT_EQ(extents.number("stride", 3), "3");
  EXPECT_EQ(extents.number("stride", 64), "e.stride");
  EXPECT_EQ(extents.number("stride", 128), "e.stride1");
  EXPECT_EQ(extents.number("stride", 64), "e.stride");
  EXPECT_EQ(extents.number("offset", 64), "e.offset");
  EXPECT_EQ(extents.divisor("by", 2), "2");
  EXPECT_EQ(extents.divisor("by", 7), "e.by");
  EXPECT_EQ(extents.wide("far", int64_t{5} << 32), "e.far");
  EXPECT_EQ(extents.declaration("x"),
            "struct x {\n  i64 far;\n  int stride;\n  int stride1;\n  int offset;\n  Divisor by;\n};\n");
  const std::vector<int32_t> words = extents.words();
  ASSERT_EQ(words.size(), 8u);
  EXPECT_EQ(words[1], 5);
  EXPECT_EQ(words[2], 64);
  EXPECT_EQ(words[5], 7);
  EXPECT_THROW(extents.number("stride", int64_t{1} << 31), InternalError);
}

// Convolutions that differ in their extents only are one function; each launch has its numbers.
TEST(KernelExtents, ConvolutionsOfOneFormShareAFunction) {
  const ConvolutionCase cases[] = {{.dtype = DType::bf16,
                                    .channels_last = true,
                                    .n = 2,
                                    .c = 32,
                                    .h = 9,
                                    .w = 9,
                                    .k = 64,
                                    .window = 3,
                                    .pad = 1},
                                   {.dtype = DType::bf16,
                                    .channels_last = true,
                                    .n = 3,
                                    .c = 96,
                                    .h = 7,
                                    .w = 7,
                                    .k = 64,
                                    .window = 3,
                                    .pad = 1}};
  std::vector<KernelBody> bodies;
  for (const ConvolutionCase& c : cases) bodies.push_back(body_of(c));
  const Target target = cuda_target("sm_80");
  const CudaSource first = emit_cuda({"a", &bodies[0], {}}, target),
                   second = emit_cuda({"b", &bodies[1], {}}, target);
  EXPECT_EQ(first.code, second.code);
  EXPECT_EQ(first.function, second.function);
  EXPECT_NE(first.extents, second.extents);
  EXPECT_EQ(group_by_function({first, second}).size(), 1u);
  const EmulatedKernels kernels(bodies, target);
  for (size_t i = 0; i < bodies.size(); ++i) {
    const ConvolutionRun run = run_of(cases[i], bodies[i]);
    std::string fault;
    const std::vector<HostTensor> got = kernels.kernel(i).run(run.operands(), {}, Split::whole, {}, &fault);
    EXPECT_EQ(fault, "");
    EXPECT_EQ(difference(cases[i], run, got), "");
  }
}

}  // namespace
}  // namespace netc
