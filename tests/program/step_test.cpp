// Training steps from graph to machine code: what a compiled `step` computes, against the interpreter, and
// bitwise the same at any number of threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "compiler/backend/cpu/cpu_backend.h"
#include "compiler/backend/cuda/host_compiler.h"
#include "compiler/lower/build_program.h"
#include "compiler/lower/tasks.h"
#include "compiler/passes/differentiate.h"
#include "compiler/passes/pipeline.h"
#include "compiler/passes/update.h"
#include "runtime/context.h"
#include "runtime/cpu/load.h"
#include "runtime/cuda_emulation/load.h"
#include "runtime/thread_pool.h"
#include "tests/lower/networks.h"

namespace netc {
namespace {

constexpr OptimizerSpec kSgd{.momentum = 0.9, .weight_decay = 0.01};

// A training program with the entry `step`.
class Compiled {
 public:
  Compiled(const Graph& network, const FuseOptions& options, const Target& target) : grad_(differentiate(network, "loss")) {
    Graph lowered = optimize(grad_);
    layout_ = lay_out_state({&lowered}, &kSgd, options.layouts);
    Graph apply = optimize(make_update(kSgd, layout_.slab_elements));
    ProgramPlan plan = build_program({{"step", {&lowered, &apply}}}, layout_, target, nullptr, options);
    for (const KernelBody& body : plan.kernels.bodies) with_sums += !body.partials.empty();
    executable_ = is_cuda(target) ? load_emulated(std::move(plan), target) : load_native(std::move(plan), target);
  }

  // Runs two steps from the given state; returns the state's bytes.
  std::vector<std::byte> run(const InterpretInputs& inputs, int threads, float& loss) const {
    Context context(*executable_);
    for (const StateSlot& slot : context.state().slots()) {
      auto given = inputs.states.find(slot.path);
      if (given == inputs.states.end()) continue;
      const std::vector<float> values(given->second.data.begin(), given->second.data.end());
      context.state().write(slot, std::as_bytes(std::span(values)));
    }
    const EntryPoint& entry = *context.program().find_entry("step");
    std::vector<std::vector<std::byte>> tensors;
    std::vector<InputView> in;
    for (const IoSlot& slot : entry.inputs) {
      const HostTensor& tensor = inputs.inputs.at(slot.name);
      std::vector<std::byte> bytes(static_cast<size_t>(slot.type.bytes()));
      for (size_t i = 0; i < tensor.data.size(); ++i) {
        if (slot.type.dtype == DType::f32) reinterpret_cast<float*>(bytes.data())[i] = static_cast<float>(tensor.data[i]);
        else reinterpret_cast<int64_t*>(bytes.data())[i] = static_cast<int64_t>(tensor.data[i]);
      }
      tensors.push_back(std::move(bytes));
      in.push_back({tensors.back().data(), static_cast<int64_t>(tensors.back().size())});
    }
    std::vector<OutputView> out(entry.outputs.size());
    out[0] = {&loss, 4};
    ThreadPool pool(threads);
    RuntimeScalars scalars = inputs.scalars;
    for (int step = 0; step < 2; ++step) {
      scalars.step = step;
      context.run("step", in, out, scalars, pool);
    }
    std::byte* data = context.state().data();
    return {data, data + context.state().size()};
  }

  const Graph& grad() const { return grad_; }
  const StateLayout& layout() const { return layout_; }
  int with_sums = 0;  // kernels that take sums in an epilogue

 private:
  Graph grad_;
  StateLayout layout_;
  static std::unique_ptr<Executable> load_native(ProgramPlan plan, const Target& target) {
    std::vector<NamedKernel> kernels;
    for (size_t i = 0; i < plan.kernels.bodies.size(); ++i) {
      kernels.push_back({plan.kernels.names[i], &plan.kernels.bodies[i]});
      plan.program.scratch_bytes = std::max(plan.program.scratch_bytes, scratch_bytes(plan.kernels.bodies[i], target));
    }
    plan.program.objects = compile_kernels(kernels, target, 2);
    return load_on_cpu(std::move(plan.program));
  }
  static std::unique_ptr<Executable> load_emulated(ProgramPlan plan, const Target& target) {
    std::vector<CudaKernel> kernels;
    for (size_t i = 0; i < plan.kernels.bodies.size(); ++i)
      kernels.push_back({plan.kernels.names[i], &plan.kernels.bodies[i], {}});
    plan.program.objects = compile_emulation(kernels, target, 2);
    return load_cuda_emulation(std::move(plan.program));
  }

