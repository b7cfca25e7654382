#include "compiler/lower/build_program.h"

#include <gtest/gtest.h>

#include <set>

#include "compiler/passes/cast_precision.h"
#include "compiler/passes/differentiate.h"
#include "compiler/passes/pipeline.h"
#include "compiler/passes/update.h"
#include "tests/lower/networks.h"

namespace netc {
namespace {

TEST(StateLayout, SlabsFollowTheOrderOfGradients) {
  Graph grad = differentiate(residual_network(2), "loss");
  OptimizerSpec sgd{.momentum = 0.9};
  StateLayout layout = lay_out_state({&grad}, &sgd);
  int64_t parameters = layout.offset_of(kParameterSlab), gradients = layout.offset_of(kGradientSlab),
          momentum = layout.offset_of("slab/momentum");
  EXPECT_EQ(gradients - parameters, layout.slab_elements * 4);
  EXPECT_EQ(momentum - gradients, layout.slab_elements * 4);
  EXPECT_LT(layout.offset_of("fc.weight"), layout.offset_of("stem.weight"));  // the last layer's gradient is first
  for (const StateVariable& state : grad.states)
    if (state.kind == StateKind::parameter) {
      EXPECT_EQ(layout.offset_of("gradient/" + state.path) - gradients, layout.offset_of(state.path) - parameters);
      EXPECT_EQ(layout.offset_of("momentum/" + state.path) - momentum, layout.offset_of(state.path) - parameters);
    }
  EXPECT_GE(layout.offset_of("stem_bn.running_mean"), momentum + layout.slab_elements * 4);
  int64_t end = 0;
  for (const StateSlot& slot : layout.slots) {
    EXPECT_EQ(slot.offset % 64, 0);
    EXPECT_GE(slot.offset, end);
    end = slot.offset + slot.type.bytes();
  }
  EXPECT_LE(end, layout.bytes);
}

TEST(BuildProgram, SharesKernelsAndStacksParts) {
  Graph grad = optimize(differentiate(residual_network(2), "loss"));
  OptimizerSpec sgd{.momentum = 0.9};
  StateLayout layout = lay_out_state({&grad}, &sgd);
  Graph apply = optimize(make_update(sgd, layout.slab_elements));
  ProgramPlan plan = build_program({{"grad", {&grad}}, {"apply", {&apply}}, {"step", {&grad, &apply}}}, layout, Target{});

  const Program& program = plan.program;
  ASSERT_EQ(program.entries.size(), 3u);
  const EntryPoint &g = program.entries[0], &a = program.entries[1], &s = program.entries[2];
  EXPECT_EQ(s.launches.size(), g.launches.size() + a.launches.size());
  EXPECT_EQ(s.arena_bytes, g.arena_bytes + a.arena_bytes);
  EXPECT_EQ(a.launches.size(), 1u) << "the optimizer is one map kernel";
  EXPECT_LT(program.kernels.size(), g.launches.size()) << "equal layers share kernels";
  EXPECT_EQ(plan.kernels.bodies.size(), program.kernels.size());
  std::set<std::string> symbols(plan.kernels.names.begin(), plan.kernels.names.end());
  EXPECT_EQ(symbols.size(), program.kernels.size());
  for (const EntryPoint& entry : program.entries)
    for (const Launch& launch : entry.launches) {
      const KernelInfo& kernel = program.kernels[static_cast<size_t>(launch.kernel)];
      ASSERT_EQ(launch.operands.size(), kernel.operand_spaces.size());
      EXPECT_GE(launch.tasks, 1);
      EXPECT_FALSE(launch.label.empty());
      for (size_t i = 0; i < launch.operands.size(); ++i) {
        EXPECT_EQ(launch.operands[i].space, kernel.operand_spaces[i]);
        EXPECT_LT(launch.operands[i].offset,
                  launch.operands[i].space == Space::state ? program.state_bytes : entry.arena_bytes);
      }
    }
  ASSERT_EQ(s.inputs.size(), 2u);
  EXPECT_EQ(s.inputs[0].name, "image");
  ASSERT_EQ(s.outputs.size(), 2u);
  EXPECT_EQ(s.outputs[0].name, "loss");
}

// On a GPU one launch rounds all weights that their readers take as they lie in the slab.
TEST(BuildProgram, RoundsWeightsTogether) {
  const FuseOptions options{.layouts = {.images = ImageLayout::channels_last}};
  const Graph grad = optimize(
      cast_precision(differentiate(residual_network(8), "loss"), [](const std::string&) { return Precision::bf16; }));
  const OptimizerSpec sgd{.momentum = 0.9};
  const StateLayout layout = lay_out_state({&grad}, &sgd, options.layouts);
  const auto casts_of = [&](const Target& target) {
    const ProgramPlan plan = build_program({{"grad", {&grad}}}, layout, target, nullptr, options);
    const Schedule& schedule = plan.graphs.front().schedule;
    std::vector<const ScheduledKernel*> casts;
    for (const ScheduledKernel& kernel : schedule.kernels)
      if (kernel.operands.size() == 2 && kernel.body.operands[1].dtype == DType::bf16 &&
          kernel.body.operands[0].space == Space::state)
        casts.push_back(&kernel);
    // Copies lie side by side, and none is read that was not written.
    verify(schedule);
    verify(schedule, plan.graphs.front().memory);
    return std::pair(casts.size(), casts.front()->body.operands[0].name);
  };
  Target gpu;
  gpu.kind = TargetKind::cuda;
  gpu.cpu = "sm_80";
  EXPECT_EQ(casts_of(gpu), std::pair(size_t{1}, kParameterSlab));
  EXPECT_GT(casts_of(Target{}).first, 1u);
}

}  // namespace
}  // namespace netc
