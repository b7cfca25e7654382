// The optimizers against a direct transcription of PyTorch's definitions, over several steps.
#include "compiler/passes/update.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "compiler/interpret/interpret.h"
#include "compiler/passes/pipeline.h"

namespace netc {
namespace {

struct Element {
  double p, m = 0, v = 0;
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
  if (o.kind == OptimizerSpec::Kind::adamw) e.p *= 1 - lr * o.weight_decay;
  else g += o.weight_decay * e.p;
  e.m = o.beta1 * e.m + (1 - o.beta1) * g;
  e.v = o.beta2 * e.v + (1 - o.beta2) * g * g;
  double c1 = 1 - std::pow(o.beta1, step + 1), c2 = 1 - std::pow(o.beta2, step + 1);
  e.p -= lr / c1 * e.m / (std::sqrt(e.v) / std::sqrt(c2) + o.epsilon);
}

void check(const OptimizerSpec& optimizer) {
  constexpr int64_t kElements = 5;
  Graph graph = make_update(optimizer, kElements);
  Graph lowered = optimize(graph);
  std::mt19937 random(3);
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<Element> expected;
  InterpretInputs inputs;
  for (const StateVariable& state : graph.states)
    inputs.states[state.path] = {state.type.shape, std::vector<double>(kElements, 0.0)};
  for (double& p : inputs.states[kParameterSlab].data) expected.push_back({p = uniform(random)});
  for (int step = 0; step < 4; ++step) {
    inputs.scalars.step = step;
    inputs.learning_rate = 0.1 / (1 + step);
    for (double& g : inputs.states[kGradientSlab].data) g = uniform(random);
    for (size_t i = 0; i < expected.size(); ++i)
      reference_step(optimizer, expected[i], inputs.states[kGradientSlab].data[i], inputs.learning_rate, step);
    InterpretResult plain = interpret(graph, inputs);
    inputs.states = interpret(lowered, inputs).states;
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(plain.states[kParameterSlab].data[i], expected[i].p, 1e-11) << "step " << step;
      EXPECT_NEAR(inputs.states[kParameterSlab].data[i], expected[i].p, 1e-11) << "step " << step;
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

}  // namespace
}  // namespace netc
