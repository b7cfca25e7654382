#include "compiler/api/layer_values.h"

#include <algorithm>

namespace netc {
namespace {

bool computes_something(LayerNode::Kind kind) {
  switch (kind) {
    case LayerNode::Kind::layer:
    case LayerNode::Kind::residual:
    case LayerNode::Kind::inception: return true;
    case LayerNode::Kind::network:
    case LayerNode::Kind::block:
    case LayerNode::Kind::shortcut:
    case LayerNode::Kind::branch:
    case LayerNode::Kind::aux_head:
    case LayerNode::Kind::loop: return false;
  }
  return false;
}

}  // namespace

std::vector<LayerValue> layer_values(const ElaboratedNetwork& network) {
  const Graph& graph = network.graph;
  std::vector<LayerValue> values;
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const LayerNode& layer = network.layers[i];
    if (!computes_something(layer.kind)) continue;
    // Behind the result there may be others, of running statistics: the last of the layer's shape is it.
    for (int32_t n = layer.last_node; n-- > layer.first_node;) {
      const Node& node = graph.nodes[static_cast<size_t>(n)];
      if (node.outputs.empty()) continue;
      const Shape& shape = graph.type(node.outputs[0]).shape;
      if (shape.empty() || Shape(shape.begin() + 1, shape.end()) != layer.output) continue;
      values.push_back({static_cast<int32_t>(i), node.outputs[0]});
      break;
    }
  }
  std::stable_sort(values.begin(), values.end(), [](const LayerValue& a, const LayerValue& b) { return a.value.index < b.value.index; });
  return values;
}

void expose(ElaboratedNetwork& network, const std::vector<LayerValue>& values, const std::string& prefix) {
  for (size_t i = 0; i < values.size(); ++i) network.graph.outputs.push_back({prefix + std::to_string(i), values[i].value});
}

std::string source_of(const Project& project, const LayerNode& layer) {
  const Span span = layer.origin.span;
  if (!span.valid()) return {};
  return project.sources().file(span.file).path + ":" + std::to_string(project.sources().position(span.file, span.begin).line);
}

}  // namespace netc
