#include "compiler/passes/fold_batch_norm.h"

#include "compiler/ir/op_def.h"
#include "compiler/ops/build.h"
#include "compiler/ops/registry.h"

namespace netc {
namespace {

std::vector<int> count_uses(const Graph& graph) {
  std::vector<int> uses(graph.values.size(), 0);
  auto use = [&](ValueId value) {
    if (value.valid()) ++uses[static_cast<size_t>(value.index)];
  };
  for (const Node& node : graph.nodes)
    for (ValueId input : node.inputs) use(input);
  for (const GraphOutput& output : graph.outputs) use(output.value);
  for (const StateUpdate& update : graph.updates) use(update.value);
  return uses;
}

// The layer of a batch norm that can take it in, or nullptr.
const Node* foldable_layer(const Graph& graph, const Node& norm, const std::vector<int>& uses) {
  if (norm.op != &op("batch_norm_inference")) return nullptr;
  const Node& layer = graph.producer(norm.inputs[0]);
  bool takes_scale = layer.op == &op("convolution") || layer.op == &op("linear");
  bool only_reader = uses[static_cast<size_t>(norm.inputs[0].index)] == 1;
  bool is_f32 = graph.type(norm.inputs[0]).dtype == DType::f32;
  return takes_scale && only_reader && is_f32 ? &layer : nullptr;
}

}  // namespace

Graph fold_batch_norm(const Graph& graph) {
  const std::vector<int> uses = count_uses(graph);
  return rewrite(graph, [&](Builder& b, const Node& norm, const std::vector<ValueId>& inputs) -> std::vector<ValueId> {
    const Node* old_layer = foldable_layer(graph, norm, uses);
    if (!old_layer) return {};
    const Node layer = b.graph().producer(inputs[0]);  // its copy in the new graph, dead from now on
    ValueId weight = layer.inputs[1], bias = layer.inputs[2];
    b.set_origin(layer.origin);
    ValueId gamma = inputs[1], beta = inputs[2], mean = inputs[3], variance = inputs[4];

    ValueId scale = build::mul(b, gamma, build::rsqrt(b, build::add(b, variance, norm.attrs.real("epsilon"))));
    Shape per_filter(b.type(weight).shape.size(), 1);
    per_filter[0] = b.type(weight).shape[0];
    ValueId centre = bias.valid() ? build::sub(b, bias, mean) : build::neg(b, mean);
    ValueId new_bias = build::add(b, build::mul(b, centre, scale), beta);
    ValueId new_weight = build::mul(b, weight, build::reshape(b, scale, per_filter));
    return {b.emit(*layer.op, {layer.inputs[0], new_weight, new_bias}, layer.attrs)};
  });
}

}  // namespace netc
