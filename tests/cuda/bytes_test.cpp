// The bytes that a plan says its kernels move, against those that the kernels touch under emulation, each byte once a
// launch: what `netc explain` prints, and what a GPU's memory has to deliver if its caches lose nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <iostream>
#include <map>
#include <random>

#include "compiler/backend/cuda/cuda_backend.h"
#include "compiler/backend/cuda/host_compiler.h"
#include "compiler/lower/build_program.h"
#include "compiler/passes/cast_precision.h"
#include "compiler/passes/differentiate.h"
#include "compiler/passes/pipeline.h"
#include "compiler/passes/update.h"
#include "runtime/context.h"
#include "runtime/cuda_emulation/load.h"
#include "runtime/thread_pool.h"
#include "tests/lower/networks.h"

namespace netc {
namespace {

// Measured: 0.992. Less is touched where a convolution of stride 2 leaves pixels out, and of tables that are looked up in.
constexpr double kLeastShare = 0.98;

ProgramPlan plan_step(const Graph& network, const Target& target) {
  constexpr OptimizerSpec kSgd{.momentum = 0.9, .weight_decay = 0.01};
  constexpr LayoutOptions kChannelsLast{.images = ImageLayout::channels_last};
  const Graph grad = optimize(
      cast_precision(differentiate(network, "loss"), [](const std::string&) { return Precision::bf16; }));
  const StateLayout layout = lay_out_state({&grad}, &kSgd, kChannelsLast);
  const Graph apply = optimize(make_update(kSgd, layout.slab_elements));
  return build_program({{"step", {&grad, &apply}}}, layout, target, nullptr,
                       {.smallest_statistics = 0, .layouts = kChannelsLast});
}

// One step from weights and inputs that are drawn.
void run_step(const Executable& executable) {
  Context context(executable);
  std::mt19937 random(5);
  std::uniform_real_distribution<float> real(-0.2f, 0.2f);
  for (const StateSlot& slot : context.state().slots())
    if (slot.kind == StateKind::parameter)
      for (int64_t i = 0; i < slot.bytes() / 4; ++i) {
        const float value = real(random);
        std::memcpy(context.state().data() + slot.offset + 4 * i, &value, sizeof value);
      }
  const EntryPoint& entry = *executable.program().find_entry("step");
  std::vector<std::vector<std::byte>> memory;
  std::vector<InputView> in;
  for (const IoSlot& slot : entry.inputs) {
    std::vector<std::byte> bytes(static_cast<size_t>(slot.type.bytes()));
    if (slot.type.dtype == DType::f32)
      for (int64_t i = 0; i < slot.type.elements(); ++i) {
        const float value = real(random);
        std::memcpy(bytes.data() + 4 * i, &value, sizeof value);
      }
    memory.push_back(std::move(bytes));
    in.push_back({memory.back().data(), slot.type.bytes()});
  }
  std::vector<OutputView> out;
  for (const IoSlot& slot : entry.outputs) {
    memory.emplace_back(static_cast<size_t>(slot.type.bytes()));
    out.push_back({memory.back().data(), slot.type.bytes()});
  }
  RuntimeScalars scalars;
  scalars.valid_count = INT64_MAX;
  ThreadPool pool(1);
  context.run("step", in, out, scalars, pool);
}

TEST(CudaBytes, PlansCountWhatKernelsTouch) {
  const Target target = cuda_target("sm_80");
  ProgramPlan plan = plan_step(residual_network(2, 16), target);
  std::vector<CudaKernel> kernels;
  for (size_t i = 0; i < plan.kernels.bodies.size(); ++i)
    kernels.push_back({plan.kernels.names[i], &plan.kernels.bodies[i], {}});
  plan.program.objects = compile_emulation(kernels, target, 2);
  const std::unique_ptr<EmulatedExecutable> executable = load_cuda_emulation(std::move(plan.program));
  executable->count_unique_bytes();
  run_step(*executable);

  const Program& program = executable->program();
  std::map<int32_t, int64_t> planned;
  for (const Launch& launch : program.find_entry("step")->launches) planned[launch.kernel] += launch.bytes;
  int64_t all_planned = 0, all_unique = 0, all_moved = 0;
  for (auto [kernel, bytes] : planned) {
    const EmulationCounts counts = executable->counts(kernel);
    const auto unique = static_cast<int64_t>(counts.unique_read_bytes + counts.unique_written_bytes);
    // A plan counts each operand as a whole; no kernel may touch more.
    EXPECT_LE(unique, bytes) << program.kernels[static_cast<size_t>(kernel)].symbol;
    EXPECT_GT(unique, 0) << program.kernels[static_cast<size_t>(kernel)].symbol;
    all_planned += bytes;
    all_unique += unique;
    all_moved += static_cast<int64_t>(counts.read_bytes + counts.written_bytes);
  }
  std::cout << "planned " << all_planned << " bytes, touched " << all_unique << ", loads and stores of all threads "
            << all_moved << "\n";
  EXPECT_GE(static_cast<double>(all_unique), kLeastShare * static_cast<double>(all_planned));
}

}  // namespace
}  // namespace netc
