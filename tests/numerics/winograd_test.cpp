// Whole networks with Winograd's convolutions as the compiler chooses them: against the interpretation of the network as it
// was written, in double precision, and the same bits at any number of threads.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "compiler/api/model.h"
#include "compiler/api/predictor.h"
#include "compiler/backend/cpu/cpu_backend.h"
#include "compiler/interpret/interpret.h"
#include "compiler/sema/project.h"
#include "runtime/thread_pool.h"
#include "tests/tolerance.h"

namespace netc {
namespace {

// ResNet-18 on small images.
constexpr const char* kResnet = R"(
import std.resnet { basic }
network small(classes: int = 50) {
    input image: [3, 96, 80]
    conv_bn(64, 7x7, stride = 2)
    relu
    max_pool(3x3, stride = 2, pad = 1)
    for s, count in [2, 2, 2, 2] {
        for i in 0..count { basic(64 * 2**s, stride = if i == 0 and s > 0 then 2 else 1) }
    }
    global_avg_pool
    linear(classes)
    output logits
}
)";

// Branches whose pieces lie in one concatenated tensor, a window without padding, channels that do not fill their blocks.
constexpr const char* kInception = R"(
network branches {
    input image: [3, 40, 36]
    conv_bn_relu(24, 3x3)
    inception {
        branch { conv_bn_relu(32, 1x1) }
        branch { conv_bn_relu(48, 1x1) -> conv_bn_relu(64, 3x3) }
        branch { conv_bn_relu(16, 3x3) -> conv_bn_relu(32, 3x3) }
    }
    conv(64, 3x3, pad = 0)
    relu
    conv_bn(24, 3x3)
    global_avg_pool
    output features
}
)";

// Its loss is added by the training.
constexpr const char* kTraining = R"(
network small(classes: int = 10) {
    input image: [3, 32, 32]
    conv_bn_relu(32, 3x3)
    residual { conv_bn_relu(32, 3x3) -> conv_bn(32, 3x3) }
    relu
    conv(64, 3x3)
    relu
    global_avg_pool
    linear(classes)
    output logits
}
)";

Compilation plan(Project& project, const char* text, int64_t batch, bool winograd, const std::string& cpu) {
  DiagnosticSink sink;
  EXPECT_TRUE(project.load_text("network.net", text, sink));
  CompileSettings settings;
  settings.winograd = winograd;
  settings.cpu = cpu;
  return plan_inference(project, {"network.net", {}, false}, batch, settings);
}

std::vector<float> run(const Model& model, int threads) {
  ThreadPool pool(threads);
  Predictor predictor(*model.executable, model.state, "predict", pool);
  fill_random(predictor.entry().inputs[0], predictor.input(0), 5, 0, 10);
  predictor.run(predictor.batch());
  std::vector<float> result(predictor.output(0).size() / sizeof(float));
  std::memcpy(result.data(), predictor.output(0).data(), predictor.output(0).size());
  return result;
}

HostTensor doubles(const Shape& shape, std::span<const std::byte> bytes) {
  HostTensor tensor{shape, {}};
  for (size_t i = 0; i < bytes.size(); i += sizeof(float)) {
    float value;
    std::memcpy(&value, bytes.data() + i, sizeof value);
    tensor.data.push_back(value);
  }
  return tensor;
}

// The network as it was elaborated, on the model's weights and the input of `run`.
std::vector<double> interpreted(const Model& model) {
  InterpretInputs inputs;
  for (const StateSlot& slot : model.state->slots())
    if (slot.kind != StateKind::prepared) inputs.states[slot.path] = doubles(slot.type.shape, model.state->read(slot));
  const IoSlot& image = model.executable->program().find_entry("predict")->inputs[0];
  std::vector<std::byte> bytes(static_cast<size_t>(image.type.bytes()));
  fill_random(image, bytes, 5, 0, 10);
  inputs.inputs[image.name] = doubles(image.type.shape, bytes);
  return interpret(model.compilation.network.graph, inputs).outputs.begin()->second.data;
}

// `layers`: that are at least replaced.
void check(const char* text, int64_t batch, int layers, const std::string& cpu = "host") {
  SCOPED_TRACE(cpu);
  Project project, other;
  Model model = load_model(plan(project, text, batch, true, cpu), 2);
  int64_t replaced = 0, channels = 0, tile = 2;
  for (const KernelBody& body : model.compilation.plan.kernels.bodies)
    if (body.contraction && body.contraction->contraction.winograd) {
      tile = std::max(tile, body.contraction->contraction.winograd->tile);
      channels = std::max(channels, body.operands[static_cast<size_t>(body.contraction->rhs)].shape[2] * 16);
    }
  for (const WinogradDecision& decision : model.compilation.winograd) replaced += decision.choice.winograd.has_value();
  EXPECT_GE(replaced, layers);
  ThreadPool pool(2);
  randomize_weights(model, 3, pool);
  const std::vector<float> got = run(model, 1);
  for (int threads : {2, 3, 5, 8}) {
    const std::vector<float> again = run(model, threads);
    EXPECT_EQ(std::memcmp(again.data(), got.data(), got.size() * sizeof(float)), 0) << threads << " threads";
  }

  Model direct = load_model(plan(other, text, batch, false, cpu), 2);
  for (const KernelBody& body : direct.compilation.plan.kernels.bodies)
    EXPECT_FALSE(body.contraction && body.contraction->contraction.winograd);
  randomize_weights(direct, 3, pool);
  const std::vector<float> without = run(direct, 2);
  const std::vector<double> expected = interpreted(model);
  ASSERT_EQ(got.size(), expected.size());
  double largest = 0, error = 0, distance = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_TRUE(std::isfinite(got[i]));
    largest = std::max(largest, std::abs(expected[i]));
    error = std::max(error, std::abs(got[i] - expected[i]));
    distance = std::max(distance, std::abs(static_cast<double>(got[i]) - without[i]));
  }
  // What one layer may be off: the errors of many average out.
  const double bound = winograd_tolerance(tile, channels) * largest;
  EXPECT_LE(error, bound);
  EXPECT_LE(distance, bound);
  EXPECT_GT(distance, 0) << "nothing was computed otherwise";
}

