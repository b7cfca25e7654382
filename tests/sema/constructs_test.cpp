// The constructs, paths, sharing, recipes and name maps: what a right program becomes.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "compiler/ir/op_def.h"
#include "compiler/sema/sema.h"
#include "tests/sema/elaborate_text.h"

namespace netc {
namespace {

int64_t count_ops(const ElaboratedNetwork& net, const std::string& op) {
  return std::count_if(net.graph.nodes.begin(), net.graph.nodes.end(), [&](const Node& n) { return n.op->name == op; });
}

TEST(Paths, loops_add_their_index_and_branches_their_number) {
  const ElaboratedNetwork net = elaborate_text(R"(
network n {
    input image: [3, 8, 8]
    stage: for s, count in [1, 2] {
        for i in 0..count { conv(4 * 2**s, 3x3) }
    }
    inception {
        branch { conv(4, 1x1) }
        branch pool: { conv(4, 1x1) }
    }
    residual(shortcut = project) { conv(6, 1x1) }
    global_avg_pool
    output y
})");
  EXPECT_EQ(paths(net),
            "stage.0.0.conv0.weight stage.1.0.conv0.weight stage.1.1.conv0.weight branch0.conv0.weight pool.conv0.weight "
            "conv0.weight shortcut.conv.weight shortcut.bn.weight shortcut.bn.bias shortcut.bn.running_mean "
            "shortcut.bn.running_var");
}

TEST(Paths, adding_a_relu_renames_nothing) {
  const char* kWithout = "network n {\n input image: [3, 8, 8]\n conv(4, 3x3)\n conv(4, 3x3)\n output y\n}\n";
  const char* kWith = "network n {\n input image: [3, 8, 8]\n conv(4, 3x3); relu\n conv(4, 3x3)\n output y\n}\n";
  EXPECT_EQ(paths(elaborate_text(kWithout)), paths(elaborate_text(kWith)));
}

TEST(Share, uses_one_set_of_parameters_and_updates_statistics_in_order) {
  const ElaboratedNetwork net = elaborate_text(R"(
block embed(width: int) { conv_bn(width, 3x3); global_avg_pool }
network n {
    input left: [3, 8, 8]
    input right: [3, 8, 8]
    share tower = embed(4)
    left -> tower as a
    right -> tower as b
    [a, b] -> concat
    linear(2)
    output logits
})", {.purpose = Purpose::train, .batch = 2});
  EXPECT_EQ(paths(net), "tower.conv_bn0.conv.weight tower.conv_bn0.bn.weight tower.conv_bn0.bn.bias "
                        "tower.conv_bn0.bn.running_mean tower.conv_bn0.bn.running_var linear0.weight linear0.bias");
  ASSERT_EQ(count_ops(net, "batch_norm"), 2);
  // The second use starts from the statistics that the first one made; the state becomes the second's.
  std::vector<const Node*> norms;
  for (const Node& node : net.graph.nodes)
    if (node.op->name == "batch_norm") norms.push_back(&node);
  EXPECT_EQ(norms[1]->inputs[3], norms[0]->outputs[1]);
  ASSERT_EQ(net.graph.updates.size(), 2u);
  EXPECT_EQ(net.graph.updates[0].value, norms[1]->outputs[1]);
}

TEST(Residual, pads_channels_scales_and_drops_paths) {
  const ElaboratedNetwork net = elaborate_text(R"(
network n {
    input image: [3, 8, 8]
    conv(4, 3x3)
    residual(shortcut = pad, scale = 0.5, drop_path = 10%) { conv(8, 3x3, stride = 2) }
    global_avg_pool
    linear(2)
    output logits
})", {.purpose = Purpose::train, .batch = 2});
  EXPECT_EQ(count_ops(net, "slice"), 1);
  EXPECT_EQ(count_ops(net, "pad"), 1);
  EXPECT_EQ(count_ops(net, "dropout"), 1);
  EXPECT_EQ(parameter_count(net), 4 * 3 * 9 + 8 * 4 * 9 + 8 * 2 + 2);
}

TEST(AuxHead, is_trained_and_stripped_from_inference) {
  const char* kText = R"(
network n {
    input image: [3, 8, 8]
    conv(4, 3x3)
    aux_head side(weight = 0.3) { global_avg_pool; linear(2) }
    conv(4, 3x3)
    global_avg_pool
    linear(2)
    output logits
})";
  const ElaboratedNetwork training = elaborate_text(kText, {.purpose = Purpose::train, .batch = 2});
  EXPECT_EQ(training.aux_heads.size(), 1u);
  EXPECT_EQ(count_ops(training, "cross_entropy"), 2);
  EXPECT_EQ(parameter_count(training) - parameter_count(elaborate_text(kText)), 10);
}

TEST(BlockParameters, take_blocks_with_arguments_given) {
  const ElaboratedNetwork net = elaborate_text(R"(
block grouped(width: int, groups: int = 1) { conv(width, 3x3, groups = groups) }
block twice(unit: block(width: int)) { unit(8); relu; unit(16) }
network n {
    input image: [4, 8, 8]
    twice(grouped with (groups = 2))
    output y
})");
  EXPECT_EQ(paths(net), "twice0.unit0.conv0.weight twice0.unit1.conv0.weight");
  EXPECT_EQ(parameter_count(net), 8 * 2 * 9 + 16 * 4 * 9);
}

TEST(Expressions, follow_the_rules_of_arithmetic) {
  const ElaboratedNetwork net = elaborate_text(R"(
let widths = [2, 2 ** 2, 16 / 2]
network n {
    input image: [3, 8, 8]
    for i, w in widths {
        if i == 0 or w > 4 { conv(max(w, 3), 1x1) } else { conv(mod(w, 3) + div(7, 2), size(1, 1)) }
    }
    require block_input.channels == 3 and image.width == 8, "the input is an image"
    output y
})");
  EXPECT_EQ(to_string(net.graph.type(net.outputs[0].value)), "f32[1, 8, 8, 8]");
  EXPECT_EQ(parameter_count(net), 3 * 3 + 3 * 4 + 4 * 8);
}

TEST(Inputs, of_bytes_are_normalised_in_the_graph) {
  Project project;
  DiagnosticSink sink;
  project.load_text("t.net", R"(
network tiny(classes: int = 10) {
    input image: [3, 32, 32]
    global_avg_pool
    fc: linear(classes)
    output logits
}
dataset cifar { train = cifar10("data_batch_*.bin"); test = cifar10("test_batch.bin"); normalize = imagenet }
train run = tiny on cifar {
    optimizer = sgd(momentum = 0.9)
    schedule = [warmup(2epochs), cosine(peak = 0.1)]
    augment = [crop(32x32, pad = 4), flip(horizontal)]
    batch = 8
    epochs = 2
    seed = 3
}
)", sink);
  const std::optional<Recipe> recipe = resolve_recipe(project, "t.net:run", sink);
  ASSERT_TRUE(recipe);
  EXPECT_EQ(recipe->network, "tiny");
  EXPECT_EQ(recipe->seed, 3u);
  EXPECT_EQ(recipe->schedule.warmup.count, 2);
  EXPECT_EQ(recipe->augment.size(), 2u);
  const auto training = elaborate(project, "t.net:run", {.purpose = Purpose::train, .batch = 8}, sink);
  ASSERT_TRUE(training);
  std::set<std::string> names;
  for (const GraphInput& input : training->graph.inputs) names.insert(input.name);
  EXPECT_EQ(names, (std::set<std::string>{"affine", "image", "label"}));
  EXPECT_EQ(training->inputs[0].dtype, DType::u8);
  const auto evaluation = elaborate(project, "t.net:run", {.purpose = Purpose::eval, .batch = 4}, sink);
  ASSERT_TRUE(evaluation);
  EXPECT_EQ(evaluation->graph.inputs.size(), 2u);
  EXPECT_TRUE(evaluation->graph.output("top5").valid());
  EXPECT_EQ(paths(*evaluation), paths(*training));
}

TEST(NamesMap, translates_one_to_one) {
  Project project;
  DiagnosticSink sink;
  const std::optional<NamesMap> map = resolve_names_map(project, "std.names:torchvision_resnet", sink);
  ASSERT_TRUE(map);
  EXPECT_EQ(map_name(*map, "stem.conv.weight"), "conv1.weight");
  EXPECT_EQ(map_name(*map, "stage.2.1.bottleneck0.conv_bn2.bn.running_var"), "layer3.1.bn3.running_var");
  EXPECT_EQ(map_name(*map, "stage.0.0.basic0.shortcut.conv.weight"), "layer1.0.downsample.0.weight");
  EXPECT_EQ(map_name(*map, "head.weight"), std::nullopt);
  EXPECT_TRUE(glob_matches("**.num_batches_tracked", "layer1.0.bn1.num_batches_tracked"));
  EXPECT_FALSE(glob_matches("fc.*", "fc.a.b"));
}

TEST(NamesMap, covers_every_parameter_of_its_networks_without_clashes) {
  const std::pair<const char*, const char*> cases[] = {
      {"std.resnet:resnet18", "std.names:torchvision_resnet"},    {"std.resnet:resnet50", "std.names:torchvision_resnet"},
      {"std.googlenet:googlenet", "std.names:torchvision_googlenet"}, {"std.vgg:vgg11", "std.names:torchvision_vgg11"},
      {"std.vgg:vgg16", "std.names:torchvision_vgg16"}};
  for (const auto& [network, names] : cases) {
    const ElaboratedNetwork net = elaborate_reference(network, {.purpose = Purpose::train, .batch = 2});
    Project project;
    DiagnosticSink sink;
    const std::optional<NamesMap> map = resolve_names_map(project, names, sink);
    ASSERT_TRUE(map) << names;
    std::set<std::string> seen;
    for (const StateVariable& state : net.graph.states) {
      const std::optional<std::string> name = map_name(*map, state.path);
      ASSERT_TRUE(name) << state.path;
      EXPECT_TRUE(seen.insert(*name).second) << *name;
    }
  }
}

TEST(LayerTree, follows_the_text) {
  const ElaboratedNetwork net = elaborate_text(R"(
network n {
    input image: [3, 8, 8]
    stem: conv_bn_relu(4, 3x3)
    residual { conv(4, 3x3) }
    output y
})");
  std::string text;
  for (const LayerNode& layer : net.layers) text += layer.name + "<" + std::to_string(layer.parent) + " ";
  EXPECT_EQ(text, "n<-1 conv_bn_relu<0 conv<1 batch_norm<1 relu<1 residual<0 conv<5 ");
  EXPECT_EQ(net.layers[2].kind, LayerNode::Kind::layer);
  EXPECT_EQ(net.layers[1].kind, LayerNode::Kind::block);
  EXPECT_EQ(net.layers[2].path, "stem.conv");
}

}  // namespace
}  // namespace netc
