// Counts of values that are infinite or NaN.
#include "compiler/passes/count_non_finite.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "compiler/interpret/interpret.h"
#include "compiler/ops/build.h"
#include "compiler/ops/registry.h"
#include "compiler/passes/pipeline.h"

namespace netc {
namespace {

TEST(CountNonFinite, CountsInfinitiesAndNan) {
  Builder b;
  const ValueId x = b.add_input("x", {DType::f32, {2, 3}});
  b.add_output("y", x);
  b.add_output("layer/0", x);
  b.add_output("layer/1", build::sub(b, x, x));  // infinity - infinity is no number
  const CountedGraph counted = count_non_finite(b.finish(), "layer/");
  EXPECT_EQ(counted.rounded_to, (std::vector<DType>{DType::f32, DType::f32}));
  const Graph& graph = counted.graph;
  EXPECT_EQ(graph.type(graph.output("layer/0/infinite")), (TensorType{DType::f32, {}}));
  EXPECT_EQ(graph.type(graph.output("y")), (TensorType{DType::f32, {2, 3}}));
  const double inf = std::numeric_limits<double>::infinity();
  for (const Graph& g : {graph, optimize(graph)}) {
    InterpretInputs inputs;
    inputs.inputs["x"] = {{2, 3}, {0, -1e38, 3e38, 1, -2, 5}};
    EXPECT_EQ(interpret(g, inputs).outputs.at("layer/0/infinite").data[0], 0);
    EXPECT_EQ(interpret(g, inputs).outputs.at("layer/0/nan").data[0], 0);
    inputs.inputs["x"] = {{2, 3}, {inf, 1, std::nan(""), -inf, 2, 3}};
    const InterpretResult result = interpret(g, inputs);
    EXPECT_EQ(result.outputs.at("layer/0/infinite").data[0], 2);
    EXPECT_EQ(result.outputs.at("layer/0/nan").data[0], 1);
    EXPECT_EQ(result.outputs.at("layer/1/infinite").data[0], 0);
    EXPECT_EQ(result.outputs.at("layer/1/nan").data[0], 3);
  }
}

// Behind the cast pass: what f16 cannot hold is infinite, where f32 holds it; the type is told.
TEST(CountNonFinite, ValuesThatOverflowF16) {
  Builder b;
  const ValueId x = b.add_input("x", {DType::f32, {4}});
  b.add_output("layer/0", build::cast(b, build::cast(b, x, DType::f16), DType::f32));
  b.add_output("layer/1", x);
  const CountedGraph counted = count_non_finite(b.finish(), "layer/");
  EXPECT_EQ(counted.rounded_to, (std::vector<DType>{DType::f16, DType::f32}));
  InterpretInputs inputs;
  inputs.inputs["x"] = {{4}, {65504, 7e4, -1e30, std::nan("")}};
  const InterpretResult result = interpret(optimize(counted.graph), inputs);
  EXPECT_EQ(result.outputs.at("layer/0/infinite").data[0], 2);
  EXPECT_EQ(result.outputs.at("layer/0/nan").data[0], 1);
  EXPECT_EQ(result.outputs.at("layer/1/infinite").data[0], 0);
}

}  // namespace
}  // namespace netc