  std::unique_ptr<Executable> executable_;
};

// The same two steps in double precision. Returns parameters and buffers, and the last loss.
std::map<std::string, HostTensor> reference(const Graph& grad, InterpretInputs inputs, double& loss) {
  std::map<std::string, HostTensor> moments;
  for (int step = 0; step < 2; ++step) {
    inputs.scalars.step = step;
    InterpretResult result = interpret(grad, inputs);
    loss = result.outputs.at("loss").data[0];
    for (auto& [path, tensor] : result.states) inputs.states[path] = tensor;
    for (const StateVariable& state : grad.states) {
      if (state.kind != StateKind::parameter) continue;
      HostTensor& p = inputs.states[state.path];
      HostTensor& m = moments.try_emplace(state.path, HostTensor{p.shape, std::vector<double>(p.data.size(), 0.0)}).first->second;
      const HostTensor& g = inputs.states["gradient/" + state.path];
      for (size_t i = 0; i < p.data.size(); ++i) {
        m.data[i] = kSgd.momentum * m.data[i] + g.data[i] + kSgd.weight_decay * p.data[i];
        p.data[i] -= inputs.learning_rate * m.data[i];
      }
    }
  }
  return inputs.states;
}

int check(const Graph& network, uint64_t seed, const FuseOptions& options = {}, const Target& target = host_target()) {
  SCOPED_TRACE(target.cpu);
  Compiled compiled(network, options, target);
  InterpretInputs inputs = random_inputs(compiled.grad(), seed);
  double expected_loss = 0;
  std::map<std::string, HostTensor> expected = reference(compiled.grad(), inputs, expected_loss);
  float loss = 0;
  std::vector<std::byte> bytes = compiled.run(inputs, 1, loss);
  EXPECT_NEAR(loss, expected_loss, 1e-4 * std::max(1.0, std::abs(expected_loss)));
  for (const StateVariable& state : compiled.grad().states) {
    const HostTensor& tensor = expected.at(state.path);
    const auto slot = std::find_if(compiled.layout().slots.begin(), compiled.layout().slots.end(),
                                   [&](const StateSlot& s) { return s.path == state.path; });
    const auto* values = reinterpret_cast<const float*>(bytes.data() + slot->offset);
    const std::vector<int64_t> positions = element_positions(slot->layout, slot->type.shape);
    double scale = 1e-2;
    for (double v : tensor.data) scale = std::max(scale, std::abs(v));
    for (size_t i = 0; i < tensor.data.size() && !testing::Test::HasFailure(); ++i)
      EXPECT_NEAR(values[positions[i]], tensor.data[i], 5e-4 * scale) << state.path << "[" << i << "]";
  }
  for (int threads : {2, 3, 5}) {
    float other = 0;
    EXPECT_EQ(compiled.run(inputs, threads, other), bytes) << threads << " threads";
    EXPECT_EQ(std::memcmp(&other, &loss, 4), 0);
  }
  return compiled.with_sums;
}

TEST(Step, Mlp) { check(mlp(4), 1); }
TEST(Step, SmallCnn) { check(small_cnn(3), 1); }
TEST(Step, Inception) { check(inception_network(2), 1); }
TEST(Step, Residual) { check(residual_network(4), 1); }
TEST(Step, ResidualWithStatisticsInEpilogues) {
  EXPECT_GT(check(residual_network(4), 1, {.smallest_statistics = 0}), 5);
}
// Other vectors, other tiles and tasks, no FMA: right as well, and the same at any number of threads.
TEST(Step, OtherProcessors) {
  for (const char* cpu : {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"}) {
    if (!missing_features(target_named(cpu)).empty()) continue;
    check(small_cnn(3), 1, {}, target_named(cpu));
    check(inception_network(2), 1, {}, target_named(cpu));
    check(residual_network(4), 1, {.smallest_statistics = 0}, target_named(cpu));
    check(random_network(7), 7, {}, target_named(cpu));
  }
}
TEST(Step, RandomNetworks) {
  for (uint64_t seed = 0; seed < 6 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    check(random_network(seed), seed, {.smallest_statistics = seed % 2 == 0 ? INT64_MAX : 0});
  }
}

// Every channel axis in blocks, whether it fills them or not.
constexpr LayoutOptions kAllBlocked{.blocked = true, .least_fill = 0};

TEST(Step, BlockedLayouts) {
  for (const Graph& network : {small_cnn(3), inception_network(2), residual_network(4)}) check(network, 1, {.layouts = kAllBlocked});
  EXPECT_GT(check(residual_network(4), 1, {.smallest_statistics = 0, .layouts = kAllBlocked}), 5);
}
TEST(Step, RandomNetworksInBlockedLayouts) {
  for (uint64_t seed = 0; seed < 6 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    check(random_network(seed), seed, {.smallest_statistics = seed % 2 == 0 ? INT64_MAX : 0, .layouts = kAllBlocked});
  }
}

// The same on the CUDA backend, emulated. Its kernels take dense tensors.
constexpr LayoutOptions kDense{.blocked = false};
TEST(CudaStep, Mlp) { check(mlp(4), 1, {.layouts = kDense}, cuda_target("sm_80")); }
TEST(CudaStep, SmallCnn) { check(small_cnn(3), 1, {.layouts = kDense}, cuda_target("sm_80")); }
TEST(CudaStep, Inception) { check(inception_network(2), 1, {.layouts = kDense}, cuda_target("sm_80")); }
TEST(CudaStep, ResidualWithStatisticsInEpilogues) {
  EXPECT_GT(check(residual_network(4), 1, {.smallest_statistics = 0, .layouts = kDense}, cuda_target("sm_80")), 5);
}

}  // namespace
}  // namespace netc
