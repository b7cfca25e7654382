// Every kernel of small networks, compiled by NVRTC for two architectures: no spills, within the budget of
// registers and shared memory, and with the instructions that they should have. Needs libnvrtc, and no GPU.
#include "compiler/backend/cuda/nvrtc.h"

#include <gtest/gtest.h>

#include <functional>

#include "compiler/backend/cuda/cubin.h"
#include "compiler/backend/cuda/nvrtc_functions.h"
#include "compiler/base/error.h"
#include "compiler/lower/build_program.h"
#include "compiler/passes/differentiate.h"
#include "compiler/passes/pipeline.h"
#include "compiler/passes/update.h"
#include "tests/cuda/convolution_cases.h"
#include "tests/cuda/same_function.h"
#include "tests/lower/networks.h"

#if __has_include("/usr/local/cuda/include/nvrtc.h")
#include "/usr/local/cuda/include/nvrtc.h"
#define NETC_HAS_NVRTC_HEADER 1
#endif

namespace netc {
namespace {

constexpr int64_t kSharedBytes = 100 << 10;  // of a block: two of them on a multiprocessor of sm_80 and sm_90
const char* const kArchitectures[] = {"sm_80", "sm_90"};

class CudaStatic : public testing::Test {
 protected:
  void SetUp() override {
    std::string reason;
    nvrtc_ = Nvrtc::find(reason);
    if (!nvrtc_) GTEST_SKIP() << reason;
  }

  // Compiles and checks; returns what each kernel is made of.
  std::vector<CubinKernel> compile(const std::vector<CudaKernel>& kernels, const char* architecture) {
    std::vector<CubinKernel> result;
    for (const CompiledCuda& kernel : compile_cuda(*nvrtc_, kernels, cuda_target(architecture), 2)) {
      const std::vector<CubinKernel> found = read_cubin(kernel.code.cubin);
      EXPECT_EQ(found.size(), 1u);
      const CubinKernel& k = found.at(0);
      EXPECT_EQ(k.name, kernel.source.function);
      EXPECT_GT(k.registers, 0);
      EXPECT_GT(k.instructions, 0);
      EXPECT_LE(k.registers * kernel.source.threads, 65536) << k.name;
      EXPECT_EQ(k.local_loads + k.local_stores + k.frame_bytes, 0) << k.name << " uses local memory\n"
                                                                   << kernel.source.text() << kernel.code.log;
      EXPECT_LE(kernel.source.shared_bytes, kSharedBytes) << k.name;
      result.push_back(k);
    }
    return result;
  }

  const Nvrtc* nvrtc_ = nullptr;
};

void check_network(const Graph& network,
                   const std::function<void(const std::vector<CudaKernel>&, const char*)>& compile) {
  constexpr OptimizerSpec kSgd{.momentum = 0.9, .weight_decay = 0.01};
  const Graph grad = optimize(differentiate(network, "loss"));
  const StateLayout layout = lay_out_state({&grad}, &kSgd, {.images = ImageLayout::channels_last});
  const Graph apply = optimize(make_update(kSgd, layout.slab_elements));
  for (const char* architecture : kArchitectures) {
    const ProgramPlan plan = build_program({{"step", {&grad, &apply}}}, layout, cuda_target(architecture),
                                           nullptr, {.layouts = {.images = ImageLayout::channels_last}});
    std::vector<CudaKernel> kernels;
    for (size_t i = 0; i < plan.kernels.bodies.size(); ++i)
      kernels.push_back({plan.kernels.names[i], &plan.kernels.bodies[i], {}});
    compile(kernels, architecture);
  }
}

TEST_F(CudaStatic, TrainingStepsOfSmallNetworks) {
  const auto check = [&](const std::vector<CudaKernel>& kernels, const char* architecture) {
    compile(kernels, architecture);
  };
  check_network(mlp(4), check);
  check_network(residual_network(4), check);
}

TEST_F(CudaStatic, TensorCoreKernelsHaveTheirInstructions) {
  std::vector<KernelBody> bodies;
  for (DType dtype : {DType::f16, DType::bf16})
    for (ConvolutionTensor output : {kY, kX, kW})
      bodies.push_back(body_of({.output = output,
                                .dtype = dtype,
                                .channels_last = true,
                                .n = 8,
                                .c = 64,
                                .h = 28,
                                .w = 28,
                                .k = 128,
                                .window = 3,
                                .pad = 1}));
  bodies.push_back(body_of({.dtype = DType::bf16,
                            .channels_last = true,
                            .n = 8,
                            .c = 64,
                            .h = 28,
                            .w = 28,
                            .k = 128,
                            .window = 3,
                            .pad = 1,
                            .epilogue = true}));
  std::vector<CudaKernel> kernels;
  for (const KernelBody& body : bodies)
    kernels.push_back({"kernel_" + std::to_string(kernels.size()), &body, {}});
  for (const char* architecture : kArchitectures)
    for (const CubinKernel& kernel : compile(kernels, architecture)) {
      EXPECT_GE(kernel.tensor_products, 2 * 2 * 4) << kernel.name;
      EXPECT_EQ(kernel.tf32_products, 0) << kernel.name;
      EXPECT_GE(kernel.matrix_loads, 2 * (2 + 2)) << kernel.name;
      EXPECT_GE(kernel.async_copies, 4) << kernel.name;
    }
}

TEST_F(CudaStatic, Tf32KernelsHaveTheirInstructions) {
  std::vector<KernelBody> bodies;
  for (ConvolutionTensor output : {kY, kX, kW})
    bodies.push_back(body_of({.output = output,
                              .channels_last = true,
                              .n = 8,
                              .c = 64,
                              .h = 28,
                              .w = 28,
                              .k = 128,
                              .window = 3,
                              .pad = 1,
                              .tf32 = true}));
  std::vector<CudaKernel> kernels;
  for (const KernelBody& body : bodies)
    kernels.push_back({"kernel_" + std::to_string(kernels.size()), &body, {}});
  for (const char* architecture : kArchitectures)
    for (const CubinKernel& kernel : compile(kernels, architecture)) {
      EXPECT_GE(kernel.tensor_products, 2 * 2 * 4) << kernel.name;
      EXPECT_EQ(kernel.tf32_products, kernel.tensor_products) << kernel.name;
      EXPECT_GE(kernel.async_copies, 4) << kernel.name;
    }
}

TEST_F(CudaStatic, RefusesWhatIsNoCuda) {
  EXPECT_THROW(nvrtc_->compile("this is not CUDA", "wrong", cuda_target("sm_80")), InternalError);
  EXPECT_GE(nvrtc_->version().major, 11);
}

TEST(Cubin, MalformedBytesAreRefused) {
  for (size_t size : {size_t{0}, size_t{3}, size_t{64}, size_t{1000}}) {
    std::vector<std::byte> bytes(size, std::byte{0x7f});
    EXPECT_THROW(read_cubin(bytes), RuntimeError) << size;
  }
}

#ifdef NETC_HAS_NVRTC_HEADER
#define NETC_COMPARE(name, ...) static_assert(SameFunction<__VA_ARGS__, decltype(&::name)>::value, #name);
NETC_NVRTC_FUNCTIONS(NETC_COMPARE)
static_assert(NVRTC_SUCCESS == 0);
#endif

}  // namespace
}  // namespace netc
