// Contractions as emulated CUDA kernels: every direction, both orders of dimensions, f32 arithmetic and
// tensor cores, sizes that fill no tile, strides, groups, epilogues and partial sums.
#include <gtest/gtest.h>

#include "compiler/lower/cuda_plan.h"
#include "compiler/lower/split_contraction.h"
#include "compiler/lower/tasks.h"
#include "tests/cuda/convolution_cases.h"
#include "tests/cuda/emulated_kernels.h"

namespace netc {
namespace {

using Case = ConvolutionCase;

// All for one target.
void check_all(const std::vector<Case>& cases) {
  std::vector<KernelBody> bodies;
  for (const Case& v : cases) bodies.push_back(body_of(v));
  const EmulatedKernels kernels(bodies, cuda_target("sm_80"));
  for (size_t i = 0; i < cases.size(); ++i) {
    const ConvolutionRun run = run_of(cases[i], bodies[i]);
    EXPECT_EQ(difference(cases[i], run, kernels.kernel(i).run(run.operands())), "") << cases[i].name();
  }
}

TEST(CudaContractions, F32InEveryDirection) {
  std::vector<Case> cases;
  for (ConvolutionTensor output : {kY, kX, kW}) {
    cases.push_back(conv({2, 9, 9, 11}, 12, 3).giving(output));
    cases.push_back(conv({2, 16, 11, 9}, 40, 3, 2).giving(output));
    cases.push_back(conv({3, 70, 5, 5}, 33, 1, 2).giving(output));
    cases.push_back(conv({2, 10, 7, 7}, 9, 3).giving(output).nhwc());
    cases.push_back(conv({2, 16, 9, 9}, 24, 3).giving(output).in_groups(2));
    cases.push_back(conv({2, 6, 9, 9}, 6, 3).giving(output).in_groups(6));
  }
  check_all(cases);
}

TEST(CudaContractions, F32WithEpilogueAndPartialSums) {
  check_all({conv({3, 8, 9, 9}, 20, 3).with_epilogue(), conv({3, 8, 9, 9}, 20, 3).nhwc().with_epilogue(),
             conv({2, 3, 9, 9}, 5, 3).with_epilogue(),
             conv({2, 24, 9, 9}, 20, 3).giving(kX).nhwc().with_epilogue()});
}

TEST(CudaContractions, TensorCoresInEveryDirection) {
  std::vector<Case> cases;
  for (DType dtype : {DType::f16, DType::bf16})
    for (ConvolutionTensor output : {kY, kX, kW}) {
      cases.push_back(conv({2, 24, 9, 9}, 40, 3).giving(output).of(dtype).nhwc());
      cases.push_back(conv({2, 32, 11, 9}, 136, 3, 2).giving(output).of(dtype).nhwc());
      cases.push_back(conv({3, 72, 8, 8}, 64, 1).giving(output).of(dtype).nhwc());
      // No pieces of 16 bytes: gathered.
      cases.push_back(conv({2, 12, 9, 9}, 20, 3).giving(output).of(dtype));
    }
  check_all(cases);
}

TEST(CudaContractions, TensorCoresWithEpilogueAndPartialSums) {
  check_all({conv({3, 16, 9, 9}, 72, 3).of(DType::bf16).nhwc().with_epilogue(),
             conv({2, 16, 12, 12}, 16, 3, 2).of(DType::f16).nhwc().with_epilogue(),
             conv({2, 24, 9, 9}, 40, 3).giving(kX).of(DType::bf16).nhwc().with_epilogue()});
}

// Phases whose last pixels lie outside of the output, with an epilogue in pieces.
TEST(CudaContractions, StridedDataGradientWithEpilogue) {
  check_all({conv({2, 24, 9, 7}, 40, 3, 2).giving(kX).of(DType::bf16).nhwc().with_epilogue(),
             conv({2, 24, 9, 7}, 16, 1, 2).giving(kX).nhwc().with_epilogue()});
}

// Both kernels of a split contraction, one after the other.
TEST(CudaContractions, SumsInParts) {
  struct SplitCase {
    Case whole;
    int64_t parts;
  };
  const std::vector<SplitCase> cases{
      {conv({4, 24, 9, 9}, 40, 3).giving(kW).of(DType::bf16).nhwc(), 4},
      // Three parts of five samples: the last one has one sample.
      {conv({5, 16, 7, 7}, 16, 3, 2).giving(kW).nhwc(), 3},
      // Rows of pixels, where there are not samples enough.
      {conv({2, 16, 9, 9}, 24, 3).giving(kW).of(DType::f16).nhwc(), 3},
      {conv({1, 64, 5, 5}, 16, 3).of(DType::bf16).nhwc().with_epilogue(), 4},
  };
  std::vector<KernelBody> wholes, bodies;
  std::vector<SplitContraction> splits;
  for (const SplitCase& c : cases) {
    wholes.push_back(body_of(c.whole));
    splits.push_back(split_contraction(wholes.back(), c.parts));
    KernelBody& sum = splits.back().sum;
    for (const PartialSum& p : sum.partials) {
      KernelOperand& rows = sum.operands[static_cast<size_t>(p.output)];
      rows.shape[0] = partial_rows(sum, p.kept, cuda_target("sm_80"));
      rows.strides = row_major_strides(rows.shape);
    }
    EXPECT_EQ(splits.back().product.nest.extents[0], c.parts);
    bodies.push_back(splits.back().product);
    bodies.push_back(sum);
  }
  const EmulatedKernels kernels(bodies);
  for (size_t i = 0; i < cases.size(); ++i) {
    const ConvolutionRun run = run_of(cases[i].whole, wholes[i]);
    const HostTensor rows = kernels.kernel(2 * i).run({&run.tensors[0], &run.tensors[1], nullptr})[2];
    std::vector<const HostTensor*> operands{&rows};
    for (int operand : splits[i].kept) operands.push_back(run.operands()[static_cast<size_t>(operand)]);
    const std::vector<HostTensor> got = kernels.kernel(2 * i + 1).run(operands);
    std::vector<HostTensor> placed(wholes[i].operands.size());
    for (size_t j = 0; j < splits[i].kept.size(); ++j)
      placed[static_cast<size_t>(splits[i].kept[j])] = got[j + 1];
    EXPECT_EQ(difference(cases[i].whole, run, placed), "") << cases[i].whole.name();
  }
}

// A slice may begin where no vector does.
TEST(CudaContractions, UnalignedOperands) {
  std::vector<Case> cases;
  std::vector<KernelBody> bodies;
  for (size_t operand = 0; operand < 5; ++operand) {
    cases.push_back(conv({2, 16, 5, 5}, 24, 3).of(DType::bf16).nhwc().with_epilogue());
    bodies.push_back(body_of(cases.back()));
    bodies.back().operands[operand].alignment = 2;
    const CudaGemmPlan plan = *plan_cuda(bodies.back(), cuda_target("sm_80")).gemm;
    EXPECT_EQ(plan.v_copy.kind == GemmCopy::Kind::gather, operand == 0);
    EXPECT_EQ(plan.s_copy.kind == GemmCopy::Kind::gather, operand == 1);
    EXPECT_EQ(plan.lane_variable < 0, operand == 2);
  }
  const EmulatedKernels kernels(bodies);
  for (size_t i = 0; i < cases.size(); ++i) {
    const ConvolutionRun run = run_of(cases[i], bodies[i]);
    EXPECT_EQ(difference(cases[i], run, kernels.kernel(i).run(run.operands())), "") << i;
  }
}

// f32 operands on tensor cores: pieces along k, along m and n, and gathered.
TEST(CudaContractions, Tf32InEveryDirection) {
  std::vector<Case> cases;
  for (ConvolutionTensor output : {kY, kX, kW}) {
    cases.push_back(conv({2, 12, 9, 9}, 20, 3).giving(output).nhwc().in_tf32());
    cases.push_back(
        conv({2, 24, 9, 7}, 72, 3, 2).giving(output).nhwc().with_epilogue(output != kW).in_tf32());
    cases.push_back(conv({2, 9, 9, 9}, 10, 3).giving(output).in_tf32());
  }
  for (const Case& v : cases) EXPECT_TRUE(plan_cuda(body_of(v), cuda_target("sm_80")).gemm->tensor_cores);
  // As a loop nest: depthwise, and too few channels for a tile.
  for (ConvolutionTensor output : {kY, kX, kW}) {
    cases.push_back(conv({2, 6, 7, 5}, 6, 3).giving(output).in_groups(6).in_tf32());
    EXPECT_FALSE(plan_cuda(body_of(cases.back()), cuda_target("sm_80")).gemm);
  }
  check_all(cases);
}

// What the plans are, so that the tests above test what they seem to.
TEST(CudaContractions, Plans) {
  const auto plan = [](const Case& v) { return plan_cuda(body_of(v), cuda_target("sm_80")).gemm; };
  const std::optional<CudaGemmPlan> forward = plan(conv({2, 64, 16, 16}, 128, 3).of(DType::bf16).nhwc());
  ASSERT_TRUE(forward && forward->tensor_cores);
  EXPECT_EQ(forward->v_copy.kind, GemmCopy::Kind::along_k);
  EXPECT_EQ(forward->s_copy.kind, GemmCopy::Kind::along_k);
  EXPECT_EQ(forward->lane_variable, 3);
  const std::optional<CudaGemmPlan> weights =
      plan(conv({2, 64, 16, 16}, 128, 3).giving(kW).of(DType::bf16).nhwc());
  ASSERT_TRUE(weights && weights->tensor_cores);
  EXPECT_EQ(weights->v_copy.kind, GemmCopy::Kind::along_free);
  EXPECT_EQ(weights->s_copy.kind, GemmCopy::Kind::along_free);
  EXPECT_GE(weights->lane_variable, 0);
  EXPECT_TRUE(weights->m_inner);
  const std::optional<CudaGemmPlan> data =
      plan(conv({2, 64, 16, 16}, 128, 3).giving(kX).of(DType::bf16).nhwc());
  ASSERT_TRUE(data && data->tensor_cores);
  EXPECT_NE(data->v_copy.kind, GemmCopy::Kind::gather);
  EXPECT_NE(data->s_copy.kind, GemmCopy::Kind::gather);
  EXPECT_FALSE(plan(conv({1, 6, 8, 8}, 6, 1).in_groups(6)));
  EXPECT_FALSE(plan(conv({2, 16, 8, 8}, 16, 1))->tensor_cores);
}

// Measured tiles are a part of the target: of this product only, and only if it may have them.
TEST(CudaContractions, MeasuredTiles) {
  const Case v = conv({8, 64, 16, 16}, 128, 3).of(DType::bf16).nhwc();
  const KernelBody body = body_of(v);
  const CudaGemmPlan planned = *plan_cuda(body, cuda_target("sm_80")).gemm;
  EXPECT_EQ(planned.candidates, (std::vector<CudaTile>{{128, 128}, {128, 64}, {64, 64}}));
  const auto with = [&](const std::string& tiles) {
    Target target = cuda_target("sm_80");
    target.features = tiles;
    const CudaGemmPlan plan = *plan_cuda(body, target).gemm;
    EXPECT_EQ(plan.key, planned.key);
    EXPECT_EQ(plan.tile_measured, to_string(plan).find("(measured)") != std::string::npos);
    return CudaTile{plan.block_m, plan.block_n};
  };
  const CudaTile by_cost{planned.block_m, planned.block_n};
  for (const CudaTile& tile : planned.candidates) {
    EXPECT_EQ(with("tile:0123456789abcdef=64x64;" + tile_choice(planned.key, tile)), tile);
    EXPECT_EQ(tile_from_text(to_string(tile)), tile);
  }
  EXPECT_EQ(with(every_tile(2)), (CudaTile{64, 64}));
  EXPECT_EQ(with(every_tile(3)), by_cost);
  EXPECT_EQ(tile_choices("tile:0123456789abcdef=64x64;tile:x=64x64;junk;tile:0123456789abcdef=64x;" +
                         tile_choice(planned.key, {32, 64})),
            (TileChoices{{"0123456789abcdef", {64, 64}}, {planned.key, {32, 64}}}));
  EXPECT_EQ(to_string(tile_choices("tile:1123456789abcdef=64x64;tile:0123456789abcdef=128x64")),
            "tile:0123456789abcdef=128x64;tile:1123456789abcdef=64x64;");
  EXPECT_EQ(with(tile_choice(planned.key, {32, 32})), by_cost);
  EXPECT_EQ(with("tile:" + planned.key + "=x;"), by_cost);
  for (const char* text : {"", "64", "64x", "x64", "64x64 ", "axb"})
    EXPECT_FALSE(tile_from_text(text)) << text;
  // Another product, another key.
  Case other = v;
  other.k = 64;
  EXPECT_NE(plan_cuda(body_of(other), cuda_target("sm_80")).gemm->key, planned.key);
  Target tuned = cuda_target("sm_80");
  tuned.features = tile_choice(planned.key, {64, 64});
  EXPECT_NE(identity(tuned), identity(cuda_target("sm_80")));
  EXPECT_EQ(flag_of_identity(identity(tuned)), "");
}

}  // namespace
}  // namespace netc
