// Streams of launches: whatever touches the same memory is in an order, narrow branches run side by side, and the checker that says so
// notices each wait that is missing.
#include "compiler/lower/streams.h"

#include <gtest/gtest.h>

#include <set>

#include "compiler/base/target.h"
#include "compiler/lower/build_program.h"
#include "compiler/passes/differentiate.h"
#include "compiler/passes/pipeline.h"
#include "compiler/passes/update.h"
#include "tests/lower/networks.h"
#include "tests/lower/stream_order.h"

namespace netc {
namespace {

Target cuda() {
  Target target;
  target.kind = TargetKind::cuda;
  target.cpu = "sm_90";
  return target;
}

// A prediction, or a training step.
ProgramPlan plan(const Graph& network, bool training, const Target& target = cuda()) {
  constexpr OptimizerSpec kSgd{.momentum = 0.9};
  const Graph main = optimize(training ? differentiate(network, "loss") : network);
  const StateLayout state = lay_out_state({&main}, training ? &kSgd : nullptr);
  if (!training) return build_program({{"predict", {&main}}}, state, target);
  const Graph apply = optimize(make_update(kSgd, state.slab_elements));
  return build_program({{"step", {&main, &apply}}}, state, target);
}

std::string race_of(const ProgramPlan& plan) {
  return find_race(plan.program.entries[0], plan.program.state_bytes, plan.kernels.bodies);
}

int waits_of(const EntryPoint& entry) {
  int waits = 0;
  for (const Launch& l : entry.launches) waits += static_cast<int>(l.waits.size());
  return waits;
}
std::set<int32_t> streams_of(const EntryPoint& entry) {
  std::set<int32_t> streams;
  for (const Launch& l : entry.launches) streams.insert(l.stream);
  return streams;
}

TEST(Streams, WhateverTouchesTheSameMemoryIsInAnOrder) {
  for (bool training : {false, true})
    for (const Graph& network : {mlp(2), small_cnn(2), residual_network(2), wide_network(2), inception_network(2), grouped_network(2)})
      EXPECT_EQ(race_of(plan(network, training)), "");
  for (uint64_t seed = 1; seed <= 20; ++seed)
    for (bool training : {false, true}) EXPECT_EQ(race_of(plan(random_network(seed), training)), "") << seed;
}

TEST(Streams, BranchesRunSideBySide) {
  const ProgramPlan branches = plan(inception_network(2), false);
  EXPECT_GT(streams_of(branches.program.entries[0]).size(), 1u);
  EXPECT_GT(waits_of(branches.program.entries[0]), 0);
  const ProgramPlan chain = plan(mlp(2), false);
  EXPECT_EQ(streams_of(chain.program.entries[0]), std::set<int32_t>{0});
  EXPECT_EQ(waits_of(chain.program.entries[0]), 0);
}

// Where each launch fills the GPU, there is nothing to win.
TEST(Streams, LaunchesThatFillTheGpuStayInOrder) {
  ProgramPlan branches = plan(inception_network(2), false);
  for (Launch& l : branches.program.entries[0].launches) l.tasks = kBlocksAtATime;
  plan_streams(branches.program.entries[0], branches.kernels.bodies);
  EXPECT_EQ(streams_of(branches.program.entries[0]), std::set<int32_t>{0});
}

TEST(Streams, AProcessorHasOne) {
  const ProgramPlan host = plan(inception_network(2), true, Target{});
  EXPECT_EQ(streams_of(host.program.entries[0]), std::set<int32_t>{0});
  EXPECT_EQ(waits_of(host.program.entries[0]), 0);
}

TEST(Streams, EveryWaitIsNeeded) {
  for (bool training : {false, true}) {
    ProgramPlan whole = plan(inception_network(2), training);
    EntryPoint& entry = whole.program.entries[0];
    int dropped = 0;
    for (size_t i = 0; i < entry.launches.size(); ++i)
      for (size_t w = 0; w < entry.launches[i].waits.size(); ++w) {
        const std::vector<int32_t> waits = entry.launches[i].waits;
        entry.launches[i].waits.erase(entry.launches[i].waits.begin() + static_cast<std::ptrdiff_t>(w));
        EXPECT_NE(race_of(whole), "") << entry.launches[i].label;
        entry.launches[i].waits = waits;
        ++dropped;
      }
    EXPECT_GT(dropped, 0);
    EXPECT_EQ(race_of(whole), "");
  }
}

}  // namespace
}  // namespace netc
