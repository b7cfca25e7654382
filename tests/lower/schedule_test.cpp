// Fusion, placement and the memory plan keep a graph's meaning: what its Schedule computes on the planned
// arena equals what the interpreter computes of the graph.
#include "compiler/lower/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "compiler/lower/fuse.h"
#include "compiler/lower/memory_plan.h"
#include "compiler/ops/registry.h"
#include "compiler/passes/cast_precision.h"
#include "compiler/passes/differentiate.h"
#include "compiler/passes/pipeline.h"
#include "tests/lower/networks.h"
#include "tests/lower/run_schedule.h"

namespace netc {
namespace {

void expect_near(const std::map<std::string, HostTensor>& actual, const std::map<std::string, HostTensor>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    const HostTensor& other = actual.at(name);
    ASSERT_EQ(other.data.size(), tensor.data.size()) << name;
    double scale = 0.1;  // a bias before batch norm has gradient 0, up to cancellation
    for (double v : tensor.data) scale = std::max(scale, std::abs(v));
    for (size_t i = 0; i < tensor.data.size(); ++i)
      ASSERT_NEAR(other.data[i], tensor.data[i], 1e-9 * scale) << name << "[" << i << "]";
  }
}

Schedule check(const Graph& graph, uint64_t seed = 1, const FuseOptions& options = {}) {
  InterpretInputs inputs = random_inputs(graph, seed);
  InterpretResult expected = interpret(graph, inputs);
  Graph lowered = optimize(graph);
  Schedule schedule = make_schedule(lowered, Target{}, nullptr, options);
  MemoryPlan plan = plan_memory(schedule);
  EXPECT_GE(plan.arena_bytes, plan.lower_bound);
  InterpretResult actual = run_schedule(schedule, plan, inputs);
  expect_near(actual.outputs, expected.outputs);
  expect_near(actual.states, expected.states);
  if (testing::Test::HasFailure()) std::printf("%s\n%s\n", to_string(lowered).c_str(), to_string(schedule, true).c_str());
  return schedule;
}

TEST(Schedule, ComputesNetworks) {
  for (const Graph& graph : {mlp(4), small_cnn(3), residual_network(2), inception_network(2)}) check(graph);
}

TEST(Schedule, ComputesGradients) {
  for (const Graph& graph : {mlp(4), small_cnn(3), residual_network(2), inception_network(2)}) check(differentiate(graph, "loss"));
}

TEST(Schedule, TakesStatisticsInEpilogues) {
  Graph graph = differentiate(residual_network(2), "loss");
  Schedule schedule = check(graph, 1, {.smallest_statistics = 0});
  size_t kernels_with_sums = 0;
  for (const ScheduledKernel& kernel : schedule.kernels) kernels_with_sums += !kernel.body.partials.empty();
  EXPECT_GE(kernels_with_sums, 10u) << "six batch norms forward, four gradients behind a data gradient";
}

DType bf16(const std::string&) { return DType::bf16; }

// Rounded values are the same wherever they are rounded: in a register, in memory, in a concat's slice.
TEST(Schedule, ComputesMixedPrecision) {
  for (const Graph& graph : {mlp(4), small_cnn(3), residual_network(2), inception_network(2)}) {
    check(cast_precision(graph, bf16));
    check(cast_precision(differentiate(graph, "loss"), bf16));
    check(cast_precision(differentiate(graph, "loss"), bf16), 1, {.smallest_statistics = 0});
  }
  for (uint64_t seed = 100; seed < 140 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    check(cast_precision(differentiate(random_network(seed), "loss"), bf16), seed);
  }
}

TEST(Schedule, ComputesRandomNetworks) {
  for (uint64_t seed = 0; seed < 80 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Graph graph = random_network(seed);
    check(graph, seed);
    check(differentiate(graph, "loss"), seed);
    check(differentiate(graph, "loss"), seed, {.smallest_statistics = 0});
  }
}

// Every channel axis in blocks, whether it fills them or not.
constexpr LayoutOptions kAllBlocked{.blocked = true, .least_fill = 0};

TEST(Schedule, ComputesNetworksInBlockedLayouts) {
  for (const Graph& graph : {mlp(4), small_cnn(3), residual_network(2), inception_network(2)}) {
    check(graph, 1, {.layouts = kAllBlocked});
    check(differentiate(graph, "loss"), 1, {.layouts = kAllBlocked});
    check(differentiate(graph, "loss"), 1, {.smallest_statistics = 0, .layouts = kAllBlocked});
  }
}

TEST(Schedule, ComputesRandomNetworksInBlockedLayouts) {
  for (uint64_t seed = 0; seed < 80 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Graph graph = random_network(seed);
    check(graph, seed, {.layouts = kAllBlocked});
    check(differentiate(graph, "loss"), seed, {.smallest_statistics = seed % 2 == 0 ? INT64_MAX : 0, .layouts = kAllBlocked});
  }
}

}  // namespace
}  // namespace netc
