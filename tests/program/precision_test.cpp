// Mixed precision from the cast graph to machine code: every operator on every sample, with inputs and results
// in bf16 or f16, and whole networks, against the interpretation of the same graph.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "compiler/backend/cpu/cpu_backend.h"
#include "compiler/interpret/interpret.h"
#include "compiler/lower/build_program.h"
#include "compiler/ops/build.h"
#include "compiler/ops/registry.h"
#include "compiler/passes/cast_precision.h"
#include "compiler/passes/pipeline.h"
#include "runtime/context.h"
#include "runtime/cpu/load.h"
#include "runtime/thread_pool.h"
#include "tests/cpu/kernel_harness.h"
#include "tests/lower/networks.h"
#include "tests/tolerance.h"

namespace netc {
namespace {

// Runs a graph without state updates. `longest`: terms of the longest sum of any kernel.
std::vector<std::pair<TensorType, HostTensor>> run(const Graph& graph, const InterpretInputs& inputs, int64_t& longest) {
  const Graph lowered = optimize(graph);
  const Target target = host_target();
  ProgramPlan plan = build_program({{"predict", {&lowered}}}, lay_out_state({&lowered}, nullptr), target);
  std::vector<NamedKernel> kernels;
  for (size_t i = 0; i < plan.kernels.bodies.size(); ++i) {
    kernels.push_back({plan.kernels.names[i], &plan.kernels.bodies[i]});
    plan.program.scratch_bytes = std::max(plan.program.scratch_bytes, scratch_bytes(plan.kernels.bodies[i], target));
    longest = std::max(longest, reduction_length(plan.kernels.bodies[i]));
  }
  plan.program.objects = compile_kernels(kernels, target, 2);
  const std::unique_ptr<Executable> executable = load_on_cpu(std::move(plan.program));
  Context context(*executable);
  for (const StateSlot& slot : context.state().slots())
    if (const auto given = inputs.states.find(slot.path); given != inputs.states.end())
      for (size_t i = 0; i < given->second.data.size(); ++i)
        context.state().floats(slot)[i] = static_cast<float>(given->second.data[i]);

  const EntryPoint& entry = *context.program().find_entry("predict");
  std::vector<std::vector<std::byte>> memory;
  std::vector<InputView> in;
  std::vector<OutputView> out;
  for (const IoSlot& slot : entry.inputs) {
    std::vector<std::byte> bytes(static_cast<size_t>(slot.type.bytes()));
    const HostTensor& tensor = inputs.inputs.at(slot.name);
    for (size_t i = 0; i < tensor.data.size(); ++i)
      write_element(bytes.data() + static_cast<int64_t>(i) * size_of(slot.type.dtype), slot.type.dtype, tensor.data[i]);
    memory.push_back(std::move(bytes));
    in.push_back({memory.back().data(), slot.type.bytes()});
  }
  for (const IoSlot& slot : entry.outputs) {
    memory.emplace_back(static_cast<size_t>(slot.type.bytes()));
    out.push_back({memory.back().data(), slot.type.bytes()});
  }
  ThreadPool pool(1);
  context.run("predict", in, out, inputs.scalars, pool);

  std::vector<std::pair<TensorType, HostTensor>> results;
  for (size_t o = 0; o < entry.outputs.size(); ++o) {
    const TensorType& type = entry.outputs[o].type;
    HostTensor tensor{type.shape, {}};
    for (int64_t i = 0; i < type.elements(); ++i)
      tensor.data.push_back(read_element(memory[entry.inputs.size() + o].data() + i * size_of(type.dtype), type.dtype));
    results.emplace_back(type, std::move(tensor));
  }
  return results;
}

void check(const Graph& graph, const InterpretInputs& inputs, const std::string& what) {
  const InterpretResult expected = interpret(graph, inputs);
  int64_t longest = 1;
  const auto got = run(graph, inputs, longest);
  ASSERT_EQ(got.size(), graph.outputs.size());
  for (size_t o = 0; o < got.size(); ++o)
    expect_close(expected.outputs.at(graph.outputs[o].name), got[o].second, got[o].first.dtype, longest,
                 what + " " + graph.outputs[o].name);
}

HostTensor sample_tensor(const SampleInput& input, DType dtype, std::mt19937& random) {
  HostTensor tensor = random_tensor({dtype, input.type.shape}, input.low, input.high, random);
  if (!input.distinct) return tensor;
  std::vector<size_t> order(tensor.data.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), random);
  for (size_t i = 0; i < order.size(); ++i)  // equal where the type cannot tell them apart: a tie like any other
    tensor.data[order[i]] = round_to(input.low + (input.high - input.low) * static_cast<double>(i) /
                                                     static_cast<double>(order.size()), dtype);
  return tensor;
}

// The operator as the cast pass leaves it: operands of contractions and what is only moved narrow, everything else
// widened; every real result rounded.
void check_sample(const OpDef& op, const OpSample& sample, DType dtype) {
  const std::string what = op.name + "/" + sample.name + " in " + std::string(name_of(dtype));
  SCOPED_TRACE(what);
  std::mt19937 random(7);
  Builder b;
  InterpretInputs inputs;
  inputs.scalars = RuntimeScalars{0x123456789abcdef, 5, 0, 1000, 0.125f, 2.0f};
  inputs.scalars.valid_count = 2;
  std::vector<ValueId> operands;
  for (size_t i = 0; i < sample.inputs.size(); ++i) {
    const SampleInput& input = sample.inputs[i];
    if (!input.type.shape.empty() && input.type.shape[0] < 0) {
      operands.push_back({});
      continue;
    }
    const bool is_real = is_floating(input.type.dtype);
    const DType held = is_real ? dtype : input.type.dtype;
    const std::string name = "in" + std::to_string(i);
    inputs.inputs[name] = sample_tensor(input, held, random);
    const ValueId value = b.add_input(name, {held, input.type.shape});
    const bool as_it_is = !is_real || op.arithmetic == Arithmetic::movement || (op.arithmetic == Arithmetic::contraction && i < 2);
    operands.push_back(as_it_is ? value : build::cast(b, value, DType::f32));
  }
  const std::vector<ValueId> outputs = b.emit_all(op, operands, sample.attrs);
  for (size_t o = 0; o < outputs.size(); ++o)
    b.add_output(op.outputs[o], is_floating(b.type(outputs[o]).dtype) ? build::cast(b, outputs[o], dtype) : outputs[o]);
  check(b.finish(), inputs, what);
}

TEST(Precision, EveryOperatorsSamples) {
  for (const OpDef* op : all_ops()) {
    if (op->leaf || op->name == "cast") continue;
    for (const OpSample& sample : op->samples())
      check_sample(*op, sample, DType::bf16);
    check_sample(*op, op->samples().front(), DType::f16);
  }
}

TEST(Precision, Networks) {
  for (const Precision precision : {Precision::tf32, Precision::bf16, Precision::f16})
    for (const Graph& network : {mlp(4), small_cnn(3)}) {
      const Graph graph = cast_precision(network, [&](const std::string&) { return precision; });
      check(graph, random_inputs(graph, 1), std::string(name_of(precision)));
    }
}

}  // namespace
}  // namespace netc
