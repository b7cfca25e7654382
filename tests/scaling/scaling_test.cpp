// How planned training steps scale past any machine that runs the tests: the tasks of ResNet-50's step keep 4, 16 and 64 threads
// busy. On plans alone, for several processors; nothing is compiled or run.
#include <gtest/gtest.h>

#include "compiler/api/compile.h"
#include "compiler/lower/critical_path.h"
#include "compiler/sema/project.h"

namespace netc {
namespace {

constexpr double kMostOfIdeal = 1.25;

void check(const std::string& network, int64_t batch, const std::string& cpu, const std::string& precision,
           const std::vector<int>& pools) {
  SCOPED_TRACE(network + " on " + cpu + " in " + precision);
  Project project;
  CompileSettings settings;
  settings.cpu = cpu;
  settings.precision = precision;
  const Compilation c = plan_training(project, {network, {}, false}, nullptr, batch, settings);
  const EntryPoint* step = c.plan.program.find_entry("step");
  ASSERT_TRUE(step);
  const MachineModel machine = machine_model(c.target);
  for (int threads : pools) {
    EXPECT_LE(scaling(*step, machine, threads).ratio(), kMostOfIdeal) << threads << " threads";
    for (const NarrowLaunch& narrow : narrow_launches(*step, machine, threads, 0.02)) {
      const Launch& launch = step->launches[narrow.launch];
      ADD_FAILURE() << launch.label << " has " << launch.tasks << " tasks, and loses " << narrow.lost << " of the step at " << threads << " threads";
    }
  }
}

TEST(Scaling, TrainingStepOfResnet50) {
  for (const char* cpu : {"x86-64-v4", "x86-64-v3", "x86-64"})
    for (const char* precision : {"f32", "bf16"}) check("std.resnet:resnet50", 32, cpu, precision, {4, 16, 64});
}

TEST(Scaling, TrainingStepOfGoogLeNet) {
  for (const char* precision : {"f32", "bf16"}) check("std.googlenet:googlenet", 32, "x86-64-v4", precision, {4, 16});
}

}  // namespace
}  // namespace netc
