// Passes, text in and text out.
#include <gtest/gtest.h>

#include "compiler/base/error.h"
#include "compiler/ops/registry.h"
#include "compiler/passes/cse.h"
#include "compiler/passes/dce.h"
#include "compiler/passes/decompose.h"
#include "compiler/passes/differentiate.h"
#include "compiler/passes/pipeline.h"
#include "compiler/passes/simplify.h"
#include "compiler/passes/split_sums.h"

namespace netc {
namespace {

Graph parse(const std::string& text) { return parse_graph(text, find_op); }

std::string simplified(const std::string& text) { return to_string(eliminate_dead_code(simplify(parse(text)))); }

TEST(Simplify, DropsNeutralElements) {
  EXPECT_EQ(simplified(R"(
%0: f32[2, 3] = input() {name = "x"}
%1: f32[1, 1] = constant() {value = 0.0}
%2: f32[1, 1] = constant() {value = 1.0}
%3: f32[2, 3] = add(%0, %1)
%4: f32[2, 3] = mul(%2, %3)
%5: f32[2, 3] = sub(%4, %1)
%6: f32[2, 3] = div(%5, %2)
%7: f32[2, 3] = neg(%6)
%8: f32[2, 3] = neg(%7)
%9: f32[2, 3] = cast(%8) {dtype = "f32"}
output "y" %9
)"),
            R"(%0: f32[2, 3] = input() {name = "x"}
output "y" %0
)");
}

TEST(Simplify, KeepsWhatChangesTheShapeOrAValue) {
  const std::string text = R"(%0: f32[1, 3] = input() {name = "x"}
%1: f32[2, 3] = constant() {value = 0.0}
%2: f32[2, 3] = add(%0, %1)
%3: f32[2, 3] = mul(%2, %1)
output "y" %3
)";
  EXPECT_EQ(simplified(text), text) << "x + 0 broadcasts x, and x * 0 may be NaN";
}

TEST(Simplify, MergesReshapesAndTransposes) {
  EXPECT_EQ(simplified(R"(
%0: f32[2, 3, 4] = input() {name = "x"}
%1: f32[6, 4] = reshape(%0) {shape = [6, 4]}
%2: f32[24] = reshape(%1) {shape = [24]}
%3: f32[2, 3, 4] = reshape(%2) {shape = [2, 3, 4]}
%4: f32[4, 2, 3] = transpose(%3) {permutation = [2, 0, 1]}
%5: f32[3, 4, 2] = transpose(%4) {permutation = [2, 0, 1]}
%6: f32[2, 3, 4] = transpose(%5) {permutation = [2, 0, 1]}
output "twice" %5
output "thrice" %6
)"),
            R"(%0: f32[2, 3, 4] = input() {name = "x"}
%1: f32[3, 4, 2] = transpose(%0) {permutation = [1, 2, 0]}
output "twice" %1
output "thrice" %0
)");
}

TEST(Simplify, FoldsConstantsAndBroadcasts) {
  EXPECT_EQ(simplified(R"(
%0: f32[2, 3] = input() {name = "x"}
%1: f32[1, 3] = input() {name = "b"}
%2: f32[1, 1] = constant() {value = 4.0}
%3: f32[1, 1] = sqrt(%2)
%4: f32[2, 3] = broadcast(%3) {shape = [2, 3]}
%5: f32[2, 3] = mul(%0, %4)
%6: f32[2, 3] = broadcast(%1) {shape = [2, 3]}
%7: f32[2, 3] = add(%6, %5)
output "y" %7
)"),
            R"(%0: f32[2, 3] = input() {name = "x"}
%1: f32[1, 3] = input() {name = "b"}
%2: f32[2, 3] = constant() {value = 2.0}
%3: f32[2, 3] = mul(%0, %2)
%4: f32[2, 3] = add(%1, %3)
output "y" %4
)");
}

TEST(CommonSubexpressions, AreComputedOnce) {
  EXPECT_EQ(to_string(eliminate_common_subexpressions(parse(R"(
%0: f32[2, 3] = input() {name = "x"}
%1: f32[2, 3] = exp(%0)
%2: f32[2, 3] = exp(%0)
%3: f32[2, 3] = leaky_relu(%1) {slope = 0.1}
%4: f32[2, 3] = leaky_relu(%2) {slope = 0.2}
%5: f32[2, 3] = constant() {value = 1.0}
%6: f32[1, 3] = constant() {value = 1.0}
%7: f32[2, 3] = mul(%3, %4)
output "y" %7
)"))),
            R"(%0: f32[2, 3] = input() {name = "x"}
%1: f32[2, 3] = exp(%0)
%2: f32[2, 3] = leaky_relu(%1) {slope = 0.1}
%3: f32[2, 3] = leaky_relu(%1) {slope = 0.2}
%4: f32[2, 3] = constant() {value = 1.0}
%5: f32[1, 3] = constant() {value = 1.0}
%6: f32[2, 3] = mul(%2, %3)
output "y" %6
)");
}

TEST(DeadCode, GoesButInputsAndStatesStay) {
  EXPECT_EQ(to_string(eliminate_dead_code(parse(R"(
state 0: f32[3] parameter "unused" constant(0, 0)
%0: f32[2, 3] = input() {name = "x"}
%1: f32[2, 3] = input() {name = "ignored"}
%2: f32[3] = state() {index = 0}
%3: f32[2, 3] = exp(%0)
%4: f32[2, 3] = relu(%0)
output "y" %4
)"))),
            R"(state 0: f32[3] parameter "unused" constant(0, 0)
%0: f32[2, 3] = input() {name = "x"}
%1: f32[2, 3] = input() {name = "ignored"}
%2: f32[2, 3] = relu(%0)
output "y" %2
)");
}

TEST(Decompose, LeavesScalarsAndContractions) {
  Graph graph = decompose(parse(R"(
%0: f32[2, 3] = input() {name = "x"}
%1: f32[5, 3] = input() {name = "w"}
%2: f32[5] = input() {name = "b"}
%3: f32[2, 5] = linear(%0, %1, %2)
%4: f32[2, 5] = softmax(%3) {axis = 1}
output "y" %4
)"));
  for (const Node& node : graph.nodes) EXPECT_EQ(node.op->decompose, nullptr) << node.op->name;
  EXPECT_EQ(graph.producer(graph.output("y")).op->name, "div");
}

// y = w * x + v * x, loss = sum(y * w): w is used twice, its two gradients are added; v's gradient is complete
// first, although w is declared first; u is not used.
TEST(Differentiate, AddsGradientsInTheOrderOfTheBackwardPass) {
  EXPECT_EQ(to_string(eliminate_dead_code(differentiate(parse(R"(
state 0: f32[3] parameter "u" constant(0, 0)
state 1: f32[3] parameter "w" constant(0, 0)
state 2: f32[3] parameter "v" constant(0, 0)
%0: f32[3] = input() {name = "x"}
%1: f32[3] = state() {index = 1}
%2: f32[3] = state() {index = 2}
%3: f32[3] = mul(%1, %0)
%4: f32[3] = mul(%2, %3)
%5: f32[3] = mul(%4, %1)
%6: f32[] = reduce_sum(%5) {axes = [0], keep = false}
output "loss" %6
)"),
                                                        "loss"))),
            R"(state 0: f32[3] parameter "u" constant(0, 0)
state 1: f32[3] parameter "w" constant(0, 0)
state 2: f32[3] parameter "v" constant(0, 0)
state 3: f32[3] gradient "gradient/v" constant(0, 0)
state 4: f32[3] gradient "gradient/w" constant(0, 0)
state 5: f32[3] gradient "gradient/u" constant(0, 0)
%0: f32[3] = input() {name = "x"}
%1: f32[3] = state() {index = 1}
%2: f32[3] = state() {index = 2}
%3: f32[3] = mul(%1, %0)
%4: f32[3] = mul(%2, %3)
%5: f32[3] = mul(%4, %1)
%6: f32[] = reduce_sum(%5) {axes = [0], keep = false}
%7: f32[] = constant() {value = 1.0}
%8: f32[1] = reshape(%7) {shape = [1]}
%9: f32[3] = broadcast(%8) {shape = [3]}
%10: f32[3] = mul(%9, %4)
%11: f32[3] = mul(%9, %1)
%12: f32[3] = mul(%11, %2)
%13: f32[3] = mul(%11, %3)
%14: f32[3] = mul(%12, %0)
%15: f32[3] = add(%10, %14)
%16: f32[3] = constant() {value = 0.0}
output "loss" %6
update 3 %13
update 4 %15
update 5 %16
)");
}

TEST(Differentiate, RefusesAnOperatorWithoutGradientAtItsCall) {
  Graph graph = parse(R"(
state 0: f32[3] parameter "w" constant(0, 0)
%0: f32[3] = state() {index = 0}
%1: f32[3] = greater(%0, %0)
%2: f32[] = reduce_sum(%1) {axes = [0], keep = false}
output "loss" %2
)");
  EXPECT_THROW(differentiate(graph, "loss"), CompileError);
}

TEST(Pipeline, ShowsEveryPass) {
  std::vector<std::string> seen;
  optimize(parse("%0: f32[2] = input() {name = \"x\"}\noutput \"y\" %0\n"),
           [&](const std::string& pass, const Graph&) { seen.push_back(pass); });
  ASSERT_EQ(seen.size(), lowering_passes().size());
  for (size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], lowering_passes()[i].name);
}

TEST(SplitSums, PutsPartsInThePlaceOfAWeightGradient) {
  const Graph graph = parse(R"(
%0: f32[6, 2, 5, 5] = input() {name = "x"}
%1: f32[6, 4, 5, 5] = input() {name = "dy"}
%2: f32[4, 2, 3, 3] = convolution_weight_gradient(%0, %1) {pad_h = 1, pad_w = 1, window_h = 3, window_w = 3}
%3: f32[4, 1, 3, 3] = convolution_weight_gradient(%0, %1) {groups = 2, pad_h = 1, pad_w = 1, window_h = 3, window_w = 3}
output "g" %2
output "grouped" %3
)");
  int asked = 0;
  const Graph split = split_sums(graph, [&](const Contraction& c, DType dtype) {
    ++asked;
    EXPECT_EQ(c.output, 1);
    EXPECT_EQ(dtype, DType::f32);
    return int64_t{3};
  });
  EXPECT_EQ(asked, 1) << "not about groups";
  std::string text = to_string(split);
  const std::string common = "dilation_h = 1, dilation_w = 1, groups = ";
  EXPECT_NE(text.find("%2: f32[12, 2, 3, 3] = weight_gradient_parts(%0, %1) {" + common + "1, pad_h = 1, pad_w = 1, parts = 3, "), std::string::npos) << text;
  EXPECT_NE(text.find("%3: f32[4, 2, 3, 3] = sum_of_parts(%2) {parts = 3}"), std::string::npos) << text;
  EXPECT_NE(text.find("= convolution_weight_gradient(%0, %1) {" + common + "2"), std::string::npos) << text;
  EXPECT_EQ(to_string(split_sums(graph, [](const Contraction&, DType) { return int64_t{1}; })), to_string(graph));
}

}  // namespace
}  // namespace netc
