#include "tests/program/training_step.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "compiler/backend/cuda/host_compiler.h"
#include "compiler/lower/contraction_layouts.h"
#include "compiler/lower/layout.h"
#include "compiler/lower/rematerialise.h"
#include "compiler/lower/tasks.h"
#include "compiler/lower/winograd.h"
#include "compiler/lower/winograd_gradient_plan.h"
#include "compiler/passes/cast_precision.h"
#include "compiler/passes/differentiate.h"
#include "compiler/passes/loss_scale.h"
#include "compiler/passes/pipeline.h"
#include "compiler/passes/round_in_products.h"
#include "compiler/passes/winograd.h"
#include "compiler/passes/winograd_gradient.h"
#include "runtime/context.h"
#include "runtime/cpu/load.h"
#include "runtime/cuda_emulation/load.h"
#include "runtime/thread_pool.h"
#include "tests/lower/networks.h"
#include "tests/tolerance.h"

namespace netc {
namespace {

constexpr OptimizerSpec kSgd{.momentum = 0.9, .weight_decay = 0.01};

OptimizerSpec optimizer_of(const StepOptions& options) {
  OptimizerSpec optimizer = kSgd;
  if (options.precision == Precision::f16) optimizer.loss_scale = options.loss_scale;
  return optimizer;
}

Graph gradient_of(const Graph& network, Precision precision, const OptimizerSpec& optimizer) {
  Graph gradient = differentiate(network, "loss", optimizer.loss_scale);
  return precision == Precision::f32 ? gradient : cast_precision(gradient, [&](const std::string&) { return precision; });
}

Graph with_winograd(const Graph& graph, const std::optional<Winograd>& winograd, const LayoutOptions& options) {
  return use_winograd(graph, WeightTransforms::each_run, [&](const Contraction& c, DType, WeightTransforms) -> WinogradChoice {
    const auto layouts = wanted_layouts(c, options);
    if (!winograd || !layouts || !winograd_form(physical_contraction(c, *layouts))) return {std::nullopt, ""};
    return {winograd, ""};
  }).graph;
}

// The same of weight gradients, in `parts` where the images fall into as many.
Graph with_winograd_gradients(const Graph& graph, const std::optional<Winograd>& winograd, int64_t parts, const LayoutOptions& options) {
  return use_winograd_gradients(graph, [&](const Contraction& c, DType) -> WinogradGradientChoice {
    const int64_t in = c.tensors[0].shape[0] % parts == 0 ? parts : 1;
    std::string reason;
    if (!winograd || !winograd_gradient_form(c, in, options, reason)) return {};
    return {winograd, in, ""};
  }).graph;
}

std::unique_ptr<Executable> load_native(ProgramPlan plan, const Target& target) {
  std::vector<NamedKernel> kernels;
  for (size_t i = 0; i < plan.kernels.bodies.size(); ++i) {
    kernels.push_back({plan.kernels.names[i], &plan.kernels.bodies[i]});
    plan.program.scratch_bytes = std::max(plan.program.scratch_bytes, scratch_bytes(plan.kernels.bodies[i], target));
  }
  plan.program.objects = compile_kernels(kernels, target, 2);
  return load_on_cpu(std::move(plan.program));
}

std::unique_ptr<Executable> load_emulated(ProgramPlan plan, const Target& target) {
  std::vector<CudaKernel> kernels;
  for (size_t i = 0; i < plan.kernels.bodies.size(); ++i)
    kernels.push_back({plan.kernels.names[i], &plan.kernels.bodies[i], {}});
  plan.program.objects = compile_emulation(kernels, target, 2);
  return load_cuda_emulation(std::move(plan.program));
}

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

}  // namespace

CompiledStep::CompiledStep(const Graph& network, const StepOptions& options)
    : precision_(options.precision),
      optimizer_(optimizer_of(options)),
      grad_(gradient_of(network, options.precision, optimizer_)) {
  Graph lowered = with_winograd_gradients(optimize(grad_), options.winograd, options.parts, options.fuse.layouts);
  lowered = split_all_sums(lowered, options.parts).graph;
  if (is_cuda(options.target)) lowered = round_in_products(lowered);
  layout_ = lay_out_state({&lowered}, &optimizer_, options.fuse.layouts);
  lowered = with_winograd(lowered, options.winograd, options.fuse.layouts);
  if (options.least_memory) {
    const auto within = [&](int64_t limit) {
      return rematerialise(lowered, options.target, {.arena_limit = limit, .smallest_value = 1, .fuse = options.fuse});
    };
    Rematerialisation r = within(within(0).least_bytes);
    EXPECT_TRUE(r.within_limit);
    recomputed = r.limited.size();
    lowered = std::move(r.graph);
  }
  if (options.restores) {
    Rematerialisation r = rematerialise(
        lowered, options.target, {.smallest_value = 1, .smallest_restored = 1, .largest_share = 1, .fuse = options.fuse});
    restored = r.restored.size();
    lowered = std::move(r.graph);
  }
  Graph apply = optimize(make_update(optimizer_, layout_.slab_elements));
  ProgramPlan plan = build_program({{"step", {&lowered, &apply}}}, layout_, options.target, nullptr, options.fuse);
  for (const KernelBody& body : plan.kernels.bodies) {
    with_sums += !body.partials.empty();
    in_tiles += body.contraction && body.contraction->contraction.winograd;
  }
  for (const LoweredGraph& graph : plan.graphs) arena_bytes = std::max(arena_bytes, graph.memory.arena_bytes);
  executable_ = is_cuda(options.target) ? load_emulated(std::move(plan), options.target) : load_native(std::move(plan), options.target);
}

InterpretInputs CompiledStep::draw(uint64_t seed) const {
  InterpretInputs inputs = random_inputs(grad_, seed);
  if (optimizer_.loss_scale)
    for (const StateVariable& state : loss_scale_states(*optimizer_.loss_scale)) inputs.states[state.path] = {{1}, {state.init.a}};
  return inputs;
}

std::vector<std::byte> CompiledStep::run(const InterpretInputs& inputs, int threads, float& loss) const {
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

std::vector<std::byte> check_step(const CompiledStep& compiled, uint64_t seed) {
  const InterpretInputs inputs = compiled.draw(seed);
  double expected_loss = 0;
  const std::map<std::string, HostTensor> expected = reference(compiled.grad(), inputs, expected_loss);
  float loss = 0;
  std::vector<std::byte> bytes = compiled.run(inputs, 1, loss);
  const StepTolerance tolerance = step_tolerance(compiled.precision());
  EXPECT_NEAR(loss, expected_loss, tolerance.loss * std::max(1.0, std::abs(expected_loss)));
  for (const StateVariable& state : compiled.grad().states) {
    const HostTensor& tensor = expected.at(state.path);
    const auto slot = std::find_if(compiled.layout().slots.begin(), compiled.layout().slots.end(),
                                   [&](const StateSlot& s) { return s.path == state.path; });
    const auto* values = reinterpret_cast<const float*>(bytes.data() + slot->offset);
    const std::vector<int64_t> positions = element_positions(slot->layout, slot->type.shape);
    double scale = 1e-2;
    for (double v : tensor.data) scale = std::max(scale, std::abs(v));
    for (size_t i = 0; i < tensor.data.size() && !testing::Test::HasFailure(); ++i)
      EXPECT_NEAR(values[positions[i]], tensor.data[i], tolerance.state * scale) << state.path << "[" << i << "]";
  }
  for (int threads : {2, 3, 5, 8}) {
    float other = 0;
    EXPECT_EQ(compiled.run(inputs, threads, other), bytes) << threads << " threads";
    EXPECT_EQ(std::memcmp(&other, &loss, 4), 0);
  }
  return bytes;
}

}  // namespace netc
