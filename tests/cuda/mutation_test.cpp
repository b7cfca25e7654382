// The emulation bites: kernels that were right, with one thing broken each, fail. (That they are right as
// they are, contraction_test and ops_test say.)
#include <gtest/gtest.h>

#include "tests/cuda/convolution_cases.h"
#include "tests/cuda/emulated_kernels.h"

namespace netc {
namespace {

// More steps of k than stages, borders, channels that fill no tile, several blocks.
const ConvolutionCase kForward{.dtype = DType::bf16,
                               .channels_last = true,
                               .n = 2,
                               .c = 40,
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
    {"no check of the last k of S", &kForward, " && k < 360", "", 1},
    {"no check of the last n of S", &kForward, "s_inside[item] = n < 72", "s_inside[item] = true"},
    {"no barrier before C goes over the tiles", &kForward, "wait_copies<0>();\n  __syncthreads();",
     "wait_copies<0>();"},
    {"no check of the last m of the output", &kForward, "if (m < 162 && n < 72)", "if (n < 72)"},
    {"no check of the last n of the output", &kForward, "if (m < 162 && n < 72)", "if (m < 162)"},
    {"rows of C that overlap", &kForward, "c_tile.store(n_local * 129", "c_tile.store(n_local * 127"},
    {"rows of a fragment exchanged", &kForward, "e / 2 * 8 + lane / 4", "e % 2 * 8 + lane / 4"},
    {"partial sums that count twice", &kForward, "sum0 = combine<Sum", "sum0 = 2.0f * combine<Sum"},
    {"transposed fragments, not transposed", &kWeights, "load_matrices_transposed(a[i]",
     "load_matrices(a[i]"},
    {"no barrier after the copies", &kF32, "__syncthreads();", ""},
    {"no barrier after the products", &kF32, "__syncthreads();", "", 1},
    {"no barrier before the epilogue", &kF32, "__syncthreads();", "", 2},
    {"a barrier that some threads miss", &kF32, "__syncthreads();", "if (thread < 128) __syncthreads();"},
    {"tiles of V and S that overlap", &kF32, "s{4224}", "s{4096}"},
    {"the residual of a neighbour", &kF32, "load(in4 + (", "load(in4 + (1 + "},
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

TEST(CudaMutations, EachFails) {
  std::vector<KernelBody> bodies;
  for (const Mutation& m : kMutations) bodies.push_back(body_of(*m.on));
  const EmulatedKernels kernels(bodies, cuda_target("sm_80"), [](size_t i, std::string& text) {
    text = replaced(std::move(text), kMutations[i]);
  });
  for (size_t i = 0; i < std::size(kMutations); ++i) {
    const Mutation& m = kMutations[i];
    const ConvolutionRun run = run_of(*m.on, bodies[i]);
    std::string fault;
    const std::vector<HostTensor> got = kernels.kernel(i).run(run.operands(), {}, Split::whole, {}, &fault);
    const std::string wrong = fault.empty() ? difference(*m.on, run, got) : fault;
    EXPECT_EQ(wrong.empty(), *m.from == '\0') << m.what << ": " << wrong;
  }
}

}  // namespace
}  // namespace netc
