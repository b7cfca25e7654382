// Every vjp against central differences of its operator, through the interpreter, on every sample:
// d<u, f(x)>/dx[i] = (<u, f(x + h e_i)> - <u, f(x - h e_i)>) / 2h for a random u.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "compiler/interpret/interpret.h"
#include "compiler/ops/registry.h"

namespace netc {
namespace {

constexpr double kStep = 1e-5, kTolerance = 1e-6;
constexpr size_t kElements = 48;  // of an input that are tried

HostTensor draw(const SampleInput& input, std::mt19937& random) {
  HostTensor tensor{input.type.shape, std::vector<double>(static_cast<size_t>(input.type.elements()))};
  if (input.distinct) {
    // A shuffled grid: no two values are closer than its step.
    std::iota(tensor.data.begin(), tensor.data.end(), 0.0);
    std::shuffle(tensor.data.begin(), tensor.data.end(), random);
    double step = (input.high - input.low) / static_cast<double>(tensor.data.size());
    for (double& value : tensor.data) value = input.low + step * (value + 0.5);
    return tensor;
  }
  std::uniform_real_distribution<double> uniform(input.low, input.high);
  for (double& value : tensor.data)
    value = is_floating(input.type.dtype) ? uniform(random) : std::round(uniform(random));
  return tensor;
}

double dot(const HostTensor& a, const HostTensor& b) {
  return std::inner_product(a.data.begin(), a.data.end(), b.data.begin(), 0.0);
}

// The graphs of y = f(inputs) and of the gradients of <u, y>.
struct Subject {
  Graph forward, backward;
  std::vector<bool> differentiable;
};

Subject build(const OpDef& op, const OpSample& sample) {
  Subject subject;
  for (bool with_gradient : {false, true}) {
    Builder b;
    std::vector<ValueId> inputs;
    for (const SampleInput& input : sample.inputs) {
      bool absent = input.type.shape == Shape{-1};
      inputs.push_back(absent ? ValueId{} : b.add_input("in" + std::to_string(inputs.size()), input.type));
    }
    std::vector<ValueId> outputs = b.emit_all(op, inputs, sample.attrs);
    if (!with_gradient) {
      b.add_output("y", outputs[0]);
      subject.forward = b.finish();
      continue;
    }
    Attrs attrs = complete_attrs(op, sample.attrs);
    std::vector<ValueId> output_gradients(outputs.size());
    output_gradients[0] = b.add_input("u", b.type(outputs[0]));
    std::vector<ValueId> gradients = op.vjp(b, {attrs, inputs, outputs, output_gradients});
    for (size_t i = 0; i < gradients.size(); ++i) {
      subject.differentiable.push_back(gradients[i].valid());
      if (gradients[i].valid()) b.add_output("gradient" + std::to_string(i), gradients[i]);
    }
    subject.backward = b.finish();
  }
  return subject;
}

void check_sample(const OpDef& op, const OpSample& sample) {
  std::mt19937 random(3);
  Subject subject = build(op, sample);
  InterpretInputs given;
  given.scalars.seed = 5;
  given.scalars.step = 2;
  given.scalars.valid_count = 3;
  given.scalars.first_sample = 11;
  for (size_t i = 0; i < sample.inputs.size(); ++i)
    if (sample.inputs[i].type.shape != Shape{-1}) given.inputs["in" + std::to_string(i)] = draw(sample.inputs[i], random);
  TensorType y = subject.forward.type(subject.forward.output("y"));
  HostTensor u = draw({y, -1, 1, false}, random);
  auto value = [&](const std::string& input, size_t element, double by) {
    double& at = given.inputs.at(input).data[element];
    double saved = at;
    at += by;
    double result = dot(u, interpret(subject.forward, given).outputs.at("y"));
    at = saved;
    return result;
  };
  InterpretInputs with_u = given;
  with_u.inputs["u"] = u;
  InterpretResult gradients = interpret(subject.backward, with_u);
  for (size_t i = 0; i < subject.differentiable.size(); ++i) {
    if (!subject.differentiable[i]) continue;
    std::string input = "in" + std::to_string(i);
    const HostTensor& gradient = gradients.outputs.at("gradient" + std::to_string(i));
    ASSERT_EQ(gradient.shape, sample.inputs[i].type.shape);
    size_t stride = std::max<size_t>(1, gradient.data.size() / kElements);
    for (size_t e = 0; e < gradient.data.size(); e += stride) {
      double expected = (value(input, e, kStep) - value(input, e, -kStep)) / (2 * kStep);
      ASSERT_NEAR(gradient.data[e], expected, kTolerance * std::max(1.0, std::fabs(expected)))
          << op.name << " " << sample.name << ": input " << i << ", element " << e;
    }
  }
}

TEST(Gradient, AgreesWithFiniteDifferences) {
  int checked = 0;
  for (const OpDef* op : all_ops()) {
    if (!op->vjp) continue;
    for (const OpSample& sample : op->samples()) {
      SCOPED_TRACE(op->name + " " + sample.name);
      bool exact = true;  // finite differences need f64: results in a narrower type or integers are rounded
      for (const SampleInput& input : sample.inputs) exact &= input.type.dtype != DType::f16 && input.type.dtype != DType::bf16;
      if (!exact) continue;
      check_sample(*op, sample);
      ++checked;
    }
  }
  EXPECT_GT(checked, 100);
}

}  // namespace
}  // namespace netc
