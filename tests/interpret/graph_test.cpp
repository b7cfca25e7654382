// Whole graphs: inputs, states, updates, decompositions, absent inputs, and what is refused.
#include <gtest/gtest.h>

#include "compiler/base/error.h"
#include "compiler/interpret/interpret.h"
#include "compiler/ops/registry.h"

namespace netc {
namespace {

using V = std::vector<double>;
const TensorType kPair{DType::f32, {2}};

TEST(Interpret, OutputsStatesAndUpdates) {
  Builder b;
  ValueId x = b.add_input("x", kPair);
  int32_t total = b.declare_state({"total", kPair, StateKind::buffer, {}});
  b.declare_state({"untouched", kPair, StateKind::parameter, {}});
  ValueId sum = b.emit(op("add"), {b.read_state(total), x});
  b.add_output("square", b.emit(op("square"), {sum}));
  b.add_output("input", x);
  b.add_output("again", x);
  b.add_output("two", b.constant(2, kPair));
  b.add_update(total, sum);
  Graph graph = b.finish();

  InterpretInputs in;
  in.inputs["x"] = {{2}, {1, 2}};
  in.states["total"] = {{2}, {10, 20}};
  in.states["untouched"] = {{2}, {7, 8}};
  InterpretResult out = interpret(graph, in);
  EXPECT_EQ(out.outputs["square"].data, (V{121, 484}));
  EXPECT_EQ(out.outputs["input"].data, (V{1, 2}));
  EXPECT_EQ(out.outputs["again"].data, (V{1, 2}));
  EXPECT_EQ(out.outputs["two"].data, (V{2, 2}));
  EXPECT_EQ(out.states["total"].data, (V{11, 22}));
  EXPECT_EQ(out.states["untouched"].data, (V{7, 8}));
}

TEST(Interpret, ReadsSeeTheStateBeforeTheRun) {
  Builder b;
  int32_t counter = b.declare_state({"counter", kPair, StateKind::buffer, {}});
  ValueId old = b.read_state(counter);
  ValueId next = b.emit(op("add"), {old, b.constant(1, kPair)});
  b.add_update(counter, next);
  b.add_output("old", old);
  b.add_output("next", next);
  InterpretInputs in;
  in.states["counter"] = {{2}, {5, 6}};
  InterpretResult out = interpret(b.finish(), in);
  EXPECT_EQ(out.outputs["old"].data, (V{5, 6}));
  EXPECT_EQ(out.outputs["next"].data, (V{6, 7}));
  EXPECT_EQ(out.states["counter"].data, (V{6, 7}));
}

TEST(Interpret, ValuesAreDoublesAndConstantsHaveTheirType) {
  Builder b;
  ValueId x = b.add_input("x", kPair);
  b.add_output("double", b.emit(op("mul"), {x, b.constant(0.1, kPair)}));
  b.add_output("bf16", b.constant(0.1, {DType::bf16, {2}}));
  b.add_output("cast", b.emit(op("cast"), {x}, {{"dtype", std::string("bf16")}}));
  InterpretInputs in;
  in.inputs["x"] = {{2}, {1.0 / 3, 257}};
  InterpretResult out = interpret(b.finish(), in);
  EXPECT_EQ(out.outputs["double"].data, (V{1.0 / 3 * 0.1, 257 * 0.1}));
  EXPECT_EQ(out.outputs["bf16"].data, (V{0.10009765625, 0.10009765625}));
  EXPECT_EQ(out.outputs["cast"].data, (V{0.333984375, 256}));
}

TEST(Interpret, DecomposedOperators) {
  Builder b;
  ValueId x = b.add_input("x", {DType::f32, {1, 2}}), w = b.add_input("w", {DType::f32, {2, 2}}), bias = b.add_input("bias", kPair);
  b.add_output("with", b.emit(op("linear"), {x, w, bias}));
  b.add_output("without", b.emit(op("linear"), {x, w, ValueId{}}));
  InterpretInputs in;
  in.inputs["x"] = {{1, 2}, {1, 2}};
  in.inputs["w"] = {{2, 2}, {3, 4, 5, 6}};
  in.inputs["bias"] = {{2}, {100, 200}};
  InterpretResult out = interpret(b.finish(), in);
  EXPECT_EQ(out.outputs["without"].data, (V{11, 17}));
  EXPECT_EQ(out.outputs["with"].data, (V{111, 217}));
}

TEST(Interpret, LearningRateIsNotRounded) {
  Builder b;
  b.add_output("rate", b.emit(op("runtime_scalar"), {}, {{"which", std::string("learning_rate")}}));
  Graph graph = b.finish();
  InterpretInputs in;
  in.learning_rate = 0.1;
  EXPECT_EQ(interpret(graph, in).outputs["rate"].data, V{0.1});
  in.learning_rate = 0;
  in.scalars.learning_rate = 0.5f;
  EXPECT_EQ(interpret(graph, in).outputs["rate"].data, V{0.5});
}

TEST(Interpret, RefusesMissingAndMisshapenTensors) {
  Builder b;
  ValueId x = b.add_input("x", kPair);
  ValueId s = b.add_state({"s", kPair, StateKind::parameter, {}});
  b.add_output("y", b.emit(op("add"), {x, s}));
  Graph graph = b.finish();
  InterpretInputs in;
  EXPECT_THROW(interpret(graph, in), RuntimeError);
  in.inputs["x"] = {{2}, {1, 2}};
  EXPECT_THROW(interpret(graph, in), RuntimeError);
  in.states["s"] = {{2}, {1}};
  EXPECT_THROW(interpret(graph, in), RuntimeError);
  in.states["s"] = {{2, 1}, {1, 2}};
  EXPECT_THROW(interpret(graph, in), RuntimeError);
  in.states["s"] = {{2}, {1, 2}};
  EXPECT_EQ(interpret(graph, in).outputs["y"].data, (V{2, 4}));
}

}  // namespace
}  // namespace netc
