// Elaboration from text to graph: shapes, paths, states and the layer tree.
#include <gtest/gtest.h>

#include "compiler/ir/op_def.h"
#include "compiler/sema/sema.h"
#include "tests/sema/elaborate_text.h"

namespace netc {
namespace {

TEST(Elaborate, mlp) {
  const ElaboratedNetwork net = elaborate_text(R"(
network mlp(classes: int = 10) {
    input image: [1, 28, 28]
    flatten
    linear(128); relu
    fc: linear(classes)
    output logits
})", {.batch = 8});
  EXPECT_EQ(paths(net), "linear0.weight linear0.bias fc.weight fc.bias");
  EXPECT_EQ(parameter_count(net), 784 * 128 + 128 + 1280 + 10);
  EXPECT_EQ(net.classes, 10);
  EXPECT_EQ(to_string(net.graph.type(net.graph.output("logits"))), "f32[8, 10]");
}

TEST(Elaborate, convolutions_pools_and_batch_norm) {
  const ElaboratedNetwork net = elaborate_text(R"(
network small {
    input image: u8 [3, 32, 32]
    stem: conv_bn_relu(16, 3x3)
    max_pool(2x2)
    conv(32, 3x3, bias = true); batch_norm; relu
    global_avg_pool
    linear(10)
    output logits
})", {.purpose = Purpose::train, .batch = 4});
  EXPECT_EQ(paths(net),
            "stem.conv.weight stem.bn.weight stem.bn.bias stem.bn.running_mean stem.bn.running_var conv0.weight conv0.bias "
            "batch_norm0.weight batch_norm0.bias batch_norm0.running_mean batch_norm0.running_var linear0.weight linear0.bias");
  EXPECT_EQ(net.graph.updates.size(), 4u);
  EXPECT_TRUE(net.graph.output("loss").valid());
  EXPECT_TRUE(net.graph.output("correct").valid());
}

// The first hundred errors and a word that there are more; what is found after them costs nothing.
TEST(Elaborate, stops_after_a_hundred_errors) {
  std::string text = "network n {\n    input image: [3, 32, 32]\n";
  for (int i = 0; i < 30'000; ++i) text += "    unknown" + std::to_string(i) + "\n";
  Project project;
  DiagnosticSink sink;
  ASSERT_TRUE(project.load_text("n.net", text + "    output y\n}\n", sink));
  EXPECT_FALSE(check(project, "n.net", {}, sink));
  ASSERT_EQ(sink.error_count(), 101);
  EXPECT_EQ(sink.all().front().code, "E0101");
  EXPECT_EQ(sink.all().back().code, "E0033");
}

}  // namespace
}  // namespace netc
