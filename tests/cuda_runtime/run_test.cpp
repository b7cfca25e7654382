// Programs on the fake GPU: the same bits as under the emulation, the calls in their order, and what happens
// when any of them fails.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <sstream>

#include "compiler/backend/cuda/host_compiler.h"
#include "compiler/base/error.h"
#include "compiler/lower/build_program.h"
#include "compiler/passes/differentiate.h"
#include "compiler/passes/pipeline.h"
#include "compiler/passes/update.h"
#include "runtime/context.h"
#include "runtime/cuda/load.h"
#include "runtime/cuda_emulation/load.h"
#include "tests/cuda_runtime/fake_machine.h"
#include "tests/lower/networks.h"

namespace netc {
namespace {

constexpr OptimizerSpec kSgd{.momentum = 0.9, .weight_decay = 0.01};
constexpr int kSteps = 4;
constexpr FakeCudaOrder kOrders[] = {FakeCudaOrder::as_called, FakeCudaOrder::late,
                                     FakeCudaOrder::newest_first};

// A training program whose objects are emulated kernels, which the fake driver runs, and its inputs.
struct Case {
  Program program;
  std::vector<DeviceKernel> kernels;
  InterpretInputs inputs;
};

Case make_case(const Graph& network) {
  const Graph grad = differentiate(network, "loss");
  const Graph lowered = optimize(grad);
  const LayoutOptions dense{.images = ImageLayout::dense};
  const StateLayout layout = lay_out_state({&lowered}, &kSgd, dense);
  const Graph apply = optimize(make_update(kSgd, layout.slab_elements));
  const Target target = cuda_target("sm_80");
  ProgramPlan plan =
      build_program({{"step", {&lowered, &apply}}}, layout, target, nullptr, {.layouts = dense});
  std::vector<CudaKernel> kernels;
  std::vector<CudaSource> sources;
  for (size_t i = 0; i < plan.kernels.bodies.size(); ++i) {
    kernels.push_back({plan.kernels.names[i], &plan.kernels.bodies[i], {}});
    sources.push_back(emit_cuda(kernels.back(), target));
  }
  const std::vector<std::byte> library = compile_host_library(emit_emulation(kernels, sources));
  std::vector<int32_t> objects;  // the functions lie in two "cubins" by turns; each of these has all
  for (size_t f = 0; f < group_by_function(sources).size(); ++f)
    objects.push_back(static_cast<int32_t>(f % 2));
  std::vector<DeviceKernel> functions = describe_kernels(sources, objects, plan.program);
  plan.program.objects.assign(2, library);
  return {std::move(plan.program), std::move(functions), random_inputs(grad, 1)};
}

// Its launches run one after the other, so that the calls do.
const Case& shared_case() {
  static const Case made = [] {
    Case one = make_case(small_cnn(3));
    for (Launch& l : one.program.entries[0].launches) {
      l.stream = 0;
      l.waits.clear();
    }
    return one;
  }();
  return made;
}

// Launches on several streams.
const Case& branches_case() {
  static const Case made = make_case(inception_network(2));
  return made;
}

void write_state(State& state, const InterpretInputs& inputs) {
  for (const StateSlot& slot : state.slots()) {
    const auto given = inputs.states.find(slot.path);
    if (given == inputs.states.end()) continue;
    const std::vector<float> values(given->second.data.begin(), given->second.data.end());
    state.write(slot, std::as_bytes(std::span(values)));
  }
}

std::vector<std::vector<std::byte>> input_tensors(const EntryPoint& entry, const InterpretInputs& inputs) {
  std::vector<std::vector<std::byte>> tensors;
  for (const IoSlot& slot : entry.inputs) {
    const HostTensor& tensor = inputs.inputs.at(slot.name);
    std::vector<std::byte> bytes(static_cast<size_t>(slot.type.bytes()));
    for (size_t i = 0; i < tensor.data.size(); ++i)
      if (slot.type.dtype == DType::f32)
        reinterpret_cast<float*>(bytes.data())[i] = static_cast<float>(tensor.data[i]);
      else
        reinterpret_cast<int64_t*>(bytes.data())[i] = static_cast<int64_t>(tensor.data[i]);
    tensors.push_back(std::move(bytes));
  }
  return tensors;
}

struct Result {
  std::vector<std::byte> state;
  std::vector<float> losses;
  bool operator==(const Result&) const = default;
};

// The inputs of a step: other numbers in each.
std::vector<std::vector<std::byte>> inputs_of_step(const EntryPoint& entry, const InterpretInputs& inputs,
                                                   int step) {
  std::vector<std::vector<std::byte>> tensors = input_tensors(entry, inputs);
  for (size_t i = 0; i < tensors.size(); ++i)
    if (entry.inputs[i].type.dtype == DType::f32)
      for (size_t at = 0; at + 4 <= tensors[i].size(); at += 4)
        *reinterpret_cast<float*>(tensors[i].data() + at) += 0.125f * static_cast<float>(step);
  return tensors;
}

std::vector<InputView> views_of(const std::vector<std::vector<std::byte>>& tensors) {
  std::vector<InputView> views;
  for (const std::vector<std::byte>& t : tensors) views.push_back({t.data(), static_cast<int64_t>(t.size())});
  return views;
}

// How a step gets its inputs: at first through views, later in place; or each while the one before it runs.
enum class Inputs { given, staged };

// Some steps, each with a learning rate of its own.
Result train(Context& context, const InterpretInputs& inputs, std::vector<int64_t>* profile = nullptr,
             Inputs how = Inputs::given) {
  write_state(context.state(), inputs);
  const EntryPoint& entry = *context.program().find_entry("step");
  SerialExecutor executor;
  RuntimeScalars scalars = inputs.scalars;
  Result result;
  const auto stage = [&](int step) {
    std::vector<std::vector<std::byte>> tensors = inputs_of_step(entry, inputs, step);
    context.stage_inputs("step", views_of(tensors), executor);
    for (std::vector<std::byte>& t : tensors) std::fill(t.begin(), t.end(), std::byte{0x7f});  // free again
  };
  if (how == Inputs::staged) stage(0);
  for (int step = 0; step < kSteps; ++step) {
    const std::vector<std::vector<std::byte>> tensors = inputs_of_step(entry, inputs, step);
    std::vector<InputView> in = views_of(tensors);
    RunOptions options;
    if (how == Inputs::staged) {
      options.staged = true;
      options.meanwhile = [&] {
        if (step + 1 == kSteps) return;
        stage(kSteps);  // which is dropped: this step's own copy may not have begun
        stage(step + 1);
      };
    } else if (step % 2 == 1) {
      for (size_t i = 0; i < tensors.size(); ++i) {
        std::memcpy(context.buffer(entry.inputs[i]).data(), tensors[i].data(), tensors[i].size());
        in[i].data = nullptr;
      }
    }
    std::vector<OutputView> out(entry.outputs.size());
    float loss = 0;
    out[0] = {&loss, 4};
    scalars.step = step;
    scalars.learning_rate = 0.01f * static_cast<float>(1 + step);
    context.set_profile(profile && step == kSteps - 1 ? profile : nullptr);
    context.run("step", in, out, scalars, executor, options);
    result.losses.push_back(loss);
  }
  const std::byte* data = context.state().data();
  result.state.assign(data, data + context.state().size());
  return result;
}

std::shared_ptr<CudaDevice> open_device(const FakeMachine& fake) {
  std::string reason;
  std::shared_ptr<CudaDevice> device = CudaDevice::open(fake.driver(), reason);
  if (!device) throw RuntimeError("E0935", reason);
  return device;
}

Result train_on_fake(const FakeMachine& fake, std::vector<int64_t>* profile = nullptr,
                     Inputs how = Inputs::given, const Case& which = shared_case()) {
  const std::unique_ptr<Executable> executable =
      load_on_cuda(which.program, which.kernels, open_device(fake));
  Context context(*executable);
  return train(context, which.inputs, profile, how);
}

Result train_emulated(const Case& which) {
  const std::unique_ptr<EmulatedExecutable> executable = load_cuda_emulation(which.program);
  Context context(*executable);
  return train(context, which.inputs);
}

const Result& train_emulated() {
  static const Result result = train_emulated(shared_case());
  return result;
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> result;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) result.push_back(line);
  return result;
}

TEST(CudaRun, TheSameBitsAsUnderTheEmulation) {
  const Result& expected = train_emulated();
  EXPECT_NE(expected.losses[0], expected.losses[3]);
  for (FakeCudaOrder order : kOrders)
    for (Inputs how : {Inputs::given, Inputs::staged}) {
      const FakeMachine fake({.order = order});
      EXPECT_EQ(train_on_fake(fake, nullptr, how), expected) << static_cast<int>(order);
      EXPECT_EQ(fake.alive(), 0);
    }
}

// Launches on several streams: the same bits, in whichever order the GPU takes what may run at a time.
TEST(CudaRun, StreamsChangeNothing) {
  const Case& branches = branches_case();
  int beside = 0;
  for (const Launch& l : branches.program.entries[0].launches) beside += l.stream > 0;
  EXPECT_GT(beside, 0);
  const Result expected = train_emulated(branches);
  for (FakeCudaOrder order : kOrders)
    for (Inputs how : {Inputs::given, Inputs::staged}) {
      const FakeMachine fake({.order = order});
      EXPECT_EQ(train_on_fake(fake, nullptr, how, branches), expected) << static_cast<int>(order);
      EXPECT_EQ(fake.alive(), 0);
    }
}

// While several streams are recorded, a call fails: none of them stays in the recording.
TEST(CudaRun, AnyCallMayFailBetweenStreams) {
  for (auto [call, count] : {std::pair{"cuStreamCreate", 2},
                             {"cuEventCreate", 1},
                             {"cuEventCreate", 3},
                             {"cuEventRecord", 1},
                             {"cuEventRecord", 3},
                             {"cuStreamWaitEvent", 1},
                             {"cuStreamWaitEvent", 5},
                             {"cuStreamEndCapture", 1}}) {
    SCOPED_TRACE(call);
    const FakeMachine fake;
    fake.fail(call, count, 999);
    EXPECT_THROW(train_on_fake(fake, nullptr, Inputs::given, branches_case()), RuntimeError);
    EXPECT_EQ(fake.alive(), 0);
  }
}

// The orders are of use: without what launches wait for, they give other results.
TEST(CudaRun, AMissingWaitShows) {
  Case branches = branches_case();
  const Result expected = train_emulated(branches);
  for (Launch& l : branches.program.entries[0].launches) l.waits.clear();
  int differ = 0;
  for (FakeCudaOrder order : kOrders) {
    const FakeMachine fake({.order = order});
    differ += train_on_fake(fake, nullptr, Inputs::given, branches) != expected;
  }
  EXPECT_GT(differ, 0);
}

// Whoever stages inputs and never runs, or throws while a run is under way, leaves nothing behind that uses
// memory.
TEST(CudaRun, AnErrorMeanwhileEndsTheRunFirst) {
  for (FakeCudaOrder order : kOrders) {
    const FakeMachine fake({.order = order});
    {
      const std::unique_ptr<Executable> executable =
          load_on_cuda(shared_case().program, shared_case().kernels, open_device(fake));
      Context context(*executable);
      train(context, shared_case().inputs, nullptr, Inputs::staged);
      const EntryPoint& entry = *context.program().find_entry("step");
      const auto tensors = inputs_of_step(entry, shared_case().inputs, 0);
      const std::vector<OutputView> out(entry.outputs.size());
      SerialExecutor executor;
      context.stage_inputs("step", views_of(tensors), executor);
      RunOptions options{true, [&] {
                           context.stage_inputs("step", views_of(tensors), executor);
                           throw RuntimeError("E0705", "the next batch cannot be read");
                         }};
      const std::vector<std::byte> before(context.state().data(),
                                          context.state().data() + context.state().size());
      EXPECT_THROW(
          context.run("step", views_of(tensors), out, shared_case().inputs.scalars, executor, options),
          RuntimeError);
      EXPECT_NE(std::memcmp(before.data(), context.state().data(), before.size()), 0) << "the step has run";
    }
    EXPECT_EQ(fake.alive(), 0);
    EXPECT_EQ(fake.log().find("FAULT"), std::string::npos);
  }
}

TEST(CudaRun, ProfileTimesEveryLaunchAndChangesNothing) {
  const FakeMachine fake;
  std::vector<int64_t> profile;
  EXPECT_EQ(train_on_fake(fake, &profile), train_emulated());
  EXPECT_EQ(profile, std::vector<int64_t>(shared_case().program.entries[0].launches.size(), 250000));
  EXPECT_EQ(fake.alive(), 0);
}

// Contexts of one state: a step of one is seen by the other.
TEST(CudaRun, ContextsShareAState) {
  const FakeMachine fake;
  const std::unique_ptr<Executable> executable =
      load_on_cuda(shared_case().program, shared_case().kernels, open_device(fake));
  Context first(*executable), second(*executable, first.shared_state());
  train(first, shared_case().inputs);
  EXPECT_EQ(
      std::memcmp(first.state().data(), second.state().data(), static_cast<size_t>(first.state().size())), 0);
  EXPECT_THROW(Context(*executable, std::make_shared<State>(executable->program())), InternalError)
      << "a state that the GPU does not see";
}

// The first run waits after each launch, the second records a graph, later ones are one call.
TEST(CudaRun, CallsInTheirOrder) {
  const FakeMachine fake;
  train_on_fake(fake);
  const EntryPoint& entry = shared_case().program.entries[0];
  std::vector<std::string> launches, stepwise;
  for (const Launch& l : entry.launches) {
    launches.push_back("cuLaunchKernel " + shared_case().kernels[static_cast<size_t>(l.kernel)].function);
    stepwise.push_back(launches.back());
    stepwise.emplace_back("cuStreamSynchronize");
  }
  std::vector<std::string> expected, inputs{"cuMemcpyHtoDAsync 40"}, outputs;
  for (const IoSlot& slot : entry.inputs)
    inputs.push_back("cuMemcpyHtoDAsync " + std::to_string(slot.type.bytes()));
  for (const IoSlot& slot : entry.outputs)
    if (slot.buffer.space == Space::arena)
      outputs.push_back("cuMemcpyDtoHAsync " + std::to_string(slot.type.bytes()));
  const auto add = [&](const std::vector<std::string>& calls) {
    expected.insert(expected.end(), calls.begin(), calls.end());
  };
  add({"cuDevicePrimaryCtxRetain"});
  add(std::vector<std::string>(shared_case().program.objects.size(), "cuModuleLoadData"));
  add({"cuMemAllocManaged " + std::to_string(shared_case().program.state_bytes),
       "cuMemAlloc " + std::to_string(entry.arena_bytes), "cuMemAlloc 40", "cuStreamCreate"});
  add(inputs), add(stepwise), add(outputs), add({"cuStreamSynchronize"});
  add({"cuStreamBeginCapture_v2"}), add(inputs), add(launches), add(outputs);
  add({"cuStreamEndCapture", "cuGraphInstantiateWithFlags"});
  for (int step = 1; step < kSteps; ++step) add({"cuGraphLaunch", "cuStreamSynchronize"});
  add({"cuStreamSynchronize", "cuDevicePrimaryCtxRelease_v2"});  // nothing is under way when memory goes
  EXPECT_EQ(lines(fake.log()), expected);
}

// A step's inputs are taken before its graph; those of the next one are on their way before the step is
// waited for.
TEST(CudaRun, InputsAreStagedWhileAStepRuns) {
  const FakeMachine fake;
  train_on_fake(fake, nullptr, Inputs::staged);
  const EntryPoint& entry = shared_case().program.entries[0];
  int64_t bytes = 0;
  std::vector<std::string> step{"cuStreamWaitEvent"};
  for (const IoSlot& slot : entry.inputs) {
    step.push_back("cuMemcpyDtoDAsync " + std::to_string(slot.type.bytes()));
    bytes += (slot.type.bytes() + 255) / 256 * 256;
  }
  const std::vector<std::string> stage = {"cuEventSynchronize", "cuStreamWaitEvent",
                                          "cuMemcpyHtoDAsync " + std::to_string(bytes), "cuEventRecord"};
  for (const char* call : {"cuEventRecord", "cuGraphLaunch"}) step.emplace_back(call);
  for (int times = 0; times < 2; ++times) step.insert(step.end(), stage.begin(), stage.end());
  step.emplace_back("cuStreamSynchronize");
  const std::vector<std::string> calls = lines(fake.log());
  EXPECT_NE(std::search(calls.begin(), calls.end(), step.begin(), step.end()), calls.end()) << fake.log();
}

// Every call of the driver fails once, at its first and at a later time. That is an error with a code, or
// nothing where only clearing up failed; nothing is left behind.
TEST(CudaRun, AnyCallMayFail) {
  static const char* const kCalls[] = {
#define NETC_NAME(name, ...) #name,
      NETC_CUDA_DRIVER_FUNCTIONS(NETC_NAME)
#undef NETC_NAME
  };
  const std::set<std::string> may_be_ignored = {
      // asked before, or only clear up
      "cuInit",
      "cuGetErrorName",
      "cuGetErrorString",
      "cuDevicePrimaryCtxRelease_v2",
      "cuCtxPopCurrent_v2",
      "cuModuleUnload",
      "cuMemFree_v2",
      "cuMemFreeHost",
      "cuStreamDestroy_v2",
      "cuGraphDestroy",
      "cuGraphExecDestroy",
      "cuEventDestroy_v2",
      "cuFuncSetAttribute"};  // the small kernels of this network need no more shared memory
  for (const char* call : kCalls) {
    if (may_be_ignored.count(call)) continue;
    SCOPED_TRACE(call);
    const FakeMachine fake;
    fake.fail(call, 1, 999);
    try {
      std::vector<int64_t> profile;
      train_on_fake(fake, &profile, Inputs::staged);
      ADD_FAILURE() << "it was not noticed";
    } catch (const RuntimeError& error) {
      EXPECT_TRUE(error.code() == "E0936" || error.code() == "E0935" || error.code() == "E0902")
          << error.code();
      EXPECT_NE(std::string(error.what()).find("error 999"), std::string::npos) << error.what();
    }
    EXPECT_EQ(fake.alive(), 0);
  }
}

std::string failure_of_training(const char* call, int count, int result) {
  const FakeMachine fake;
  fake.fail(call, count, result);
  try {
    train_on_fake(fake);
  } catch (const RuntimeError& error) {
    EXPECT_EQ(error.code(), "E0936");
    EXPECT_EQ(fake.alive(), 0);
    return error.what();
  }
  return "no failure";
}

TEST(CudaRun, AFailureNamesKernelLineAndLaunch) {
  const Program& program = shared_case().program;
  const EntryPoint& entry = program.entries[0];
  const std::string third =
      "launch 3 of " + std::to_string(entry.launches.size()) + " of entry `step`: kernel " +
      program.kernels[static_cast<size_t>(entry.launches[2].kernel)].symbol + ", " + entry.launches[2].label;
  const std::string reason =
      " failed: an illegal memory access was encountered (CUDA_ERROR_ILLEGAL_ADDRESS)\n  ";
  EXPECT_EQ(failure_of_training("cuLaunchKernel", 3, 700), "cuLaunchKernel" + reason + third);
  EXPECT_EQ(failure_of_training("cuStreamSynchronize", 3, 700), "the kernel" + reason + third);
  const int launches = static_cast<int>(entry.launches.size());
  EXPECT_EQ(failure_of_training("cuLaunchKernel", launches + 3, 700), "cuLaunchKernel" + reason + third)
      << "while a graph is recorded";
  EXPECT_EQ(failure_of_training("cuStreamSynchronize", launches + 2, 700),
            "cuStreamSynchronize" + reason + "entry `step`, replayed");
}

// A kernel that reads outside of memory, as the emulation behind the fake notices.
TEST(CudaRun, ABrokenKernelIsNamed) {
  Program program = shared_case().program;
  Launch& broken = program.entries[0].launches[1];
  for (BufferRef& operand : broken.operands)
    operand.offset = operand.space == Space::state ? program.state_bytes : program.entries[0].arena_bytes;
  const FakeMachine fake;
  {
    const std::unique_ptr<Executable> executable =
        load_on_cuda(program, shared_case().kernels, open_device(fake));
    Context context(*executable);
    try {
      train(context, shared_case().inputs);
      ADD_FAILURE() << "it was not noticed";
    } catch (const RuntimeError& error) {
      EXPECT_NE(std::string(error.what()).find("launch 2 of "), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find(broken.label), std::string::npos) << error.what();
    }
    EXPECT_NE(fake.log().find("lies outside of allocations"), std::string::npos);
    EXPECT_THROW(train(context, shared_case().inputs), RuntimeError) << "the GPU's context is lost";
  }
  EXPECT_EQ(fake.alive(), 0);
}

TEST(CudaRun, OutOfMemoryTellsThePlan) {
  Program program = shared_case().program;
  program.entries[0].arena_bytes = 48 << 20;
  const FakeMachine fake({.memory = 32 << 20});
  {
    const std::unique_ptr<Executable> executable =
        load_on_cuda(program, shared_case().kernels, open_device(fake));
    try {
      const Context context(*executable);
      ADD_FAILURE() << "it took more than there is";
    } catch (const RuntimeError& error) {
      const std::string text = error.what();
      EXPECT_EQ(error.code(), "E0911");
      EXPECT_EQ(text.rfind("out of memory on the GPU: no 48 MiB for activations, 3", 0), 0u) << text;
      EXPECT_NE(text.find("\n  the plan: state "), std::string::npos) << text;
      EXPECT_NE(text.find("(weights "), std::string::npos) << text;
      EXPECT_NE(text.find("gradients "), std::string::npos) << text;
      EXPECT_NE(text.find("activations 48.0 MiB (step 48.0 MiB)"), std::string::npos) << text;
      EXPECT_NE(text.find("a batch of about 1 would fit"), std::string::npos) << text;
      EXPECT_EQ(error.fix(), "a smaller batch, or --budget");
    }
  }
  EXPECT_EQ(fake.alive(), 0);
}

TEST(CudaRun, AKernelThatIsMissingIsNamed) {
  Program program = shared_case().program;
  std::vector<DeviceKernel> kernels = shared_case().kernels;
  kernels[1].function = program.kernels[1].symbol = "k_missing";
  const FakeMachine fake;
  try {
    load_on_cuda(program, kernels, open_device(fake));
    ADD_FAILURE() << "it was not noticed";
  } catch (const RuntimeError& error) {
    EXPECT_EQ(error.code(), "E0902");
    EXPECT_NE(std::string(error.what()).find("cannot load the kernel k_missing on Fake GPU"),
              std::string::npos)
        << error.what();
  }
  EXPECT_EQ(fake.alive(), 0);
  program = shared_case().program;
  program.objects[0].assign(100, std::byte{0});
  EXPECT_THROW(load_on_cuda(program, shared_case().kernels, open_device(fake)), RuntimeError);
  EXPECT_EQ(fake.alive(), 0);
}

}  // namespace
}  // namespace netc