TEST(Winograd, ResNet18) { check(kResnet, 2, 7); }
TEST(Winograd, Branches) { check(kInception, 3, 3); }
TEST(Winograd, OtherProcessors) {
  for (const char* cpu : {"x86-64", "x86-64-v3", "x86-64-v4"})
    if (missing_features(target_named(cpu)).empty()) check(kInception, 2, 3, cpu);
}

// --- Training: convolutions and data gradients, of weights that are transformed in every step ---

Compilation plan_step(const char* text, int64_t batch, bool winograd) {
  Project project;
  DiagnosticSink sink;
  EXPECT_TRUE(project.load_text("network.net", text, sink));
  CompileSettings settings;
  settings.winograd = winograd;
  return plan_training(project, {"network.net", {}, false}, nullptr, batch, settings);
}

int kernels_in_tiles(const Compilation& compilation) {
  int count = 0;
  for (const KernelBody& body : compilation.plan.kernels.bodies) count += body.contraction && body.contraction->contraction.winograd;
  return count;
}

// The gradients of all parameters, after one run of the entry `grad` from the same state: a run moves batch norm's averages, about
// which the next one sums its deviations.
std::map<std::string, HostTensor> gradients(Model& model, int threads) {
  ThreadPool pool(threads);
  randomize_weights(model, 3, pool);
  Predictor predictor(*model.executable, model.state, "grad", pool);
  for (size_t i = 0; i < predictor.entry().inputs.size(); ++i) fill_random(predictor.entry().inputs[i], predictor.input(i), 5, 0, 10);
  predictor.run(predictor.batch());
  std::map<std::string, HostTensor> result;
  for (const StateSlot& slot : model.state->slots())
    if (slot.kind == StateKind::gradient) result[slot.path] = doubles(slot.type.shape, model.state->read(slot));
  return result;
}

// The largest difference of a gradient, in parts of the largest element of its tensor.
double distance(const std::map<std::string, HostTensor>& a, const std::map<std::string, HostTensor>& b) {
  double most = 0;
  for (const auto& [path, tensor] : a) {
    double largest = 0, difference = 0;
    const std::vector<double>& other = b.at(path).data;
    for (size_t i = 0; i < tensor.data.size(); ++i) {
      largest = std::max(largest, std::abs(tensor.data[i]));
      difference = std::max(difference, std::abs(tensor.data[i] - other[i]));
    }
    most = std::max(most, difference / largest);
  }
  return most;
}

// The bound is what one layer of 64 channels may be off. It holds for the gradients of the whole network, whose errors average out:
// measured 5.8e-6 of a bound of 12.4e-6, and 5.3e-6 with direct convolutions.
TEST(Winograd, Training) {
  Model model = load_model(plan_step(kTraining, 4, true), 2), direct = load_model(plan_step(kTraining, 4, false), 2);
  EXPECT_GE(kernels_in_tiles(model.compilation), 3);
  EXPECT_EQ(kernels_in_tiles(direct.compilation), 0);
  int replaced[2] = {0, 0};
  for (const WinogradDecision& decision : model.compilation.winograd) replaced[decision.gradient] += decision.choice.winograd.has_value();
  EXPECT_GE(replaced[0], 2);
  EXPECT_GE(replaced[1], 2);
  ThreadPool pool(2);
  randomize_weights(model, 3, pool);
  InterpretInputs inputs;
  for (const StateSlot& slot : model.state->slots()) inputs.states[slot.path] = doubles(slot.type.shape, model.state->read(slot));
  for (const IoSlot& slot : model.executable->program().find_entry("grad")->inputs) {
    std::vector<std::byte> bytes(static_cast<size_t>(slot.type.bytes()));
    fill_random(slot, bytes, 5, 0, 10);
    HostTensor& tensor = inputs.inputs[slot.name] = HostTensor{slot.type.shape, {}};
    if (slot.type.dtype == DType::f32) tensor = doubles(slot.type.shape, bytes);
    else for (size_t i = 0; i < bytes.size(); i += sizeof(int64_t)) {
      int64_t label;
      std::memcpy(&label, bytes.data() + i, sizeof label);
      tensor.data.push_back(static_cast<double>(label));
    }
  }
  inputs.scalars.valid_count = 4;
  const std::map<std::string, HostTensor> got = gradients(model, 1), without = gradients(direct, 1);
  for (int threads : {2, 3, 5, 8}) EXPECT_EQ(distance(got, gradients(model, threads)), 0) << threads << " threads";
  const std::map<std::string, HostTensor> expected = interpret(*model.compilation.gradient, inputs).states;
  const double bound = winograd_tolerance(4, 64);
  EXPECT_LE(distance(got, expected), bound);
  EXPECT_LE(distance(got, without), bound);
  EXPECT_GT(distance(got, without), 0) << "nothing was computed otherwise";
}

}  // namespace
}  // namespace netc
