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
  const Graph graph = count_non_finite(b.finish(), "layer/");
  EXPECT_EQ(graph.type(graph.output("layer/0")), (TensorType{DType::f32, {}}));
  EXPECT_EQ(graph.type(graph.output("y")), (TensorType{DType::f32, {2, 3}}));
  const double inf = std::numeric_limits<double>::infinity();
  for (const Graph& g : {graph, optimize(graph)}) {
    InterpretInputs inputs;
    inputs.inputs["x"] = {{2, 3}, {0, -1e38, 3e38, 1, -2, 5}};
    EXPECT_EQ(interpret(g, inputs).outputs.at("layer/0").data[0], 0);
    inputs.inputs["x"] = {{2, 3}, {inf, 1, std::nan(""), -inf, 2, 3}};
    EXPECT_EQ(interpret(g, inputs).outputs.at("layer/0").data[0], 3);
    EXPECT_EQ(interpret(g, inputs).outputs.at("layer/1").data[0], 3);
  }
}

}  // namespace
}  // namespace netc
