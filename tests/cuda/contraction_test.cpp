// Contractions as emulated CUDA kernels: every direction, both orders of dimensions, f32 arithmetic and
// tensor cores, sizes that fill no tile, strides, groups, epilogues and partial sums.
#include <gtest/gtest.h>

#include "compiler/lower/cuda_plan.h"
#include "tests/cuda/convolution_cases.h"
#include "tests/cuda/emulated_kernels.h"

namespace netc {
namespace {

using Case = ConvolutionCase;

void check_all(const std::vector<Case>& cases) {
  std::vector<KernelBody> bodies;
  for (const Case& v : cases) bodies.push_back(body_of(v));
  const EmulatedKernels kernels(bodies);
  for (size_t i = 0; i < cases.size(); ++i) {
    const ConvolutionRun run = run_of(cases[i], bodies[i]);
    EXPECT_EQ(difference(cases[i], run, kernels.kernel(i).run(run.operands())), "") << cases[i].name();
  }
}

TEST(CudaContractions, F32InEveryDirection) {
  std::vector<Case> cases;
  for (ConvolutionTensor output : {kY, kX, kW}) {
    cases.push_back({.output = output, .n = 2, .c = 9, .h = 9, .w = 11, .k = 12, .window = 3, .pad = 1});
    cases.push_back(
        {.output = output, .n = 2, .c = 16, .h = 11, .w = 9, .k = 40, .window = 3, .stride = 2, .pad = 1});
    cases.push_back({.output = output, .n = 3, .c = 70, .h = 5, .w = 5, .k = 33, .stride = 2});
    cases.push_back({.output = output,
                     .channels_last = true,
                     .n = 2,
                     .c = 10,
                     .h = 7,
                     .w = 7,
                     .k = 9,
                     .window = 3,
                     .pad = 1});
    cases.push_back(
        {.output = output, .n = 2, .c = 16, .h = 9, .w = 9, .k = 24, .window = 3, .pad = 1, .groups = 2});
    cases.push_back(
        {.output = output, .n = 2, .c = 6, .h = 9, .w = 9, .k = 6, .window = 3, .pad = 1, .groups = 6});
  }
  check_all(cases);
}

TEST(CudaContractions, F32WithEpilogueAndPartialSums) {
  check_all({{.n = 3, .c = 8, .h = 9, .w = 9, .k = 20, .window = 3, .pad = 1, .epilogue = true},
             {.channels_last = true,
              .n = 3,
              .c = 8,
              .h = 9,
              .w = 9,
              .k = 20,
              .window = 3,
              .pad = 1,
              .epilogue = true},
             {.n = 2, .c = 3, .h = 9, .w = 9, .k = 5, .window = 3, .pad = 1, .epilogue = true},
             {.output = kX,
              .channels_last = true,
              .n = 2,
              .c = 24,
              .h = 9,
              .w = 9,
              .k = 20,
              .window = 3,
              .pad = 1,
              .epilogue = true}});
}

TEST(CudaContractions, TensorCoresInEveryDirection) {
  std::vector<Case> cases;
  for (DType dtype : {DType::f16, DType::bf16})
    for (ConvolutionTensor output : {kY, kX, kW}) {
      cases.push_back({.output = output,
                       .dtype = dtype,
                       .channels_last = true,
                       .n = 2,
                       .c = 24,
                       .h = 9,
                       .w = 9,
                       .k = 40,
                       .window = 3,
                       .pad = 1});
      cases.push_back({.output = output,
                       .dtype = dtype,
                       .channels_last = true,
                       .n = 2,
                       .c = 32,
                       .h = 11,
                       .w = 9,
                       .k = 136,
                       .window = 3,
                       .stride = 2,
                       .pad = 1});
      cases.push_back({.output = output,
                       .dtype = dtype,
                       .channels_last = true,
                       .n = 3,
                       .c = 72,
                       .h = 8,
                       .w = 8,
                       .k = 64});
      // No pieces of 16 bytes: gathered.
      cases.push_back({.output = output,
                       .dtype = dtype,
                       .n = 2,
                       .c = 12,
                       .h = 9,
                       .w = 9,
                       .k = 20,
                       .window = 3,
                       .pad = 1});
    }
  check_all(cases);
}

TEST(CudaContractions, TensorCoresWithEpilogueAndPartialSums) {
  check_all({{.dtype = DType::bf16,
              .channels_last = true,
              .n = 3,
              .c = 16,
              .h = 9,
              .w = 9,
              .k = 72,
              .window = 3,
              .pad = 1,
              .epilogue = true},
             {.dtype = DType::f16,
              .channels_last = true,
              .n = 2,
              .c = 16,
              .h = 12,
              .w = 12,
              .k = 16,
              .window = 3,
              .stride = 2,
              .pad = 1,
              .epilogue = true},
             {.output = kX,
              .dtype = DType::bf16,
              .channels_last = true,
              .n = 2,
              .c = 24,
              .h = 9,
              .w = 9,
              .k = 40,
              .window = 3,
              .pad = 1,
              .epilogue = true}});
}

// What the plans are, so that the tests above test what they seem to.
TEST(CudaContractions, Plans) {
  const auto plan = [](const Case& v) { return plan_cuda(body_of(v), cuda_target("sm_80")).gemm; };
  const std::optional<CudaGemmPlan> forward = plan({.dtype = DType::bf16,
                                                    .channels_last = true,
                                                    .n = 2,
                                                    .c = 64,
                                                    .h = 16,
                                                    .w = 16,
                                                    .k = 128,
                                                    .window = 3,
                                                    .pad = 1});
  ASSERT_TRUE(forward && forward->tensor_cores);
  EXPECT_EQ(forward->v_copy.kind, GemmCopy::Kind::along_k);
  EXPECT_EQ(forward->s_copy.kind, GemmCopy::Kind::along_k);
  const std::optional<CudaGemmPlan> weights = plan({.output = kW,
                                                    .dtype = DType::bf16,
                                                    .channels_last = true,
                                                    .n = 2,
                                                    .c = 64,
                                                    .h = 16,
                                                    .w = 16,
                                                    .k = 128,
                                                    .window = 3,
                                                    .pad = 1});
  ASSERT_TRUE(weights && weights->tensor_cores);
  EXPECT_EQ(weights->v_copy.kind, GemmCopy::Kind::along_free);
  EXPECT_EQ(weights->s_copy.kind, GemmCopy::Kind::along_free);
  const std::optional<CudaGemmPlan> data = plan({.output = kX,
                                                 .dtype = DType::bf16,
                                                 .channels_last = true,
                                                 .n = 2,
                                                 .c = 64,
                                                 .h = 16,
                                                 .w = 16,
                                                 .k = 128,
                                                 .window = 3,
                                                 .pad = 1});
  ASSERT_TRUE(data && data->tensor_cores);
  EXPECT_NE(data->v_copy.kind, GemmCopy::Kind::gather);
  EXPECT_NE(data->s_copy.kind, GemmCopy::Kind::gather);
  EXPECT_FALSE(plan({.c = 6, .k = 6, .groups = 6}));
  EXPECT_FALSE(plan({.n = 2, .c = 16, .k = 16})->tensor_cores);
}

}  // namespace
}  // namespace netc
