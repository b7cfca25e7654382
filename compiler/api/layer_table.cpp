#include "compiler/api/layer_table.h"

#include <algorithm>
#include <set>

#include "compiler/ir/op_def.h"

namespace netc {
namespace {

// Of contractions; a composite operator counts as what it decomposes into.
int64_t flops_of(const Graph& graph, const Node& node) {
  if (node.op->contract) return 2 * node.op->contract(make_call(graph, node)).multiply_adds();
  if (!node.op->decompose) return 0;
  Builder parts;
  std::vector<ValueId> inputs;
  for (ValueId input : node.inputs)
    inputs.push_back(input.valid() ? parts.add_input("in" + std::to_string(inputs.size()), graph.type(input)) : ValueId{});
  node.op->decompose(parts, node.attrs, inputs);
  return forward_flops(parts.graph());
}

// Along one axis: an element sees `field` inputs, and neighbours are `jump` inputs apart.
struct AxisView {
  int64_t field = 1, jump = 1;
  bool everything = false;
};
struct View {
  AxisView height, width;
};

AxisView through_window(AxisView view, int64_t window, int64_t stride, int64_t dilation) {
  view.field += (window - 1) * dilation * view.jump;
  view.jump *= stride;
  return view;
}

AxisView join(AxisView a, AxisView b) {
  return {std::max(a.field, b.field), std::max(a.jump, b.jump), a.everything || b.everything};
}

int64_t integer_or(const Attrs& attrs, const std::string& name, int64_t fallback) {
  return attrs.has(name) ? attrs.integer(name) : fallback;
}

class FieldAnalysis {
 public:
  explicit FieldAnalysis(const Graph& graph) : graph_(graph), views_(graph.values.size()) {
    for (const Node& node : graph.nodes) visit(node);
  }

  ReceptiveField at(ValueId id) const {
    const View& view = views_[static_cast<size_t>(id.index)];
    return {view.height.everything ? 0 : view.height.field, view.width.everything ? 0 : view.width.field};
  }

 private:
  bool is_image(ValueId id) const { return graph_.type(id).shape.size() == 4; }

  void visit(const Node& node) {
    View view;
    for (ValueId input : node.inputs) {
      if (!input.valid()) continue;
      const View& of_input = views_[static_cast<size_t>(input.index)];
      view = {join(view.height, of_input.height), join(view.width, of_input.width)};
    }
    const Attrs& attrs = node.attrs;
    if (node.op->name == "convolution") {
      const Shape& weight = graph_.type(node.inputs[1]).shape;
      view.height = through_window(view.height, weight[2], attrs.integer("stride_h"), attrs.integer("dilation_h"));
      view.width = through_window(view.width, weight[3], attrs.integer("stride_w"), attrs.integer("dilation_w"));
    } else if (attrs.has("window_h") && attrs.has("window_w")) {
      view.height = through_window(view.height, attrs.integer("window_h"), attrs.integer("stride_h"),
                                   integer_or(attrs, "dilation_h", 1));
      view.width = through_window(view.width, attrs.integer("window_w"), attrs.integer("stride_w"),
                                  integer_or(attrs, "dilation_w", 1));
    } else if (mixes_all_pixels(node)) {
      view.height.everything = view.width.everything = true;
    }
    for (ValueId output : node.outputs) views_[static_cast<size_t>(output.index)] = view;
  }

  // From an image to something without pixels, or to fewer of them at fixed places.
  bool mixes_all_pixels(const Node& node) const {
    if (node.inputs.empty() || !node.inputs[0].valid() || !is_image(node.inputs[0])) return false;
    return !is_image(node.outputs[0]) || node.op->name.rfind("adaptive_", 0) == 0 || node.op->name.rfind("reduce_", 0) == 0;
  }

  const Graph& graph_;
  std::vector<View> views_;
};

}  // namespace

namespace {

bool is_frozen(const ElaboratedNetwork& network, const StateVariable& state) { return network.frozen.count(state.path) > 0; }

}  // namespace

int64_t parameter_count(const ElaboratedNetwork& network) {
  int64_t count = 0;
  for (const StateVariable& state : network.graph.states)
    if (state.kind == StateKind::parameter || is_frozen(network, state)) count += state.type.elements();
  return count;
}

int64_t frozen_count(const ElaboratedNetwork& network) {
  int64_t count = 0;
  for (const StateVariable& state : network.graph.states)
    if (is_frozen(network, state)) count += state.type.elements();
  return count;
}

int64_t forward_flops(const Graph& graph) {
  int64_t flops = 0;
  for (const Node& node : graph.nodes) flops += flops_of(graph, node);
  return flops;
}

std::vector<LayerRow> layer_table(const ElaboratedNetwork& network) {
  const Graph& graph = network.graph;
  const FieldAnalysis fields(graph);
  std::vector<LayerRow> rows(network.layers.size());
  std::set<int64_t> counted;  // states, so that what is shared counts where it is first used

  for (size_t i = 0; i < rows.size(); ++i) {
    const LayerNode& layer = network.layers[i];
    LayerRow& row = rows[i];
    row.layer = static_cast<int32_t>(i);
    row.depth = layer.parent < 0 ? 0 : rows[static_cast<size_t>(layer.parent)].depth + 1;
    if (layer.last_node > layer.first_node) {
      const Node& last = graph.nodes[static_cast<size_t>(layer.last_node) - 1];
      if (!last.outputs.empty()) row.field = fields.at(last.outputs[0]);
    }
  }

  // A node belongs to the innermost layer whose range holds it: ranges nest, children come later.
  std::vector<int32_t> owner(graph.nodes.size(), -1);
  for (size_t i = 0; i < rows.size(); ++i)
    for (int32_t n = network.layers[i].first_node; n < network.layers[i].last_node; ++n)
      owner[static_cast<size_t>(n)] = static_cast<int32_t>(i);

  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (owner[n] < 0) continue;
    const Node& node = graph.nodes[n];
    int64_t parameters = 0;
    if (node.op == &state_op()) {
      const int64_t index = node.attrs.integer("index");
      const StateVariable& state = graph.states[static_cast<size_t>(index)];
      if ((state.kind == StateKind::parameter || is_frozen(network, state)) && counted.insert(index).second) parameters = state.type.elements();
    }
    const int64_t flops = flops_of(graph, node);
    for (int32_t l = owner[n]; l >= 0; l = network.layers[static_cast<size_t>(l)].parent) {
      rows[static_cast<size_t>(l)].parameters += parameters;
      rows[static_cast<size_t>(l)].flops += flops;
    }
  }
  return rows;
}

}  // namespace netc
