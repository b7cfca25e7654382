// Every launch of ResNet-50 and GoogLeNet has a kernel that fits it: its text, its operands, its grid. Needs
// no toolkit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdint>

#include "compiler/lower/cuda_plan.h"
#include "tests/cuda_static/network_kernels.h"

namespace netc {
namespace {

constexpr int kMostThreads = 1024;          // of a block
constexpr int64_t kMostBlocks = INT32_MAX;  // of a grid's first dimension

size_t count_of(const std::string& text, const std::string& word) {
  size_t count = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

std::string test_name(const testing::TestParamInfo<NetworkCase>& which) {
  std::string name = to_string(which.param);
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

class NetworkLaunches : public testing::TestWithParam<NetworkCase> {};

TEST_P(NetworkLaunches, ResolveToKernels) {
  const EmittedNetwork network = emit_network(GetParam());
  const ProgramPlan& plan = network.compilation.plan;
  ASSERT_EQ(network.sources.size(), plan.program.kernels.size());
  std::vector<int64_t> blocks;
  for (size_t i = 0; i < network.sources.size(); ++i) {
    const CudaSource& source = network.sources[i];
    const KernelInfo& kernel = plan.program.kernels[i];
    SCOPED_TRACE(kernel.symbol);
    EXPECT_EQ(kernel.symbol, plan.kernels.names[i]);
    const std::string head = ") " + source.function + "(const RunScalars* scalars";
    const size_t at = source.code.find(head);
    ASSERT_NE(at, std::string::npos) << source.code;
    EXPECT_EQ(count_of(source.code.substr(at, source.code.find('\n', at) - at), ", Global<"),
              kernel.operand_spaces.size());
    EXPECT_EQ(source.code.find(".net"), std::string::npos)
        << "the place of a launch decides what is compiled";
    EXPECT_EQ(source.extents.empty(), source.code.find("_extents e)") == std::string::npos);
    EXPECT_TRUE(source.threads > 0 && source.threads <= kMostThreads && source.threads % 32 == 0)
        << source.threads;
    blocks.push_back(plan_cuda(plan.kernels.bodies[i], network.compilation.target).blocks());
  }
  size_t launches = 0;
  for (const EntryPoint& entry : plan.program.entries)
    for (const Launch& launch : entry.launches) {
      SCOPED_TRACE(entry.name + ": " + launch.label);
      ++launches;
      ASSERT_LT(static_cast<size_t>(launch.kernel), network.sources.size());
      EXPECT_EQ(launch.operands.size(),
                plan.program.kernels[static_cast<size_t>(launch.kernel)].operand_spaces.size());
      EXPECT_EQ(launch.tasks, blocks[static_cast<size_t>(launch.kernel)]);
      EXPECT_LE(launch.tasks, kMostBlocks);
    }
  EXPECT_GT(launches, 0u);
}

// Contractions of 16-bit operands, and of f32 ones rounded to tf32, are what tensor cores are for.
TEST_P(NetworkLaunches, ProductsRunOnTensorCores) {
  if (std::string(GetParam().precision) == "f32") GTEST_SKIP() << "f32 operands";
  const EmittedNetwork network = emit_network(GetParam());
  const ProgramPlan& plan = network.compilation.plan;
  int64_t all = 0, tensor = 0;
  for (const EntryPoint& entry : plan.program.entries)
    for (const Launch& launch : entry.launches) {
      const KernelBody& body = plan.kernels.bodies[static_cast<size_t>(launch.kernel)];
      if (!body.contraction) continue;
      const CudaPlan placed = plan_cuda(body, network.compilation.target);
      all += launch.flops;
      if (placed.gemm && placed.gemm->tensor_cores) tensor += launch.flops;
    }
  EXPECT_GT(static_cast<double>(tensor), 0.99 * static_cast<double>(all));
}

INSTANTIATE_TEST_SUITE_P(, NetworkLaunches, testing::ValuesIn(network_cases()), test_name);

}  // namespace
}  // namespace netc
