#include "compiler/lower/rematerialise.h"

#include <gtest/gtest.h>

#include "compiler/lower/memory_plan.h"
#include "compiler/lower/schedule.h"
#include "compiler/ops/build.h"
#include "compiler/passes/differentiate.h"
#include "compiler/passes/pipeline.h"
#include "tests/lower/networks.h"
#include "tests/lower/run_schedule.h"

namespace netc {
namespace {

Graph gradient_of(const Graph& graph) { return optimize(differentiate(graph, "loss")); }

Rematerialisation within(const Graph& gradient, int64_t limit) {
  return rematerialise(gradient, Target{}, {.arena_limit = limit, .smallest_value = 1});
}

// The smallest plan that can be had.
Rematerialisation smallest(const Graph& gradient) {
  Rematerialisation result = within(gradient, within(gradient, 0).least_bytes);
  EXPECT_TRUE(result.within_limit);
  return result;
}

void expect_near(const std::map<std::string, HostTensor>& actual, const std::map<std::string, HostTensor>& expected) {
  for (const auto& [name, tensor] : expected) {
    double scale = 0.1;
    for (double v : tensor.data) scale = std::max(scale, std::abs(v));
    for (size_t i = 0; i < tensor.data.size(); ++i)
      ASSERT_NEAR(actual.at(name).data[i], tensor.data[i], 1e-9 * scale) << name << "[" << i << "]";
  }
}

// The reference computes in double precision without rounding, so equal operators on equal inputs give equal numbers.
void expect_same_results(const Graph& graph, const Rematerialisation& r, uint64_t seed) {
  const InterpretInputs inputs = random_inputs(graph, seed);
  const InterpretResult expected = interpret(graph, inputs), actual = interpret(r.graph, inputs);
  for (const auto& [name, tensor] : expected.outputs) EXPECT_EQ(actual.outputs.at(name).data, tensor.data) << name;
  for (const auto& [name, tensor] : expected.states) EXPECT_EQ(actual.states.at(name).data, tensor.data) << name;
  // And the plan finds everything that it reads: memory that was given away is NaN.
  const Schedule schedule = make_schedule(r.graph, Target{});
  const MemoryPlan plan = plan_memory(schedule);
  const InterpretResult planned = run_schedule(schedule, plan, inputs);
  expect_near(planned.outputs, expected.outputs);
  expect_near(planned.states, expected.states);
}

TEST(Rematerialise, GivesUpWhatCanBeComputedAgain) {
  const Graph gradient = gradient_of(residual_network(64));
  const Rematerialisation r = smallest(gradient);
  EXPECT_FALSE(r.limited.empty());
  EXPECT_LT(r.arena_bytes, r.unlimited_bytes);
  EXPECT_EQ(plan_memory(make_schedule(r.graph, Target{})).arena_bytes, r.arena_bytes);
  for (const RecomputedValue& value : r.limited) {
    EXPECT_GT(value.bytes, 0) << value.path;
    EXPECT_GE(value.moved_bytes, value.bytes) << value.path;
    EXPECT_GT(value.flops, 0) << value.path;
  }
  expect_same_results(gradient, r, 1);
}

TEST(Rematerialise, RecomputesNoMoreThanTheLimitAsks) {
  const Graph gradient = gradient_of(residual_network(64));
  const Rematerialisation least = smallest(gradient);
  const int64_t middle = (least.arena_bytes + least.unlimited_bytes) / 2;
  const Rematerialisation some = within(gradient, middle);
  EXPECT_TRUE(some.within_limit);
  EXPECT_LE(some.arena_bytes, middle);
  EXPECT_LE(some.limited.size(), least.limited.size());
  EXPECT_TRUE(within(gradient, least.unlimited_bytes).limited.empty());
}

TEST(Rematerialise, SaysWhatIsLeastWhereTheLimitIsTooSmall) {
  const Graph gradient = gradient_of(residual_network(64));
  const Rematerialisation r = within(gradient, 1000);
  EXPECT_FALSE(r.within_limit);
  EXPECT_TRUE(r.limited.empty());
  EXPECT_GT(r.least_bytes, 1000);
}

// Step 1 alone: no limit, and every value is worth a store.
Rematerialisation restore_all(const Graph& gradient, const FuseOptions& fuse = {}) {
  return rematerialise(gradient, Target{}, {.smallest_value = 1, .smallest_restored = 1, .largest_share = 1, .fuse = fuse});
}

TEST(Rematerialise, RestoresWhatTheBackwardPassCanWrite) {
  const Graph gradient = gradient_of(residual_network(64));
  const Rematerialisation r = restore_all(gradient);
  EXPECT_GE(r.restored.size(), 3U);
  for (const RecomputedValue& value : r.restored) EXPECT_EQ(value.moved_bytes, value.bytes) << value.path;
  const Schedule before = make_schedule(gradient, Target{}), after = make_schedule(r.graph, Target{});
  EXPECT_LT(plan_memory(after).arena_bytes, plan_memory(before).arena_bytes);
  EXPECT_EQ(after.kernels.size(), before.kernels.size()) << "a value is written by a kernel that there is anyway";
  expect_same_results(gradient, r, 4);
}

TEST(Rematerialise, RestoresNothingThatTheBackwardPassNeedsToRestoreAnother) {
  // x2 = relu(x1 + c2) is computed from x1, so only one of them can be given up for a store.
  NetBuilder n(16);
  ValueId x = n.image({8, 8, 8});
  std::vector<std::string> paths{"a", "b", "c", "d"};
  for (const std::string& path : paths) x = n.relu(build::add(n.b, x, n.batch_norm(n.conv(x, 8, 3, 1, path), path + "_bn")));
  n.classify(n.linear(n.global_average(x), 5, "fc"));
  const Graph gradient = gradient_of(n.b.finish());
  const Rematerialisation r = restore_all(gradient, {.smallest_statistics = 0});
  EXPECT_GE(r.restored.size(), 1U);
  EXPECT_LE(r.restored.size(), 2U);
  expect_same_results(gradient, r, 5);
}

TEST(Rematerialise, RestoresNothingSmallOrBeyondItsShareOfTime) {
  const Graph gradient = gradient_of(residual_network(64));
  EXPECT_TRUE(rematerialise(gradient, Target{}, {.smallest_restored = int64_t{1} << 40}).restored.empty());
  EXPECT_TRUE(rematerialise(gradient, Target{}, {.smallest_restored = 1, .largest_share = 0}).restored.empty());
}

TEST(Rematerialise, ABudgetRecomputesFromWhatIsRestored) {
  const Graph gradient = gradient_of(residual_network(64));
  const auto limited = [&](int64_t limit) {
    return rematerialise(gradient, Target{},
                         {.arena_limit = limit, .smallest_value = 1, .smallest_restored = 1, .largest_share = 1});
  };
  const int64_t least = limited(0).least_bytes;
  EXPECT_LE(least, within(gradient, 0).least_bytes);
  const Rematerialisation r = limited(least);
  EXPECT_TRUE(r.within_limit);
  expect_same_results(gradient, r, 6);
}

TEST(Rematerialise, RestoringKeepsTheMeaningOfRandomNetworks) {
  int restored = 0;
  for (uint64_t seed = 1; seed <= 24; ++seed) {
    SCOPED_TRACE(seed);
    const Graph gradient = gradient_of(random_network(seed));
    const Rematerialisation r = restore_all(gradient, {.smallest_statistics = seed % 2 == 0 ? INT64_MAX : 0});
    restored += !r.restored.empty();
    expect_same_results(gradient, r, seed);
  }
  EXPECT_GT(restored, 4);
}

TEST(Rematerialise, MasksComeFromWhatTheKernelReadsAnyway) {
  const Graph gradient = gradient_of(residual_network(64));
  const Rematerialisation r = rematerialise(gradient, Target{});
  EXPECT_FALSE(r.free.empty());
  const auto bytes = [](const Graph& graph) {
    int64_t sum = 0;
    for (const ScheduledKernel& kernel : make_schedule(graph, Target{}).kernels) sum += kernel.bytes;
    return sum;
  };
  EXPECT_LT(bytes(r.graph), bytes(gradient));
  EXPECT_EQ(make_schedule(r.graph, Target{}).kernels.size(), make_schedule(gradient, Target{}).kernels.size());
  expect_same_results(gradient, r, 2);
}

TEST(Rematerialise, KeepsTheMeaningOfJoinedBranches) {
  NetBuilder n(16);
  ValueId x = n.image({3, 8, 8});
  std::vector<ValueId> branches;
  for (const std::string path : {"a", "b", "c"})
    branches.push_back(n.relu(n.batch_norm(n.conv(x, 6, 3, 1, path), path + "_bn")));
  x = build::concat(n.b, branches, 1);
  for (const std::string path : {"d", "e"}) x = n.relu(n.batch_norm(n.conv(x, 12, 3, 1, path), path + "_bn"));
  n.classify(n.linear(n.global_average(x), 5, "fc"));
  const Graph gradient = gradient_of(n.b.finish());
  const Rematerialisation r = smallest(gradient);
  EXPECT_LT(r.arena_bytes, r.unlimited_bytes);
  expect_same_results(gradient, r, 3);
}

TEST(Rematerialise, KeepsTheMeaningOfRandomNetworks) {
  int recomputed = 0;
  for (uint64_t seed = 1; seed <= 24; ++seed) {
    SCOPED_TRACE(seed);
    const Graph gradient = gradient_of(random_network(seed));
    const Rematerialisation r = smallest(gradient);
    recomputed += !r.limited.empty() || !r.free.empty();
    expect_same_results(gradient, r, seed);
  }
  EXPECT_GT(recomputed, 4);
}

TEST(Rematerialise, LeavesInferenceAlone) {
  const Graph graph = optimize(residual_network(8));
  const Rematerialisation r = rematerialise(graph, Target{});
  EXPECT_TRUE(r.free.empty());
  EXPECT_EQ(to_string(r.graph), to_string(graph));
}

}  // namespace
}  // namespace netc
