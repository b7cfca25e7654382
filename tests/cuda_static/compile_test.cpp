// The kernels of ResNet-50 and GoogLeNet, compiled by NVRTC: nothing spills, registers and shared memory are
// within their budget, and what should run on tensor cores has their instructions. Needs libnvrtc, and no
// GPU.
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <iostream>
#include <set>
#include <thread>

#include "compiler/api/cuda_kernels.h"
#include "compiler/backend/cuda/cubin.h"
#include "compiler/backend/cuda/nvrtc.h"
#include "compiler/lower/cuda_plan.h"
#include "tests/cuda_static/network_kernels.h"

namespace netc {
namespace {

constexpr int64_t kSharedBytes = 100 << 10;  // of a block: two of them on a multiprocessor of sm_80 and sm_90
constexpr int kRegisters = 65536;            // of a multiprocessor

class NetworkCompile : public testing::Test {
 protected:
  void SetUp() override {
    std::string reason;
    nvrtc_ = Nvrtc::find(reason);
    if (!nvrtc_) GTEST_SKIP() << reason;
  }

  void check(const CompiledCuda& compiled, const CudaPlan& plan, bool is_tf32) {
    SCOPED_TRACE(compiled.source.function);
    const std::vector<CubinKernel> found = read_cubin(compiled.code.cubin);
    ASSERT_EQ(found.size(), 1u);
    const CubinKernel& k = found[0];
    EXPECT_EQ(k.name, compiled.source.function);
    EXPECT_GT(k.registers, 0);
    EXPECT_LE(k.registers * compiled.source.threads, kRegisters);
    EXPECT_LE(compiled.source.shared_bytes, kSharedBytes);
    EXPECT_EQ(k.local_loads + k.local_stores + k.frame_bytes, 0)
        << "local memory\n"
        << compiled.source.text() << compiled.code.log;
    if (!plan.gemm || !plan.gemm->tensor_cores) return;
    EXPECT_GT(k.tensor_products, 0) << compiled.source.text();
    EXPECT_EQ(k.tf32_products, is_tf32 ? k.tensor_products : 0) << compiled.source.text();
    // f32 values of tiles that lie along m or n are loaded one by one: ldmatrix transposes 16-bit ones only.
    if (!is_tf32) {
      EXPECT_GT(k.matrix_loads, 0) << compiled.source.text();
    }
    const auto pieces = [](const GemmCopy& copy) { return copy.kind != GemmCopy::Kind::gather; };
    if (pieces(plan.gemm->v_copy) || pieces(plan.gemm->s_copy)) {
      EXPECT_GT(k.async_copies, 0) << compiled.source.text();
    }
  }

  const Nvrtc* nvrtc_ = nullptr;
};

TEST_F(NetworkCompile, NothingSpillsAndTensorCoresAreUsed) {
  const int threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  std::set<std::string> seen;
  for (const NetworkCase& which : network_cases()) {
    SCOPED_TRACE(to_string(which));
    const EmittedNetwork network = emit_network(which);
    const ProgramPlan& plan = network.compilation.plan;
    std::vector<CudaKernel> kernels;
    std::vector<size_t> numbers;
    const std::vector<std::vector<size_t>> functions = group_by_function(network.sources);
    for (const std::vector<size_t>& served : functions) {
      const size_t i = served.front();
      if (!seen.insert(which.architecture + network.sources[i].function).second) continue;
      kernels.push_back({plan.kernels.names[i], &plan.kernels.bodies[i], {}});
      numbers.push_back(i);
    }
    const std::clock_t start = std::clock();
    for (const CompiledCuda& compiled : compile_cuda(*nvrtc_, kernels, network.compilation.target, threads)) {
      const KernelBody& body = plan.kernels.bodies[numbers[compiled.kernels.front()]];
      check(compiled, plan_cuda(body, network.compilation.target),
            body.contraction && body.contraction->contraction.tf32);
    }
    std::cout << to_string(which) << ": " << network.sources.size() << " kernels, " << functions.size()
              << " functions; " << kernels.size() << " new ones compiled in "
              << static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC << " s of the processors\n";
  }
}

}  // namespace
}  // namespace netc
