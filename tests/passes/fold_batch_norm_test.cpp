// Folding batch norm and hoisting what it computes: the same results, and nothing of it left in the run.
#include "compiler/passes/fold_batch_norm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "compiler/interpret/interpret.h"
#include "compiler/ops/build.h"
#include "compiler/ops/registry.h"
#include "compiler/passes/hoist.h"
#include "compiler/passes/pipeline.h"

namespace netc {
namespace {

struct Net {
  Builder b;
  std::map<std::string, HostTensor> states;
  std::mt19937 random{3};

  HostTensor draw(const Shape& shape, double low, double high) {
    HostTensor tensor{shape, std::vector<double>(static_cast<size_t>(element_count(shape)))};
    for (double& value : tensor.data) value = std::uniform_real_distribution<double>(low, high)(random);
    return tensor;
  }
  ValueId state(const std::string& path, const Shape& shape, double low = -1, double high = 1) {
    states[path] = draw(shape, low, high);
    return b.add_state({path, {DType::f32, shape}, StateKind::parameter, {}});
  }
  ValueId norm(const std::string& path, ValueId x) {
    b.set_origin({path, {}, {}});
    Shape c{b.type(x).shape[1]};
    return b.emit(op("batch_norm_inference"), {x, state(path + ".weight", c), state(path + ".bias", c), state(path + ".mean", c),
                                              state(path + ".variance", c, 0.3, 2)});
  }
  ValueId conv(const std::string& path, ValueId x, int64_t filters, int64_t groups, bool bias) {
    b.set_origin({path, {}, {}});
    Shape weight{filters, b.type(x).shape[1] / groups, 3, 3};
    ValueId w = state(path + ".weight", weight);
    return b.emit(op("convolution"), {x, w, bias ? state(path + ".bias", {filters}) : ValueId{}},
                  {{"pad_h", int64_t{1}}, {"pad_w", int64_t{1}}, {"groups", groups}});
  }
};

int count(const Graph& graph, const std::string& name) {
  int n = 0;
  for (const Node& node : graph.nodes) n += node.op->name == name;
  return n;
}

void expect_near(const HostTensor& a, const HostTensor& b) {
  ASSERT_EQ(a.shape, b.shape);
  for (size_t i = 0; i < a.data.size(); ++i) ASSERT_NEAR(a.data[i], b.data[i], 1e-10 * std::max(1.0, std::abs(a.data[i])));
}

// conv + bn + relu, grouped conv with bias + bn, global pooling, linear + bn.
Graph network(Net& net) {
  ValueId x = net.b.add_input("image", {DType::f32, {2, 3, 5, 5}});
  x = build::relu(net.b, net.norm("bn0", net.conv("conv0", x, 4, 1, false)));
  x = net.norm("bn1", net.conv("conv1", x, 6, 2, true));
  x = build::reduce_mean(net.b, x, {2, 3});
  net.b.set_origin({"fc", {}, {}});
  x = net.b.emit(op("linear"), {x, net.state("fc.weight", {3, 6}), net.state("fc.bias", {3})});
  net.b.add_output("logits", net.norm("bn2", x));
  return net.b.finish();
}

TEST(FoldBatchNorm, IntoConvolutionAndLinear) {
  Net net;
  Graph graph = network(net);
  Graph folded = optimize(fold_batch_norm(graph));
  EXPECT_EQ(count(graph, "batch_norm_inference"), 3);
  EXPECT_EQ(count(folded, "channel_affine"), 0);
  EXPECT_EQ(count(folded, "correlation"), 2);
  InterpretInputs in;
  in.inputs["image"] = net.draw({2, 3, 5, 5}, -1, 1);
  in.states = net.states;
  expect_near(interpret(graph, in).outputs["logits"], interpret(folded, in).outputs["logits"]);
}

TEST(FoldBatchNorm, LeavesLayersThatSomethingElseReads) {
  Net net;
  ValueId x = net.b.add_input("image", {DType::f32, {1, 2, 4, 4}});
  ValueId y = net.conv("conv", x, 2, 1, false);
  net.b.add_output("sum", build::add(net.b, y, net.norm("bn", y)));
  Graph graph = net.b.finish();
  EXPECT_EQ(count(fold_batch_norm(graph), "batch_norm_inference"), 1);
}

TEST(FoldBatchNorm, LeavesOtherProducers) {
  Net net;
  ValueId x = net.b.add_input("image", {DType::f32, {1, 2, 4, 4}});
  net.b.add_output("y", net.norm("bn", build::relu(net.b, x)));
  Graph graph = net.b.finish();
  EXPECT_EQ(count(fold_batch_norm(graph), "batch_norm_inference"), 1);
}

TEST(Hoist, PreparesFoldedWeightsOnce) {
  Net net;
  Graph graph = network(net);
  HoistedGraph hoisted = hoist_preparation(optimize(fold_batch_norm(graph)));
  EXPECT_EQ(count(hoisted.main, "rsqrt"), 0);
  EXPECT_EQ(count(hoisted.main, "mul"), 0);
  EXPECT_EQ(count(hoisted.prepare, "rsqrt"), 3);
  std::vector<std::string> prepared;
  for (size_t i = graph.states.size(); i < hoisted.main.states.size(); ++i) prepared.push_back(hoisted.main.states[i].path);
  std::sort(prepared.begin(), prepared.end());
  EXPECT_EQ(prepared, (std::vector<std::string>{"prepared/conv0", "prepared/conv0#1", "prepared/conv1", "prepared/conv1#1",
                                               "prepared/fc", "prepared/fc#1"}));

  InterpretInputs in;
  in.states = net.states;
  for (const StateVariable& state : hoisted.main.states)
    if (!in.states.count(state.path)) in.states[state.path] = net.draw(state.type.shape, 0, 0);
  InterpretInputs run;
  run.states = interpret(hoisted.prepare, in).states;
  run.inputs["image"] = in.inputs["image"] = net.draw({2, 3, 5, 5}, -1, 1);
  in.states = net.states;
  expect_near(interpret(graph, in).outputs["logits"], interpret(hoisted.main, run).outputs["logits"]);
}

TEST(Hoist, KeepsViewsRandomDrawsAndWhatTheRunUpdates) {
  Net net;
  ValueId x = net.b.add_input("x", {DType::f32, {2, 3}});
  ValueId bias = build::reshape(net.b, net.state("bias", {3}), {1, 3});  // a view
  ValueId moving = net.state("moving", {2, 3});
  ValueId next = build::mul(net.b, moving, 2);  // of a state that the run updates
  net.b.add_update(static_cast<int32_t>(net.b.graph().states.size()) - 1, next);
  ValueId draw = net.b.emit(op("dropout"), {net.state("w", {2, 3})}, {{"p", 0.5}, {"path", std::string("d")}});
  net.b.add_output("y", build::add(net.b, build::add(net.b, x, bias), build::add(net.b, draw, next)));
  Graph graph = net.b.finish();
  HoistedGraph hoisted = hoist_preparation(graph);
  EXPECT_EQ(hoisted.prepare.nodes.size(), 0u);
  EXPECT_EQ(to_string(hoisted.main), to_string(graph));
}

TEST(Hoist, KeepsTheSignature) {
  Net net;
  net.b.add_input("unused", {DType::f32, {2}});
  net.b.add_output("y", build::mul(net.b, net.state("w", {2}), 3));
  HoistedGraph hoisted = hoist_preparation(net.b.finish());
  EXPECT_EQ(hoisted.main.inputs.size(), 1u);
  EXPECT_EQ(hoisted.main.outputs.size(), 1u);
  EXPECT_EQ(hoisted.prepare.updates.size(), 1u);
}

}  // namespace
}  // namespace netc
