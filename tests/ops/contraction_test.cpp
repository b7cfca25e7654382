// Convolution and matmul: hand-computed values, adjointness of the gradients on every sample, and refusals.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "compiler/interpret/interpret.h"
#include "compiler/ops/registry.h"

namespace netc {
namespace {

HostTensor random_tensor(const Shape& shape, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> draw(-1, 1);
  HostTensor tensor{shape, std::vector<double>(static_cast<size_t>(element_count(shape)))};
  for (double& value : tensor.data) value = draw(random);
  return tensor;
}

HostTensor run(const std::string& name, const Attrs& attrs, const std::vector<const HostTensor*>& inputs) {
  std::vector<TensorType> types;
  for (const HostTensor* input : inputs) types.push_back({DType::f32, input ? input->shape : Shape{}});
  return interpret_op(op(name), attrs, inputs, types).at(0);
}

double dot(const HostTensor& a, const HostTensor& b) {
  EXPECT_EQ(a.shape, b.shape);
  double sum = 0;
  for (size_t i = 0; i < a.data.size(); ++i) sum += a.data[i] * b.data[i];
  return sum;
}

TEST(Convolution, ByHand) {
  HostTensor x{{1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9}}, weight{{1, 1, 2, 2}, {1, 0, 0, -1}}, bias{{1}, {10}};
  EXPECT_EQ(run("convolution", {}, {&x, &weight, &bias}).data, (std::vector<double>{6, 6, 6, 6}));
  EXPECT_EQ(run("convolution", {}, {&x, &weight, nullptr}).data, (std::vector<double>{-4, -4, -4, -4}));
  // Padded by 1, every second window: corners of the padded image.
  HostTensor y = run("convolution", {{"stride_h", int64_t{2}}, {"stride_w", int64_t{2}}, {"pad_h", int64_t{1}}, {"pad_w", int64_t{1}}},
                     {&x, &weight, nullptr});
  EXPECT_EQ(y.data, (std::vector<double>{-1, -3, -7, -4}));
}

TEST(Convolution, GroupsSeeTheirOwnChannels) {
  HostTensor x{{1, 2, 1, 1}, {3, 5}}, weight{{4, 1, 1, 1}, {1, 10, 100, 1000}};
  EXPECT_EQ(run("correlation", {{"groups", int64_t{2}}}, {&x, &weight}).data, (std::vector<double>{3, 30, 500, 5000}));
}

// <u, conv(x, w)> = <data_gradient(w, u), x> = <weight_gradient(x, u), w>, the definition of both gradients.
TEST(Convolution, GradientsAreAdjoint) {
  for (const OpSample& sample : op("correlation").samples()) {
    HostTensor x = random_tensor(sample.inputs[0].type.shape, 1), w = random_tensor(sample.inputs[1].type.shape, 2);
    HostTensor y = run("correlation", sample.attrs, {&x, &w});
    HostTensor u = random_tensor(y.shape, 3);
    Attrs data = sample.attrs, weight = sample.attrs;
    data.set("height", x.shape[2]);
    data.set("width", x.shape[3]);
    weight.set("window_h", w.shape[2]);
    weight.set("window_w", w.shape[3]);
    double expected = dot(u, y);
    EXPECT_NEAR(dot(run("convolution_data_gradient", data, {&w, &u}), x), expected, 1e-11) << sample.name;
    EXPECT_NEAR(dot(run("convolution_weight_gradient", weight, {&x, &u}), w), expected, 1e-11) << sample.name;
  }
}

// Each row's vjp, applied to the gradient of <u, f(a, b)>, gives the adjoints of a bilinear function:
// <vjp_a, a> = <vjp_b, b> = <u, f(a, b)>. So the family is closed: second derivatives come out too.
TEST(Contraction, VjpsOfTheWholeFamilyAreAdjoint) {
  for (const char* name : {"correlation", "convolution_data_gradient", "convolution_weight_gradient", "matmul"}) {
    for (const OpSample& sample : op(name).samples()) {
      Builder b;
      ValueId left = b.add_input("left", sample.inputs[0].type), right = b.add_input("right", sample.inputs[1].type);
      ValueId y = b.emit(op(name), {left, right}, sample.attrs);
      ValueId u = b.add_input("u", b.type(y));
      Attrs attrs = complete_attrs(op(name), sample.attrs);
      std::vector<ValueId> inputs{left, right}, outputs{y}, gradients{u};
      std::vector<ValueId> vjp = op(name).vjp(b, VjpCall{attrs, inputs, outputs, gradients});
      b.add_output("y", y);
      b.add_output("left", vjp.at(0));
      b.add_output("right", vjp.at(1));
      Graph graph = b.finish();
      InterpretInputs in;
      for (const GraphInput& input : graph.inputs) in.inputs[input.name] = random_tensor(graph.type(input.value).shape, 5);
      InterpretResult out = interpret(graph, in);
      double expected = dot(in.inputs["u"], out.outputs["y"]);
      EXPECT_NEAR(dot(in.inputs["left"], out.outputs["left"]), expected, 1e-11) << name << ", " << sample.name;
      EXPECT_NEAR(dot(in.inputs["right"], out.outputs["right"]), expected, 1e-11) << name << ", " << sample.name;
    }
  }
}

TEST(Convolution, BiasGradientSumsOverTheBatchAndTheImage) {
  Builder b;
  ValueId x = b.add_input("x", {DType::f32, {2, 1, 2, 2}}), w = b.add_input("w", {DType::f32, {3, 1, 1, 1}});
  ValueId bias = b.add_input("bias", {DType::f32, {3}}), u = b.add_input("u", {DType::f32, {2, 3, 2, 2}});
  ValueId y = b.emit(op("convolution"), {x, w, bias});
  Attrs attrs = complete_attrs(op("convolution"), {});
  std::vector<ValueId> inputs{x, w, bias}, outputs{y}, gradients{u};
  b.add_output("gradient", op("convolution").vjp(b, VjpCall{attrs, inputs, outputs, gradients}).at(2));
  Graph graph = b.finish();
  InterpretInputs in;
  for (const GraphInput& input : graph.inputs) in.inputs[input.name] = random_tensor(graph.type(input.value).shape, 9);
  for (size_t i = 0; i < 24; ++i) in.inputs["u"].data[i] = static_cast<double>(i / 4 % 3 + 1);  // channel + 1
  EXPECT_EQ(interpret(graph, in).outputs["gradient"].data, (std::vector<double>{8, 16, 24}));
}

struct Refusal {
  std::string op;
  std::vector<Shape> shapes;
  Attrs attrs;
  std::string code, message;
};

TEST(Contraction, RefusalsSpeakTheLanguage) {
  Refusal cases[] = {
      {"linear", {{8, 512, 7, 7}, {10, 512}, {10}}, {}, "E0205", "takes [C], got [512, 7, 7]"},
      {"linear", {{8, 512}, {10, 256}, {10}}, {}, "E0204", "the weight must be [10, 512], got [10, 256]"},
      {"convolution", {{8, 512}, {10, 512, 1, 1}, {10}}, {}, "E0205", "takes [C, H, W], got [512]"},
      {"convolution", {{8, 256, 2, 2}, {10, 256, 3, 3}, {10}}, {}, "E0203", "window 3x3 exceeds its input [256, 2, 2]"},
      {"convolution", {{8, 4, 4, 4}, {10, 4, 3, 3}, {10}}, {{"dilation_h", int64_t{2}}, {"dilation_w", int64_t{2}}}, "E0203",
       "window 3x3 exceeds its input [4, 4, 4] (dilated it spans 5x5)"},
      {"convolution", {{8, 64, 4, 4}, {12, 21, 3, 3}, {12}}, {{"groups", int64_t{3}}}, "E0207", "groups = 3 does not divide 64 input channels"},
      {"convolution", {{8, 3, 4, 4}, {12, 3, 3, 3}, {12}}, {{"stride_h", int64_t{0}}}, "E0207", "`stride` is 0, must be at least 1"},
      {"convolution", {{8, 3, 4, 4}, {12, 3, 3, 3}, {11}}, {}, "E0204", "the bias must be [12], got [11]"},
      {"matmul", {{2, 3}, {4, 5}}, {}, "E0204", "the matrices do not fit: [2, 3] by [4, 5]"},
      {"matmul", {{3}, {3}}, {}, "E0205", "takes two matrices of equal rank, got [3] and [3]"},
  };
  for (const Refusal& c : cases) {
    Builder b;
    std::vector<ValueId> inputs;
    for (const Shape& shape : c.shapes) inputs.push_back(b.add_input("in" + std::to_string(inputs.size()), {DType::f32, shape}));
    try {
      b.emit(op(c.op), inputs, c.attrs);
      ADD_FAILURE() << c.op << " accepted: " << c.message;
    } catch (const OpError& error) {
      EXPECT_EQ(error.what(), c.message);
      EXPECT_EQ(error.code(), c.code);
    }
  }
}

}  // namespace
}  // namespace netc
