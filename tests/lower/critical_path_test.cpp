#include "compiler/lower/critical_path.h"

#include <gtest/gtest.h>

namespace netc {
namespace {

const MachineModel kMachine{1e9, 1e9};

EntryPoint entry_of(std::vector<std::pair<int64_t, int64_t>> tasks_and_flops) {
  EntryPoint entry;
  for (auto [tasks, flops] : tasks_and_flops) {
    Launch launch;
    launch.tasks = tasks;
    launch.flops = flops;
    entry.launches.push_back(launch);
  }
  return entry;
}

TEST(CriticalPath, IsTheLongestShareOfEachLaunch) {
  EXPECT_DOUBLE_EQ(scaling(entry_of({{6, 600}}), kMachine, 4).ratio(), 2.0 / 1.5);
  EXPECT_DOUBLE_EQ(scaling(entry_of({{8, 800}, {1, 100}}), kMachine, 4).ratio(), (200.0 + 100.0) / 225.0);
  EXPECT_DOUBLE_EQ(scaling(entry_of({{1, 100}}), kMachine, 1).ratio(), 1);
  EXPECT_DOUBLE_EQ(scaling(entry_of({}), kMachine, 64).ratio(), 1);
}

TEST(CriticalPath, BytesCountWhereTheyTakeLonger) {
  EntryPoint entry = entry_of({{2, 100}});
  entry.launches[0].bytes = 1000;
  EXPECT_DOUBLE_EQ(scaling(entry, kMachine, 1).path_seconds, 1e-6);
}

TEST(CriticalPath, NamesTheLaunchesWithTooFewTasks) {
  const std::vector<NarrowLaunch> narrow = narrow_launches(entry_of({{64, 6400}, {1, 100}, {2, 400}}), kMachine, 16, 0.05);
  ASSERT_EQ(narrow.size(), 2u);
  EXPECT_EQ(narrow[0].launch, 2u);
  EXPECT_EQ(narrow[1].launch, 1u);
  EXPECT_DOUBLE_EQ(narrow[1].lost, (100 - 100 / 16.0) / (6900 / 16.0));
}

}  // namespace
}  // namespace netc
