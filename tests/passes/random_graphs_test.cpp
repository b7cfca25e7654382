// Random graphs, made of the operators' own samples, mean the same before and after every pass.
//
// A graph is grown from its seed: each step takes a random sample of a random operator and feeds it
// with graph inputs, states, or earlier values brought to the wanted shape and domain. Now and then a
// step is repeated word for word (for CSE) or wrapped in something that changes nothing (for simplify);
// what no output reads is left for DCE. Gradients are compared too. A failure prints the seed and the graph.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "compiler/interpret/interpret.h"
#include "compiler/ops/build.h"
#include "compiler/ops/registry.h"
#include "compiler/passes/cse.h"
#include "compiler/passes/dce.h"
#include "compiler/passes/decompose.h"
#include "compiler/passes/differentiate.h"
#include "compiler/passes/pipeline.h"
#include "compiler/passes/simplify.h"

namespace netc {
namespace {

constexpr unsigned kSeeds = 150;

// A finite difference sees rounding as noise, and statistics that are inputs get no gradient.
bool rounds_or_has_statistics(const std::string& name) { return name == "cast" || name == "batch_norm_inference"; }

class Grower {
 public:
  // `smooth`: only what a finite difference can check; of several outputs only the first, since the
  // others are statistics whose gradient is not asked for.
  explicit Grower(unsigned seed, bool smooth = false) : random_(seed), smooth_(smooth) {
    for (const OpDef* candidate : all_ops()) {
      if (candidate->leaf || !candidate->samples) continue;
      if (smooth && (!candidate->vjp || rounds_or_has_statistics(candidate->name))) continue;
      ops_.push_back(candidate);
    }
  }

  void step() {
    const OpDef& chosen = *ops_[pick(ops_.size())];
    std::vector<OpSample> samples = chosen.samples();
    const OpSample& sample = samples[pick(samples.size())];
    std::vector<ValueId> operands;
    for (const SampleInput& input : sample.inputs) operands.push_back(operand(input));
    for (int repeat = chance(0.2) ? 2 : 1; repeat > 0; --repeat)
      for (ValueId output : builder_.emit_all(chosen, operands, sample.attrs)) {
        keep(output);
        if (smooth_) break;
      }
  }

  // A scalar that depends smoothly on about half of the real values, and outputs.
  Graph finish() {
    ValueId loss = builder_.constant(0, {DType::f32, {}});
    for (size_t i = 0; i < values_.size(); ++i) {
      if (!is_floating(builder_.type(values_[i]).dtype) || chance(0.5)) continue;
      ValueId flat = build::reshape(builder_, values_[i], {builder_.type(values_[i]).elements()});
      ValueId bounded = builder_.emit(op("tanh"), {flat});
      loss = build::add(builder_, loss, build::reduce_mean(builder_, bounded, {0}));
      if (chance(0.3)) builder_.add_output("value" + std::to_string(i), values_[i]);
    }
    builder_.add_output("loss", loss);
    if (counter_ >= 0) builder_.add_update(counter_, build::add(builder_, builder_.read_state(counter_), loss));
    return builder_.finish();
  }

  InterpretInputs inputs;

 private:
  size_t pick(size_t count) { return random_() % count; }
  bool chance(double p) { return std::uniform_real_distribution<double>(0, 1)(random_) < p; }

  void keep(ValueId value) {
    if (chance(0.2)) value = disguise(value);
    values_.push_back(value);
  }

  // The same value by a longer way.
  ValueId disguise(ValueId value) {
    const TensorType type = builder_.type(value);
    if (!is_floating(type.dtype)) return value;
    switch (pick(5)) {
      case 0: return build::neg(builder_, build::neg(builder_, value));
      case 1: return build::mul(builder_, value, 1);
      case 2: return build::add(builder_, value, 0);
      case 3: return build::reshape(builder_, build::reshape(builder_, value, {type.elements()}), type.shape);
      default: {
        if (type.shape.size() < 2) return value;
        Ints swap(type.shape.size());
        for (size_t i = 0; i < swap.size(); ++i) swap[i] = static_cast<int64_t>(i);
        std::swap(swap[0], swap[1]);
        return build::transpose(builder_, build::transpose(builder_, value, swap), swap);
      }
    }
  }

  ValueId operand(const SampleInput& wanted) {
    if (!wanted.type.shape.empty() && wanted.type.shape[0] < 0) return {};  // absent
    bool narrow = wanted.distinct || !is_floating(wanted.type.dtype);
    if (narrow || values_.empty() || chance(0.3)) return fresh(wanted);
    ValueId value = fit(values_[pick(values_.size())], wanted.type.shape);
    if (!value.valid()) return fresh(wanted);
    // Into the domain: low + (high - low) * sigmoid(value).
    ValueId unit = builder_.emit(op("sigmoid"), {value});
    return build::add(builder_, build::mul(builder_, unit, wanted.high - wanted.low), wanted.low);
  }

  // `value` cut or padded to `shape`; invalid if its elements are not f32.
  ValueId fit(ValueId value, const Shape& shape) {
    if (builder_.type(value).dtype != DType::f32) return {};
    int64_t have = builder_.type(value).elements(), want = element_count(shape);
    ValueId flat = build::reshape(builder_, value, {have});
    if (have > want) flat = build::slice(builder_, flat, {have - want}, {want}, {1});
    if (have < want) flat = build::pad(builder_, flat, {0}, {want - have}, 0.25);
    return build::reshape(builder_, flat, shape);
  }

