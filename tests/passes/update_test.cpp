// The optimizers against a direct transcription of PyTorch's definitions, over several steps.
#include "compiler/passes/update.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "compiler/interpret/interpret.h"
#include "compiler/passes/pipeline.h"

namespace netc {
namespace {

struct Element {
  double p, m = 0, v = 0, a = 0;
};

void reference_step(const OptimizerSpec& o, Element& e, double g, double lr, int step) {
  if (o.kind == OptimizerSpec::Kind::sgd) {
    g += o.weight_decay * e.p;
    if (o.momentum != 0) {
      e.m = step == 0 ? g : o.momentum * e.m + (1 - o.dampening) * g;
      g = o.nesterov ? g + o.momentum * e.m : e.m;
    }
    e.p -= lr * g;
    return;
  }
  if (o.kind == OptimizerSpec::Kind::rmsprop) {
    g += o.weight_decay * e.p;
    e.v = o.alpha * e.v + (1 - o.alpha) * g * g;
    e.a = o.alpha * e.a + (1 - o.alpha) * g;
    e.m = o.momentum * e.m + g / (std::sqrt(o.centered ? e.v - e.a * e.a : e.v) + o.epsilon);
    e.p -= lr * e.m;
    return;
  }
  if (o.kind == OptimizerSpec::Kind::adamw) e.p *= 1 - lr * o.weight_decay;
  else g += o.weight_decay * e.p;
  e.m = o.beta1 * e.m + (1 - o.beta1) * g;
  e.v = o.beta2 * e.v + (1 - o.beta2) * g * g;
  double c1 = 1 - std::pow(o.beta1, step + 1), c2 = 1 - std::pow(o.beta2, step + 1);
  e.p -= lr / c1 * e.m / (std::sqrt(e.v) / std::sqrt(c2) + o.epsilon);
}

// Gradients as the optimizer gets them: torch.nn.utils.clip_grad_norm_ and clip_grad_value_.
std::vector<double> clipped(const OptimizerSpec& o, std::vector<double> gradients) {
  double squares = 0;
  for (double g : gradients) squares += g * g;
  for (double& g : gradients) {
    if (o.clip_norm > 0) g *= std::min(1.0, o.clip_norm / (std::sqrt(squares) + 1e-6));
    if (o.clip_value > 0) g = std::clamp(g, -o.clip_value, o.clip_value);
  }
  return gradients;
}

const UpdateRange& range_of(const UpdateShape& shape, size_t element) {
  static const UpdateRange whole;
  const UpdateRange* range = &whole;
  for (const UpdateRange& r : shape.ranges)
    if (r.begin <= static_cast<int64_t>(element)) range = &r;
  return *range;
}

void check(const OptimizerSpec& optimizer, const UpdateShape& shape = {5, 0, {}}) {
  Graph graph = make_update(optimizer, shape);
  Graph lowered = optimize(graph), accumulation = optimize(make_accumulation(shape.elements));
  std::mt19937 random(3);
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<Element> expected;
  std::vector<double> average, buffer_average(static_cast<size_t>(shape.buffer_elements));
  InterpretInputs inputs;
  for (const StateVariable& state : graph.states)
    inputs.states[state.path] = {state.type.shape, std::vector<double>(static_cast<size_t>(state.type.elements()), 0.0)};
  for (double& p : inputs.states[kParameterSlab].data) expected.push_back({p = uniform(random)});
  average.resize(expected.size());
  for (int step = 0; step < 4; ++step) {
    inputs.scalars.step = step;
    inputs.learning_rate = 0.1 / (1 + step);
    std::vector<double> mean(expected.size());
    for (int64_t batch = 0; batch < optimizer.accumulate; ++batch) {
      for (size_t i = 0; i < mean.size(); ++i)
        mean[i] += (inputs.states[kGradientSlab].data[i] = uniform(random)) / static_cast<double>(optimizer.accumulate);
      if (batch + 1 == optimizer.accumulate) break;
      const std::map<std::string, HostTensor> states = interpret(accumulation, {{}, inputs.states, {}, 0}).states;
      inputs.states[kAccumulatedSlab] = states.at(kAccumulatedSlab);
    }
    if (shape.buffer_elements > 0)
      for (double& value : inputs.states[kBufferSlab].data) value = uniform(random);
    const std::vector<double> gradients = clipped(optimizer, mean);
    const double share = std::min(optimizer.ema, step / (9.0 + step));
    for (size_t i = 0; i < expected.size(); ++i) {
      OptimizerSpec own = optimizer;
      own.weight_decay *= range_of(shape, i).decay;
      reference_step(own, expected[i], gradients[i], inputs.learning_rate * range_of(shape, i).rate, step);
      average[i] = share * average[i] + (1 - share) * expected[i].p;
    }
    InterpretResult plain = interpret(graph, inputs);
    inputs.states = interpret(lowered, inputs).states;
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(plain.states[kParameterSlab].data[i], expected[i].p, 1e-11) << "step " << step;
      EXPECT_NEAR(inputs.states[kParameterSlab].data[i], expected[i].p, 1e-11) << "step " << step;
      if (optimizer.ema > 0) {
        EXPECT_NEAR(inputs.states["slab/ema"].data[i], average[i], 1e-11) << "step " << step;
      }
    }
    if (optimizer.accumulate > 1) {
      for (double rest : inputs.states[kAccumulatedSlab].data) EXPECT_EQ(rest, 0);
      for (size_t i = 0; i < mean.size(); ++i) EXPECT_NEAR(inputs.states[kGradientSlab].data[i], mean[i], 1e-11);
    }
    for (size_t i = 0; i < buffer_average.size(); ++i) {
      buffer_average[i] = share * buffer_average[i] + (1 - share) * inputs.states[kBufferSlab].data[i];
      EXPECT_NEAR(inputs.states[kBufferEmaSlab].data[i], buffer_average[i], 1e-11) << "step " << step;
    }
  }
}

TEST(Update, Sgd) {
  check({});
  check({.weight_decay = 0.01});
  check({.momentum = 0.9});
  check({.momentum = 0.9, .dampening = 0.3, .weight_decay = 0.1});
  check({.momentum = 0.9, .weight_decay = 0.1, .nesterov = true});
}

TEST(Update, AdamAndAdamW) {
  using Kind = OptimizerSpec::Kind;
  check({.kind = Kind::adam});
  check({.kind = Kind::adam, .weight_decay = 0.1, .beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-3});
  check({.kind = Kind::adamw, .weight_decay = 0.01});
  check({.kind = Kind::adamw});
}

TEST(Update, RmsProp) {
  using Kind = OptimizerSpec::Kind;
  check({.kind = Kind::rmsprop});
  check({.kind = Kind::rmsprop, .momentum = 0.9, .weight_decay = 0.1, .epsilon = 1e-3, .alpha = 0.9});
  check({.kind = Kind::rmsprop, .momentum = 0.5, .alpha = 0.8, .centered = true});
}

TEST(Update, ClipsGradients) {
  check({.momentum = 0.9, .clip_norm = 0.5});
  check({.momentum = 0.9, .clip_norm = 100});  // longer than any
  check({.weight_decay = 0.1, .clip_value = 0.25});
}

TEST(Update, TakesTheMeanGradientOfSeveralBatches) {
  check({.momentum = 0.9, .weight_decay = 0.1, .accumulate = 4});
  check({.momentum = 0.9, .clip_norm = 0.5, .accumulate = 3});  // what is clipped is the mean
  check({.kind = OptimizerSpec::Kind::adamw, .weight_decay = 0.1, .ema = 0.5, .accumulate = 2});
}

TEST(Update, GroupsAreRangesOfTheSlabs) {
  const UpdateShape shape{9, 0, {{0, 1, 1}, {3, 10, 1}, {7, 0.5, 0}}};
  check({.momentum = 0.9, .weight_decay = 0.1}, shape);
  check({.kind = OptimizerSpec::Kind::adamw, .weight_decay = 0.1}, shape);
  check({.kind = OptimizerSpec::Kind::rmsprop, .weight_decay = 0.1}, shape);
  check({.momentum = 0.9, .weight_decay = 0.1}, {9, 0, {{0, 1, 1}, {0, 2, 3}}});  // everything is in the second one
}

TEST(Update, TheAverageFollowsWeightsAndBuffers) {
  check({.momentum = 0.9, .ema = 0.2}, {5, 3, {}});
  check({.kind = OptimizerSpec::Kind::adam, .ema = 0.999}, {5, 0, {}});
}

}  // namespace
}  // namespace netc
