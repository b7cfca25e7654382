// Mixed precision, text in and text out: which values are rounded, and who reads them how.
#include "compiler/passes/cast_precision.h"

#include <gtest/gtest.h>

#include "compiler/interpret/interpret.h"
#include "compiler/ir/op_def.h"
#include "compiler/ops/registry.h"
#include "compiler/ops/tf32.h"
#include "compiler/passes/dce.h"
#include "compiler/passes/differentiate.h"
#include "compiler/passes/pipeline.h"
#include "compiler/passes/round_in_products.h"
#include "tests/lower/networks.h"

namespace netc {
namespace {

Precision bf16_everywhere(const std::string&) { return Precision::bf16; }

std::string cast(const std::string& text, const LayerPrecision& precision = bf16_everywhere) {
  return to_string(cast_precision(parse_graph(text, find_op), precision));
}

// Weights and images are rounded for the contraction, its sum is f32. What relu gives goes to the next layer, so it is
// rounded; what relu reads is not, since it is in a register. Logits are not rounded for the loss.
TEST(CastPrecision, RoundsWhatGoesFromLayerToLayer) {
  EXPECT_EQ(cast(R"(
state 0: f32[3, 4] parameter "a.weight" constant(0, 0)
state 1: f32[3] parameter "a.bias" constant(0, 0)
state 2: f32[5, 3] parameter "b.weight" constant(0, 0)
%0: f32[8, 4] = input() {name = "x"}  // x
%1: f32[3, 4] = state() {index = 0}  // a.weight
%2: f32[3] = state() {index = 1}  // a.bias
%3: f32[8, 3] = linear(%0, %1, %2)  // a
%4: f32[8, 3] = relu(%3)  // relu0
%5: f32[5, 3] = state() {index = 2}  // b.weight
%6: f32[8, 5] = linear(%4, %5, _)  // b
%7: i64[8] = input() {name = "label"}  // loss
%8: f32[] = cross_entropy(%6, %7) {label_smoothing = 0.0, reduction = "mean"}  // loss
output "loss" %8
output "logits" %6
)"),
            R"(state 0: f32[3, 4] parameter "a.weight" constant(0, 0)
state 1: f32[3] parameter "a.bias" constant(0, 0)
state 2: f32[5, 3] parameter "b.weight" constant(0, 0)
%0: f32[8, 4] = input() {name = "x"}  // x
%1: f32[3, 4] = state() {index = 0}  // a.weight
%2: f32[3] = state() {index = 1}  // a.bias
%3: bf16[8, 4] = cast(%0) {dtype = "bf16"}  // x
%4: bf16[3, 4] = cast(%1) {dtype = "bf16"}  // a.weight
%5: f32[8, 3] = linear(%3, %4, %2)  // a
%6: f32[8, 3] = relu(%5)  // relu0
%7: bf16[8, 3] = cast(%6) {dtype = "bf16"}  // relu0
%8: f32[5, 3] = state() {index = 2}  // b.weight
%9: bf16[5, 3] = cast(%8) {dtype = "bf16"}  // b.weight
%10: f32[8, 5] = linear(%7, %9, _)  // b
%11: i64[8] = input() {name = "label"}  // loss
%12: f32[] = cross_entropy(%10, %11) {label_smoothing = 0.0, reduction = "mean"}  // loss
output "loss" %12
output "logits" %10
)");
}

// Batch norm reads the rounded output of the convolution: its statistics are sums over what is in memory. A residual
// sum is taken of what the shortcut holds, and concat puts rounded values side by side.
TEST(CastPrecision, NormsReadTheRoundedValue) {
  EXPECT_EQ(cast(R"(
state 0: f32[4, 4, 1, 1] parameter "w" constant(0, 0)
state 1: f32[4] buffer "c" constant(0, 0)
%0: f32[2, 4, 3, 3] = input() {name = "x"}  // x
%1: f32[4, 4, 1, 1] = state() {index = 0}  // w
%2: f32[4] = state() {index = 1}  // c
%3: f32[2, 4, 3, 3] = correlation(%0, %1) {dilation_h = 1, dilation_w = 1, groups = 1, pad_h = 0, pad_w = 0, stride_h = 1, stride_w = 1}  // conv
%4: f32[2, 4, 3, 3], %5: f32[4], %6: f32[4], %7: f32[4], %8: f32[4] = batch_norm(%3, %2, %2, %2, %2) {epsilon = 1e-05, momentum = 0.1}  // bn
%9: f32[2, 4, 3, 3] = add(%4, %0)  // sum
%10: f32[2, 8, 3, 3] = concat(%9, %9) {axis = 1}  // joined
%11: f32[2, 8] = reduce_mean(%10) {axes = [2, 3], keep = false}  // pool
output "y" %11
update 1 %5
)"),
            R"(state 0: f32[4, 4, 1, 1] parameter "w" constant(0, 0)
state 1: f32[4] buffer "c" constant(0, 0)
%0: f32[2, 4, 3, 3] = input() {name = "x"}  // x
%1: f32[4, 4, 1, 1] = state() {index = 0}  // w
%2: f32[4] = state() {index = 1}  // c
%3: bf16[2, 4, 3, 3] = cast(%0) {dtype = "bf16"}  // x
%4: bf16[4, 4, 1, 1] = cast(%1) {dtype = "bf16"}  // w
%5: f32[2, 4, 3, 3] = correlation(%3, %4) {dilation_h = 1, dilation_w = 1, groups = 1, pad_h = 0, pad_w = 0, stride_h = 1, stride_w = 1}  // conv
%6: bf16[2, 4, 3, 3] = cast(%5) {dtype = "bf16"}  // conv
%7: f32[2, 4, 3, 3] = cast(%6) {dtype = "f32"}  // conv
%8: f32[2, 4, 3, 3], %9: f32[4], %10: f32[4], %11: f32[4], %12: f32[4] = batch_norm(%7, %2, %2, %2, %2) {epsilon = 1e-05, momentum = 0.1}  // bn
%13: f32[2, 4, 3, 3] = add(%8, %0)  // sum
%14: bf16[2, 4, 3, 3] = cast(%13) {dtype = "bf16"}  // sum
%15: bf16[2, 8, 3, 3] = concat(%14, %14) {axis = 1}  // joined
%16: f32[2, 8, 3, 3] = cast(%15) {dtype = "f32"}  // joined
%17: f32[2, 8] = reduce_mean(%16) {axes = [2, 3], keep = false}  // pool
output "y" %17
update 1 %9
)");
}

// A layer in f32 multiplies unrounded weights and rounds nothing; its neighbours stay in bf16.
TEST(CastPrecision, LayersMayDiffer) {
  const std::string text = cast(R"(
state 0: f32[4, 4] parameter "a.weight" constant(0, 0)
%0: f32[8, 4] = input() {name = "x"}  // x
%1: f32[4, 4] = state() {index = 0}  // a.weight
%2: f32[8, 4] = linear(%0, %1, _)  // a
%3: f32[8, 4] = linear(%2, %1, _)  // b
%4: f32[8, 4] = linear(%3, %1, _)  // c
output "y" %4
)",
                                [](const std::string& path) { return path == "b" ? Precision::f32 : Precision::bf16; });
  EXPECT_EQ(text, R"(state 0: f32[4, 4] parameter "a.weight" constant(0, 0)
%0: f32[8, 4] = input() {name = "x"}  // x
%1: f32[4, 4] = state() {index = 0}  // a.weight
%2: bf16[8, 4] = cast(%0) {dtype = "bf16"}  // x
%3: bf16[4, 4] = cast(%1) {dtype = "bf16"}  // a.weight
%4: f32[8, 4] = linear(%2, %3, _)  // a
%5: bf16[8, 4] = cast(%4) {dtype = "bf16"}  // a
%6: f32[8, 4] = cast(%5) {dtype = "f32"}  // a
%7: f32[8, 4] = linear(%6, %1, _)  // b
%8: bf16[8, 4] = cast(%7) {dtype = "bf16"}  // b
%9: f32[8, 4] = linear(%8, %3, _)  // c
output "y" %9
)");
}

// Of a training step: what its updates keep in f32, and that all of a loss is computed in f32.
TEST(CastPrecision, GradientsOfParametersAreNeverRounded) {
  const Graph gradient = differentiate(parse_graph(R"(
state 0: f32[3, 4] parameter "a.weight" constant(0, 0)
state 1: f32[3] parameter "a.bias" constant(0, 0)
state 2: f32[5, 3] parameter "b.weight" constant(0, 0)
%0: f32[8, 4] = input() {name = "x"}  // x
%1: f32[3, 4] = state() {index = 0}  // a.weight
%2: f32[3] = state() {index = 1}  // a.bias
%3: f32[8, 3] = linear(%0, %1, %2)  // a
%4: f32[8, 3] = relu(%3)  // relu0
%5: f32[5, 3] = state() {index = 2}  // b.weight
%6: f32[8, 5] = linear(%4, %5, _)  // b
%7: i64[8] = input() {name = "label"}  // loss
%8: f32[] = cross_entropy(%6, %7) {label_smoothing = 0.1, reduction = "mean"}  // loss
output "loss" %8
)", find_op), "loss");
  const Graph graph = eliminate_dead_code(cast_precision(gradient, bf16_everywhere));
  for (const StateUpdate& update : graph.updates) {
    const Node& node = graph.producer(update.value);
    EXPECT_EQ(graph.type(update.value).dtype, DType::f32);
    EXPECT_NE(node.op->name, "cast") << node.origin.path;
  }
  int contractions = 0, rounded = 0;
  for (const Node& node : graph.nodes) {
    if (node.op->arithmetic == Arithmetic::contraction) {
      ++contractions;
      for (size_t i = 0; i < 2; ++i) EXPECT_EQ(graph.type(node.inputs[i]).dtype, DType::bf16) << node.origin.path;
      EXPECT_EQ(graph.type(node.outputs[0]).dtype, DType::f32);
    }
    if (node.op->name == "cast" && graph.type(node.outputs[0]).dtype == DType::bf16) {
      ++rounded;
      // Of the loss only its result, the gradient of the logits, is rounded, for the contractions that read it.
      if (node.origin.path == "loss") {
        EXPECT_EQ(graph.producer(node.inputs[0]).op->name, "mul");
      }
    }
  }
  EXPECT_EQ(contractions, 5);  // two forward, two gradients of weights, one of data
  EXPECT_EQ(rounded, 6);       // x, two weights, relu, and the gradients of relu and of the logits
}

// What contractions multiply is rounded, and nothing else; a layer in f32 multiplies what is not.
TEST(CastPrecision, Tf32RoundsOperandsOfContractions) {
  const std::string text = R"(
state 0: f32[4, 4] parameter "a.weight" constant(0, 0)
state 1: f32[4, 4] parameter "b.weight" constant(0, 0)
%0: f32[8, 4] = input() {name = "x"}  // x
%1: f32[4, 4] = state() {index = 0}  // a.weight
%2: f32[8, 4] = linear(%0, %1, _)  // a
%3: f32[8, 4] = relu(%2)  // relu0
%4: f32[4, 4] = state() {index = 1}  // b.weight
%5: f32[8, 4] = linear(%3, %4, _)  // b
output "y" %5
)";
  EXPECT_EQ(cast(text, [](const std::string& path) { return path == "b" ? Precision::f32 : Precision::tf32; }),
            R"(state 0: f32[4, 4] parameter "a.weight" constant(0, 0)
state 1: f32[4, 4] parameter "b.weight" constant(0, 0)
%0: f32[8, 4] = input() {name = "x"}  // x
%1: f32[4, 4] = state() {index = 0}  // a.weight
%2: f32[8, 4] = round_tf32(%0)  // x
%3: f32[4, 4] = round_tf32(%1)  // a.weight
%4: f32[8, 4] = linear(%2, %3, _)  // a
%5: f32[8, 4] = relu(%4)  // relu0
%6: f32[4, 4] = state() {index = 1}  // b.weight
%7: f32[8, 4] = linear(%5, %6, _)  // b
output "y" %7
)");
}

// On a GPU all contractions of a training step round what they multiply, and no rounded copy is left. The same values.
TEST(RoundInProducts, TakesUnroundedOperands) {
  for (const Graph& network : {mlp(4), residual_network(2), grouped_network(2)}) {
    const Graph cast_graph = cast_precision(differentiate(network, "loss"), [](const std::string&) { return Precision::tf32; });
    const Graph graph = round_in_products(optimize(cast_graph));
    int contractions = 0;
    for (const Node& node : graph.nodes) {
      EXPECT_NE(node.op->name, "round_tf32") << node.origin.path;
      if (!node.op->contract) continue;
      ++contractions;
      EXPECT_TRUE(node.op->contract(make_call(graph, node)).tf32) << node.op->name;
    }
    EXPECT_GT(contractions, 4);
    const InterpretInputs inputs = random_inputs(graph, 1);
    const InterpretResult expected = interpret(optimize(cast_graph), inputs), got = interpret(graph, inputs);
    EXPECT_EQ(got.outputs.at("loss").data, expected.outputs.at("loss").data);
    for (const auto& [path, tensor] : expected.states) EXPECT_EQ(got.states.at(path).data, tensor.data) << path;
  }
}

TEST(RoundInProducts, LeavesWhatIsNotRoundedOnBothSides) {
  const Graph plain = optimize(small_cnn(2));
  EXPECT_EQ(to_string(round_in_products(plain)), to_string(plain));
  // A rounded value that is a result as well stays.
  Builder b;
  const ValueId x = b.add_input("x", {DType::f32, {2, 3}}), y = b.add_input("y", {DType::f32, {3, 2}});
  const ValueId rounded = b.emit(round_tf32_op(), {x});
  b.add_output("half", b.emit(op("matmul"), {rounded, y}));
  b.add_output("rounded", rounded);
  const Graph half = b.finish();
  EXPECT_EQ(to_string(round_in_products(half)), to_string(half));
}

TEST(CastPrecision, F32ChangesNothing) {
  const std::string text = R"(state 0: f32[4, 4] parameter "a.weight" constant(0, 0)
%0: f32[8, 4] = input() {name = "x"}  // x
%1: f32[4, 4] = state() {index = 0}  // a.weight
%2: f32[8, 4] = linear(%0, %1, _)  // a
output "y" %2
)";
  EXPECT_EQ(cast(text, [](const std::string&) { return Precision::f32; }), text);
}

}  // namespace
}  // namespace netc