  ValueId fresh(const SampleInput& wanted) {
    std::string name = "t" + std::to_string(inputs.inputs.size() + inputs.states.size());
    HostTensor data{wanted.type.shape, {}};
    int64_t count = element_count(wanted.type.shape);
    std::vector<int64_t> order(static_cast<size_t>(count));
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
    std::shuffle(order.begin(), order.end(), random_);
    for (int64_t place : order) {
      double u = std::uniform_real_distribution<double>(0, 1)(random_);
      if (wanted.distinct) u = (static_cast<double>(place) + 0.5) / static_cast<double>(count);
      double value = wanted.low + (wanted.high - wanted.low) * u;
      data.data.push_back(is_floating(wanted.type.dtype) ? value : std::round(value));
    }
    if (is_floating(wanted.type.dtype) && chance(0.5)) {
      inputs.states[name] = data;
      return builder_.add_state({name, wanted.type, StateKind::parameter, {}});
    }
    if (counter_ < 0) {
      counter_ = builder_.declare_state({"counter", {DType::f32, {}}, StateKind::buffer, {}});
      inputs.states["counter"] = {{}, {0.5}};
    }
    inputs.inputs[name] = data;
    return builder_.add_input(name, wanted.type);
  }

  std::mt19937 random_;
  bool smooth_;
  std::vector<const OpDef*> ops_;
  Builder builder_;
  std::vector<ValueId> values_;
  int32_t counter_ = -1;
};

void expect_same(const std::map<std::string, HostTensor>& expected, const std::map<std::string, HostTensor>& got,
                 const std::string& where) {
  ASSERT_EQ(expected.size(), got.size()) << where;
  for (const auto& [name, tensor] : expected) {
    ASSERT_TRUE(got.count(name)) << where << name;
    const HostTensor& other = got.at(name);
    ASSERT_EQ(tensor.shape, other.shape) << where << name;
    for (size_t i = 0; i < tensor.data.size(); ++i) {
      double a = tensor.data[i], b = other.data[i];
      if (a == b || (std::isnan(a) && std::isnan(b))) continue;
      ASSERT_NEAR(a, b, 1e-9 * std::max(1.0, std::abs(a))) << where << name << ", element " << i;
    }
  }
}

struct NamedPass {
  const char* name;
  Graph (*run)(const Graph&);
};

void expect_passes_keep(const Graph& graph, const InterpretInputs& inputs, const std::string& what) {
  InterpretResult expected = interpret(graph, inputs);
  const NamedPass passes[] = {{"decompose", decompose},
                              {"simplify", simplify},
                              {"cse", eliminate_common_subexpressions},
                              {"dce", eliminate_dead_code},
                              {"all passes", [](const Graph& g) { return optimize(g); }}};
  for (const NamedPass& pass : passes) {
    std::string where = what + ", " + pass.name + ": ";
    Graph rewritten = pass.run(graph);
    InterpretResult got = interpret(rewritten, inputs);
    expect_same(expected.outputs, got.outputs, where);
    expect_same(expected.states, got.states, where);
    if (::testing::Test::HasFatalFailure()) {
      ADD_FAILURE() << to_string(graph) << "\nbecame\n" << to_string(rewritten);
      return;
    }
  }
}

RuntimeScalars scalars(unsigned seed) {
  RuntimeScalars s;
  s.seed = seed;
  s.step = 3;
  s.valid_count = 2;
  s.first_sample = 5;
  s.learning_rate = 0.1f;
  return s;
}

TEST(RandomGraphs, PassesKeepTheirMeaning) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Grower grower(seed);
    for (unsigned i = 0; i < 2 + seed % 7; ++i) grower.step();
    Graph graph = grower.finish();
    grower.inputs.scalars = scalars(seed);
    expect_passes_keep(graph, grower.inputs, "seed " + std::to_string(seed));
    if (HasFailure()) return;
  }
}

// The derivative of the loss in a random direction of all parameters.
TEST(RandomGraphs, GradientsAreTheSlopeOfTheLoss) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Grower grower(seed, true);
    for (unsigned i = 0; i < 2 + seed % 5; ++i) grower.step();
    Graph graph = grower.finish();
    InterpretInputs& inputs = grower.inputs;
    inputs.scalars = scalars(seed);
    Graph gradient = differentiate(graph, "loss");
    for (const StateVariable& state : gradient.states)
      if (state.kind == StateKind::gradient)
        inputs.states[state.path] = {state.type.shape, std::vector<double>(static_cast<size_t>(state.type.elements()), 0.0)};
    expect_passes_keep(gradient, inputs, "gradient of seed " + std::to_string(seed));

    InterpretResult result = interpret(gradient, inputs);
    InterpretInputs above = inputs, below = inputs;
    std::mt19937 random(seed);
    const double step = 1e-6;
    double slope = 0, size = 0;
    for (const StateVariable& state : graph.states) {
      if (state.kind != StateKind::parameter) continue;
      for (size_t i = 0; i < inputs.states[state.path].data.size(); ++i) {
        double direction = std::uniform_real_distribution<double>(-1, 1)(random);
        above.states[state.path].data[i] += step * direction;
        below.states[state.path].data[i] -= step * direction;
        double term = direction * result.states.at("gradient/" + state.path).data[i];
        slope += term;
        size += std::abs(term);
      }
    }
    double difference = (interpret(graph, above).outputs["loss"].data[0] - interpret(graph, below).outputs["loss"].data[0]) / (2 * step);
    EXPECT_NEAR(slope, difference, 1e-6 * std::max(1.0, size)) << "seed " << seed << "\n" << to_string(graph);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace netc
