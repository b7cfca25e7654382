// Loss scaling against torch.amp.GradScaler, over steps of which some overflow (fixtures/loss_scale.json), and the gradients
// that a scaled loss has.
#include "compiler/passes/loss_scale.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "compiler/interpret/interpret.h"
#include "compiler/ops/registry.h"
#include "compiler/passes/differentiate.h"
#include "compiler/passes/pipeline.h"
#include "compiler/passes/update.h"

namespace netc {
namespace {

// The optimizers of scripts/fixtures/make_loss_scale_fixture.py.
OptimizerSpec optimizer_of(const nlohmann::json& test) {
  const std::string name = test.at("name");
  OptimizerSpec o;
  if (name == "sgd") o = {.momentum = 0.9, .dampening = 0.3, .weight_decay = 0.01};
  else if (name == "adam") o = {.kind = OptimizerSpec::Kind::adam};
  else if (name == "adamw") o = {.kind = OptimizerSpec::Kind::adamw, .weight_decay = 0.1};
  else o = {.kind = OptimizerSpec::Kind::rmsprop, .momentum = 0.5};
  o.clip_norm = test.at("clip");
  o.accumulate = test.at("batches");
  o.loss_scale = LossScaleSpec{.initial = 1024, .growth_interval = test.at("growth_interval")};
  return o;
}

// Zero, or what the variable begins with.
InterpretInputs first_states(const std::vector<const Graph*>& graphs) {
  InterpretInputs inputs;
  for (const Graph* graph : graphs)
    for (const StateVariable& state : graph->states)
      inputs.states[state.path] = {state.type.shape, std::vector<double>(static_cast<size_t>(state.type.elements()), state.init.a)};
  return inputs;
}

void follow(const nlohmann::json& test) {
  const OptimizerSpec optimizer = optimizer_of(test);
  constexpr int64_t kWeights = 5;
  const Graph update = optimize(make_update(optimizer, kWeights)), accumulation = optimize(make_accumulation(kWeights));
  InterpretInputs inputs = first_states({&update, &accumulation});
  for (size_t i = 0; i < kWeights; ++i) inputs.states[kParameterSlab].data[i] = 0.5 - 0.2 * static_cast<double>(i);
  inputs.learning_rate = 0.1;
  double skipped = 0, scale = 1024;
  for (const nlohmann::json& step : test.at("steps")) {
    SCOPED_TRACE("step " + std::to_string(inputs.scalars.step));
    const auto& batches = step.at("gradients");
    for (size_t batch = 0; batch < batches.size(); ++batch) {
      for (size_t i = 0; i < kWeights; ++i)
        inputs.states[kGradientSlab].data[i] = std::strtod(batches[batch][i].get<std::string>().c_str(), nullptr);
      if (batch + 1 < batches.size()) inputs.states[kAccumulatedSlab] = interpret(accumulation, inputs).states.at(kAccumulatedSlab);
    }
    const std::map<std::string, HostTensor> before = inputs.states;
    const InterpretResult result = interpret(update, inputs);
    for (const auto& [path, tensor] : result.states) inputs.states[path] = tensor;
    const double next = step.at("scale");
    const bool overflow = next < scale;
    skipped += overflow;
    EXPECT_EQ(result.outputs.at("loss_scale").data[0], next);
    EXPECT_EQ(inputs.states[kLossScalePrefix + "scale"].data[0], next);
    EXPECT_EQ(result.outputs.at("overflow").data[0], overflow);
    EXPECT_EQ(result.outputs.at("skipped_steps").data[0], skipped);
    for (size_t i = 0; i < kWeights; ++i)
      EXPECT_NEAR(inputs.states[kParameterSlab].data[i], step.at("weights")[i].get<double>(), 1e-12);
    if (overflow) {
      EXPECT_EQ(inputs.states[kParameterSlab].data, before.at(kParameterSlab).data);
      for (const std::string& moment : moment_names(optimizer))
        EXPECT_EQ(inputs.states["slab/" + moment].data, before.at("slab/" + moment).data) << moment;
    }
    if (batches.size() > 1) {
      EXPECT_EQ(inputs.states[kAccumulatedSlab].data, std::vector<double>(kWeights));
    }
    scale = next;
    ++inputs.scalars.step;
  }
  EXPECT_EQ(skipped, 4);
}

TEST(LossScale, FollowsPyTorchsScaler) {
  std::ifstream file(std::string(NETC_TEST_DIR) + "/passes/fixtures/loss_scale.json");
  const nlohmann::json cases = nlohmann::json::parse(file);
  EXPECT_EQ(cases.size(), 6U);
  for (const nlohmann::json& test : cases) {
    SCOPED_TRACE(test.at("name").get<std::string>());
    follow(test);
  }
}

// One update with the gradients (1, first) from the given scale.
InterpretResult update_once(const LossScaleSpec& spec, double scale, double clean_steps, double first) {
  const Graph update = optimize(make_update({.loss_scale = spec}, 2));
  InterpretInputs inputs = first_states({&update});
  inputs.states[kGradientSlab].data = {1, first};
  inputs.states[kLossScalePrefix + "scale"].data = {scale};
  if (spec.dynamic) inputs.states[kLossScalePrefix + "clean_steps"].data = {clean_steps};
  return interpret(update, inputs);
}

TEST(LossScale, GrowsToALimitAndShrinksWithoutOne) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(update_once({}, 65536, 1998, 2).outputs.at("loss_scale").data[0], 65536);
  EXPECT_EQ(update_once({}, 65536, 1999, 2).outputs.at("loss_scale").data[0], 131072);
  EXPECT_EQ(update_once({}, kGreatestLossScale, 1999, 2).outputs.at("loss_scale").data[0], kGreatestLossScale);
  EXPECT_EQ(update_once({}, 65536, 1999, infinity).outputs.at("loss_scale").data[0], 32768);
  EXPECT_EQ(update_once({}, 1, 5, -infinity).outputs.at("loss_scale").data[0], 0.5);  // what the trainer refuses
}

TEST(LossScale, AFixedOneStays) {
  const LossScaleSpec fixed{.dynamic = false, .initial = 1000};
  EXPECT_EQ(update_once(fixed, 1000, 0, 2).outputs.at("loss_scale").data[0], 1000);
  const InterpretResult overflow = update_once(fixed, 1000, 0, std::nan(""));
  EXPECT_EQ(overflow.outputs.at("loss_scale").data[0], 1000);
  EXPECT_EQ(overflow.outputs.at("overflow").data[0], 1);
  EXPECT_EQ(overflow.states.at(kParameterSlab).data, (std::vector<double>{0, 0}));
}

// The average of weights stays where they stay.
TEST(LossScale, ASkippedStepMovesNoAverage) {
  const Graph update = optimize(make_update({.ema = 0.5, .loss_scale = LossScaleSpec{}}, {2, 1, {}}));
  InterpretInputs inputs = first_states({&update});
  inputs.scalars.step = 7;
  inputs.learning_rate = 0.1;
  inputs.states[kParameterSlab].data = {3, 4};
  inputs.states[kGradientSlab].data = {std::nan(""), 1};
  inputs.states[kBufferSlab].data = {5};
  const InterpretResult skipped = interpret(update, inputs);
  EXPECT_EQ(skipped.states.at("slab/ema").data, (std::vector<double>{0, 0}));
  EXPECT_EQ(skipped.states.at(kBufferEmaSlab).data, (std::vector<double>{0}));
  inputs.states[kGradientSlab].data = {1, 1};
  EXPECT_NE(interpret(update, inputs).states.at("slab/ema").data[0], 0);
}

// Scaled up by a power of two and down again, in double precision: the same gradients.
TEST(LossScale, GradientsAreNotScaled) {
  const Graph graph = parse_graph(R"(
state 0: f32[3, 4] parameter "a.weight" constant(0, 0)
state 1: f32[3] parameter "a.bias" constant(0, 0)
state 2: f32[3] parameter "unused" constant(0, 0)
%0: f32[2, 4] = input() {name = "x"}
%1: f32[3, 4] = state() {index = 0}
%2: f32[3] = state() {index = 1}
%3: f32[2, 3] = linear(%0, %1, %2)
%4: f32[2, 3] = tanh(%3)
%5: f32[] = reduce_sum(%4) {axes = [0, 1], keep = false}
output "loss" %5
)", find_op);
  const Graph plain = differentiate(graph, "loss"), scaled = differentiate(graph, "loss", LossScaleSpec{});
  InterpretInputs inputs = first_states({&scaled});
  inputs.inputs["x"] = {{2, 4}, {0.5, -1, 2, 0.25, 1, 0.75, -0.5, 3}};
  for (size_t i = 0; i < 12; ++i) inputs.states["a.weight"].data[i] = 0.1 * static_cast<double>(i) - 0.6;
  const std::map<std::string, HostTensor> expected = interpret(plain, inputs).states, got = interpret(scaled, inputs).states;
  for (const char* path : {"gradient/a.weight", "gradient/a.bias", "gradient/unused"})
    EXPECT_EQ(got.at(path).data, expected.at(path).data) << path;
  EXPECT_NE(expected.at("gradient/a.bias").data[0], 0);
}

}  // namespace
}  // namespace netc
