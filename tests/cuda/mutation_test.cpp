// The emulation bites: kernels that were right, with one thing broken each, fail. (That they are right as
// they are, contraction_test and ops_test say.)
#include <gtest/gtest.h>

#include "tests/cuda/convolution_cases.h"
#include "tests/cuda/emulated_kernels.h"

namespace netc {
namespace {

// More steps of k than stages, borders, channels that fill no tile, several blocks; C goes over the stage
// that is read last.
const ConvolutionCase kForward{.dtype = DType::bf16,
                               .channels_last = true,
                               .n = 2,
                               .c = 48,
                               .h = 9,
                               .w = 9,
                               .k = 72,
                               .window = 3,
                               .pad = 1,
                               .epilogue = true};
const ConvolutionCase kWeights{.output = kW,
                               .dtype = DType::f16,
                               .channels_last = true,
                               .n = 3,
                               .c = 40,
                               .h = 9,
                               .w = 9,
                               .k = 72,
                               .window = 3,
                               .pad = 1};
const ConvolutionCase kF32{.n = 2, .c = 10, .h = 9, .w = 9, .k = 40, .window = 3, .pad = 1, .epilogue = true};
const ConvolutionCase kTf32{
    .channels_last = true, .n = 2, .c = 20, .h = 9, .w = 9, .k = 40, .window = 3, .pad = 1, .tf32 = true};
const ConvolutionCase kTf32Weights{.output = kW,
                                   .channels_last = true,
                                   .n = 2,
                                   .c = 20,
                                   .h = 9,
                                   .w = 9,
                                   .k = 40,
                                   .window = 3,
                                   .pad = 1,
                                   .tf32 = true};

struct Mutation {
  const char* what;
  const ConvolutionCase* on;
  const char* from;
  const char* to;
  int occurrence = 0;
};

const Mutation kMutations[] = {
    {"nothing, tensor cores", &kForward, "", ""},
    {"nothing, weight gradient", &kWeights, "", ""},
    {"nothing, f32", &kF32, "", ""},
    {"no barrier in the pipeline", &kForward, "__syncthreads();  // everyone", "// everyone"},
    {"waits for one group too few", &kForward, "wait_copies<2>()", "wait_copies<3>()"},
    {"a group less", &kForward, "commit_copies();", "", 1},
    {"reads another stage than was written", &kForward, "const u32 stage = (u32)(step % 4)",
     "const u32 stage = (u32)((step + 1) % 4)", 1},
    {"copies over the stage that is read", &kForward, "copy(step + 3);", "copy(step + 4);"},
    {"fragments of V without the swizzle", &kForward, " ^ ((warp_m", " + 0 * ((warp_m"},
    {"another swizzle for S", &kForward, "lane % 8) / 2 % 4", "lane % 8) / 4 % 4", 1},
    {"halves of a fragment exchanged", &kForward, "(lane / 8 % 2) * 8 + lane % 8",
     "(lane / 16) * 8 + lane % 8"},
    {"the same half of S for every fragment", &kForward, "b[j / 2] + j % 2 * 2", "b[j / 2]"},
    {"no check of rows in the padding", &kForward, "(u32)(v_d1[item]", "true || (u32)(v_d1[item]"},
    {"no check of columns in the padding", &kForward, "(u32)(v_d2[item]", "true || (u32)(v_d2[item]"},
    {"no check of the last k of S", &kForward, " && k < e.k", "", 1},
    {"no check of the last n of S", &kForward, "s_inside[item] = n < e.n", "s_inside[item] = true"},
    {"no barrier before C goes over the tiles", &kForward, "wait_copies<0>();\n  __syncthreads();",
     "wait_copies<0>();"},
    {"no check of the last m of the output", &kForward, "if (m < e.m && n < e.n)", "if (n < e.n)"},
    {"no check of the last n of the output", &kForward, "if (m < e.m && n < e.n)", "if (m < e.m)"},
    {"rows of C that overlap", &kForward, "store_pair(c_tile, (m_local) * 72",
     "store_pair(c_tile, (m_local) * 56"},
    {"columns of a fragment exchanged", &kForward, "c[i][j][half * 2], c[i][j][half * 2 + 1]",
     "c[i][j][half * 2 + 1], c[i][j][half * 2]"},
    {"C read where no vector begins", &kForward, "load_vector(product, c_tile, (m_local) * 72",
     "load_vector(product, c_tile, (m_local) * 71"},
    {"lanes exchanged", &kForward, "product[lane]", "product[7 - lane]"},
    {"the next vector of the residual", &kForward, "in4 + (m * e.stride + n)",
     "in4 + (m * e.stride + n + 8)"},
    {"the residual where no vector begins", &kForward, "in4 + (m * e.stride + n)",
     "in4 + (m * e.stride + n + 1)"},
    {"no barrier before sums go over C", &kForward, "__syncthreads();  // C has been read",
     "// C has been read"},
    {"no barrier before sums are added", &kForward, "sum1);\n  __syncthreads();", "sum1);"},
    {"a row of sums that is left out", &kForward, "row < 16", "row < 15"},
    {"transposed fragments, not transposed", &kWeights, "load_matrices_transposed(a[i]",
     "load_matrices(a[i]"},
    {"rows divided by another extent", &kForward, "m % e.m_by", "m % e.m_by1"},
    {"columns that are not taken modulo", &kForward, "/ e.m_by % e.m_by;", "/ e.m_by;"},
    {"another argument for a stride", &kForward, "m * e.stride", "m * e.k"},
    {"one step too few", &kForward, "step < e.steps; ++step", "step < e.steps - 1; ++step"},
    {"no barrier after the copies", &kF32, "__syncthreads();", ""},
    {"no barrier after the products", &kF32, "__syncthreads();", "", 1},
    {"no barrier before the epilogue", &kF32, "__syncthreads();", "", 2},
    {"a barrier that some threads miss", &kF32, "__syncthreads();", "if (thread < 128) __syncthreads();"},
    {"tiles of V and S that overlap", &kF32, "s{2176}", "s{2048}"},
    {"the residual of a neighbour", &kF32, "load(in4 + (", "load(in4 + (1 + "},
};

const Mutation kTf32Mutations[] = {
    {"nothing, tf32", &kTf32, "", ""},
    {"nothing, weight gradient in tf32", &kTf32Weights, "", ""},
    {"an operand that is not rounded", &kTf32, "a[i][f] = to_tf32(a[i][f])", "a[i][f] = a[i][f]"},
    {"the first value of every piece", &kTf32Weights, " * 4 + free % 4)", " * 4)"},
    {"rows of k in another order", &kTf32Weights, "+ lane % 4;", "+ lane / 4 % 4;"},
    {"another swizzle for fragments than for copies", &kTf32Weights, "(free / 4) ^ ((row) % 8)",
     "(free / 4) ^ ((row) % 4)"},
};

std::string replaced(std::string text, const Mutation& m) {
  size_t at = 0;
  for (int i = 0; i <= m.occurrence; ++i) {
    at = text.find(m.from, i == 0 ? 0 : at + 1);
    if (at == std::string::npos) {
      ADD_FAILURE() << m.what << ": no " << m.from << " in\n" << text;
      return text;
    }
  }
  return text.replace(at, std::string(m.from).size(), m.to);
}

// All for one target.
template <size_t kCount>
void check_all(const Mutation (&mutations)[kCount]) {
  std::vector<KernelBody> bodies;
  for (const Mutation& m : mutations) bodies.push_back(body_of(*m.on));
  const EmulatedKernels kernels(bodies, cuda_target("sm_80"), [&](size_t i, std::string& text) {
    text = replaced(std::move(text), mutations[i]);
  });
  for (size_t i = 0; i < kCount; ++i) {
    const Mutation& m = mutations[i];
    const ConvolutionRun run = run_of(*m.on, bodies[i]);
    std::string fault;
    const std::vector<HostTensor> got = kernels.kernel(i).run(run.operands(), {}, Split::whole, {}, &fault);
    const std::string wrong = fault.empty() ? difference(*m.on, run, got) : fault;
    EXPECT_EQ(wrong.empty(), *m.from == '\0') << m.what << ": " << wrong;
  }
}

TEST(CudaMutations, EachFails) {
  check_all(kMutations);
}
TEST(CudaMutations, EachFailsInTf32) {
  check_all(kTf32Mutations);
}

}  // namespace
}  // namespace netc
