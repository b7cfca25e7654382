// Fusion, placement and the memory plan keep a graph's meaning: what its Schedule computes on the planned
// arena equals what the interpreter computes of the graph.
#include "compiler/lower/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "compiler/lower/choose_layouts.h"
#include "compiler/lower/fuse.h"
#include "compiler/lower/layout.h"
#include "compiler/lower/memory_plan.h"
#include "compiler/lower/winograd.h"
#include "compiler/ops/registry.h"
#include "compiler/passes/cast_precision.h"
#include "compiler/passes/differentiate.h"
#include "compiler/passes/fold_batch_norm.h"
#include "compiler/passes/hoist.h"
#include "compiler/passes/pipeline.h"
#include "compiler/passes/winograd.h"
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

// A gradient becomes a state of another shape; a kernel computes what becomes a number.
TEST(Schedule, ComputesRawParametersAndPowersOfZero) {
  for (const Graph& graph : {raw_parameters(4), zeroth_power(3)}) {
    check(graph);
    check(differentiate(graph, "loss"));
    check(differentiate(graph, "loss"), 1, {.smallest_statistics = 0, .layouts = {.least_fill = 0}});
  }
}

TEST(Schedule, TakesStatisticsInEpilogues) {
  Graph graph = differentiate(residual_network(2), "loss");
  Schedule schedule = check(graph, 1, {.smallest_statistics = 0});
  size_t kernels_with_sums = 0;
  for (const ScheduledKernel& kernel : schedule.kernels) kernels_with_sums += !kernel.body.partials.empty();
  EXPECT_GE(kernels_with_sums, 10u) << "six batch norms forward, four gradients behind a data gradient";
}

Precision bf16(const std::string&) { return Precision::bf16; }

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
constexpr LayoutOptions kAllBlocked{.least_fill = 0};

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

// Weight gradients in parts: by interpretation and by the schedule what they are in one sum.
int check_split(const Graph& graph, uint64_t seed, int64_t most, const FuseOptions& options) {
  const InterpretInputs inputs = random_inputs(graph, seed);
  const InterpretResult expected = interpret(graph, inputs);
  const SplitNetwork network = split_all_sums(optimize(graph), most);
  expect_near(interpret(network.graph, inputs).states, expected.states);
  const Schedule schedule = make_schedule(network.graph, Target{}, nullptr, options);
  expect_near(run_schedule(schedule, plan_memory(schedule), inputs).states, expected.states);
  return network.split;
}

TEST(Schedule, SplitsSumsOverImages) {
  for (const LayoutOptions& layouts : {LayoutOptions{}, kAllBlocked}) {
    for (const Graph& graph : {small_cnn(6), residual_network(4), inception_network(4)})
      EXPECT_GE(check_split(differentiate(graph, "loss"), 1, 3, {.layouts = layouts}), 2);
    check_split(cast_precision(differentiate(residual_network(4), "loss"), bf16), 1, 4, {.layouts = layouts});
    for (uint64_t seed = 0; seed < 20 && !HasFailure(); ++seed) {
      SCOPED_TRACE(seed);
      check_split(differentiate(random_network(seed), "loss"), seed, 4, {.layouts = layouts});
    }
  }
}

constexpr LayoutOptions kChannelsLast{.images = ImageLayout::channels_last};

TEST(Schedule, ComputesNetworksWithChannelsLast) {
  for (const Graph& graph : {mlp(4), small_cnn(3), residual_network(2), inception_network(2)}) {
    check(graph, 1, {.layouts = kChannelsLast});
    check(differentiate(graph, "loss"), 1, {.layouts = kChannelsLast});
    check(cast_precision(differentiate(graph, "loss"), bf16), 1, {.smallest_statistics = 0, .layouts = kChannelsLast});
  }
  for (uint64_t seed = 0; seed < 40 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    check(differentiate(random_network(seed), "loss"), seed, {.smallest_statistics = seed % 2 == 0 ? INT64_MAX : 0, .layouts = kChannelsLast});
  }
}

// Images stay as contractions want them from layer to layer; what is converted is an edge of the network.
TEST(Schedule, ConvertsNothingBetweenLayersWithChannelsLast) {
  const Schedule schedule = make_schedule(optimize(cast_precision(differentiate(residual_network(2), "loss"), bf16)), Target{}, nullptr, {.layouts = kChannelsLast});
  for (const ScheduledKernel& kernel : schedule.kernels) {
    EXPECT_FALSE(kernel.converts) << kernel.label;
    if (!kernel.body.contraction || kernel.body.nest.extents.size() != 4) continue;
    EXPECT_EQ(kernel.body.operands[static_cast<size_t>(kernel.body.nest.stores[0].output)].strides.back(), 1) << kernel.label;
  }
}

// Every convolution that Winograd's algorithm can do, done so with one tile.
WinogradGraph with_winograd(const Graph& graph, const Winograd& winograd, const LayoutOptions& options) {
  return use_winograd(optimize(graph), WeightTransforms::once, [&](const Contraction& c, DType, WeightTransforms) -> WinogradChoice {
    const auto layouts = wanted_layouts(c, options);
    if (!layouts || !winograd_form(physical_contraction(c, *layouts))) return {std::nullopt, "no form"};
    return {winograd, "forced"};
  });
}

// The same values as the direct convolutions, by interpretation and by the schedule; returns how many were replaced.
int check_winograd(const Graph& graph, uint64_t seed, const Winograd& winograd, const FuseOptions& options) {
  const InterpretInputs inputs = random_inputs(graph, seed);
  const InterpretResult expected = interpret(graph, inputs);
  const WinogradGraph replaced = with_winograd(graph, winograd, options.layouts);
  const InterpretResult interpreted = interpret(replaced.graph, inputs);
  expect_near(interpreted.outputs, expected.outputs);
  const Schedule schedule = make_schedule(replaced.graph, Target{}, nullptr, options);
  const InterpretResult actual = run_schedule(schedule, plan_memory(schedule), inputs);
  expect_near(actual.outputs, expected.outputs);
  expect_near(actual.states, expected.states);
  int count = 0;
  for (const WinogradDecision& d : replaced.decisions) count += d.choice.winograd.has_value();
  int kernels = 0;
  for (const ScheduledKernel& kernel : schedule.kernels)
    kernels += kernel.body.contraction && kernel.body.contraction->contraction.winograd;
  EXPECT_EQ(kernels, count);
  if (testing::Test::HasFailure()) std::printf("%s\n%s\n", to_string(replaced.graph).c_str(), to_string(schedule, true).c_str());
  return count;
}

TEST(Schedule, ComputesWinogradConvolutions) {
  for (int64_t tile : {2, 4}) {
    int count = 0;
    for (const Graph& graph : {small_cnn(3), residual_network(2), inception_network(2)})
      count += check_winograd(graph, 1, {tile}, {.smallest_statistics = 0, .layouts = kAllBlocked});
    EXPECT_GE(count, 6);
    // Data gradients too, and statistics taken from the tiles.
    for (const Graph& graph : {small_cnn(3), residual_network(2), inception_network(2)})
      count -= check_winograd(differentiate(graph, "loss"), 1, {tile}, {.smallest_statistics = 0, .layouts = kAllBlocked});
    EXPECT_LE(count, -3);
    for (uint64_t seed = 0; seed < 20 && !HasFailure(); ++seed) {
      SCOPED_TRACE(seed);
      check_winograd(random_network(seed), seed, {tile}, {.layouts = kAllBlocked});
      check_winograd(differentiate(random_network(seed), "loss"), seed, {tile}, {.smallest_statistics = 0, .layouts = kAllBlocked});
    }
  }
}

// What is hoisted is the transformed weights alone: `main` has neither the parameter's nor the folded weight's values.
TEST(Schedule, PreparesTransformedWeights) {
  NetBuilder net(2);
  ValueId x = net.image({16, 6, 7});
  x = net.relu(net.batch_norm_inference(net.conv(x, 32, 3, 1, "a"), "bn"));
  x = net.conv(x, 16, 3, 1, "b", true);
  net.b.add_output("y", x);
  const Graph graph = net.b.finish();
  const InterpretInputs inputs = random_inputs(graph, 3);
  const HoistedGraph hoisted = hoist_preparation(with_winograd(fold_batch_norm(graph), {4}, {}).graph);
  int prepared = 0;
  for (const StateVariable& state : hoisted.main.states)
    if (state.kind == StateKind::prepared && state.type.shape.size() > 1) {
      EXPECT_EQ(state.type.shape[0], 36) << state.path;
      ++prepared;
    }
  EXPECT_EQ(prepared, 2);

  const StateLayouts layouts = choose_state_layouts({&hoisted.main}, {});
  const auto run = [&](const Graph& part, const InterpretInputs& given) {
    const Schedule schedule = make_schedule(part, Target{}, nullptr, {}, layouts);
    return run_schedule(schedule, plan_memory(schedule), given);
  };
  InterpretInputs main_inputs = inputs;
  main_inputs.states = run(hoisted.prepare, inputs).states;
  expect_near(run(hoisted.main, main_inputs).outputs, interpret(graph, inputs).outputs);
}

}  // namespace
}  // namespace netc
