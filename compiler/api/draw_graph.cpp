#include "compiler/api/draw_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "compiler/ir/op_def.h"

namespace netc {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    out += c;
  }
  return out + "\"";
}

bool is_frame(LayerNode::Kind kind) {
  switch (kind) {
    case LayerNode::Kind::layer: return false;
    case LayerNode::Kind::network:
    case LayerNode::Kind::block:
    case LayerNode::Kind::residual:
    case LayerNode::Kind::shortcut:
    case LayerNode::Kind::inception:
    case LayerNode::Kind::branch:
    case LayerNode::Kind::aux_head:
    case LayerNode::Kind::loop: return true;
  }
  return true;
}

// Which constructs get a frame of their own, and how it looks. Blocks and loops group silently.
const char* frame_style(LayerNode::Kind kind) {
  switch (kind) {
    case LayerNode::Kind::residual: return "color=\"#2b6cb0\" fillcolor=\"#ebf4ff\"";
    case LayerNode::Kind::inception: return "color=\"#b7791f\" fillcolor=\"#fffaeb\"";
    case LayerNode::Kind::aux_head: return "color=\"#718096\" fillcolor=\"#f7fafc\"";
    case LayerNode::Kind::network:
    case LayerNode::Kind::block:
    case LayerNode::Kind::shortcut:
    case LayerNode::Kind::branch:
    case LayerNode::Kind::loop:
    case LayerNode::Kind::layer: return nullptr;
  }
  return nullptr;
}

class Drawing {
 public:
  explicit Drawing(const ElaboratedNetwork& network) : network_(network) {
    children_.resize(network.layers.size());
    for (size_t i = 1; i < network.layers.size(); ++i)
      children_[static_cast<size_t>(std::max(0, network.layers[i].parent))].push_back(i);
    owner_.assign(network.graph.nodes.size(), -1);
    for (size_t i = 0; i < network.layers.size(); ++i)
      for (int32_t n = network.layers[i].first_node; n < network.layers[i].last_node; ++n)
        owner_[static_cast<size_t>(n)] = static_cast<int32_t>(i);
    for (size_t n = 0; n < owner_.size(); ++n)
      if (owner_[n] >= 0 && !network.graph.nodes[n].op->leaf) working_.insert(shown(owner_[n]));
  }

  std::string text() {
    out_ = fmt::format("digraph {} {{\n", quoted(network_.name));
    out_ +=
        "  graph [fontname=\"Helvetica\" fontsize=11 style=\"rounded,filled\" ranksep=0.28 nodesep=0.25]\n"
        "  node [shape=box style=\"rounded,filled\" fillcolor=white color=\"#4a5568\" fontname=\"Helvetica\" fontsize=10 "
        "height=0.3]\n"
        "  edge [color=\"#4a5568\" arrowsize=0.6 fontname=\"Helvetica\" fontsize=8 fontcolor=\"#718096\"]\n";
    for (const InputInfo& input : network_.inputs)
      out_ += fmt::format("  {} [label={} shape=ellipse]\n", quoted("in " + input.name),
                          quoted(input.name + "\n" + to_string(input.shape)));
    if (!network_.layers.empty()) frame(0, 1);
    edges();
    out_ += "}\n";
    return out_;
  }

 private:
  void indent(int depth) { out_.append(static_cast<size_t>(2 * depth), ' '); }

  void frame(size_t layer, int depth) {
    const LayerNode& node = network_.layers[layer];
    const char* style = frame_style(node.kind);
    if (style) {
      indent(depth);
      out_ += fmt::format("subgraph cluster_{} {{\n", layer);
      indent(++depth);
      out_ += fmt::format("label={} {}\n", quoted(node.path.empty() ? node.name : node.name + "  " + node.path), style);
    }
    for (size_t child : children_[layer]) {
      if (is_frame(network_.layers[child].kind))
        frame(child, depth);
      else
        box(child, depth);
    }
    // What the construct itself computes: the sum of a residual, the concatenation of an inception.
    if (style && owns_nodes(layer)) {
      indent(depth);
      out_ += fmt::format("l{} [label={} shape=circle width=0.3 fixedsize=true]\n", layer,
                          quoted(node.kind == LayerNode::Kind::residual ? "+" : "||"));
    }
    if (style) {
      indent(depth - 1);
      out_ += "}\n";
    }
  }

  void box(size_t layer, int depth) {
    const LayerNode& node = network_.layers[layer];
    if (!owns_nodes(layer)) return;
    indent(depth);
    std::string label = node.text.empty() ? node.name : node.text;
    label += "\n" + to_string(node.output);
    out_ += fmt::format("l{} [label={} tooltip={}]\n", layer, quoted(label), quoted(node.path));
  }

  // A layer and what lies within it are one box.
  int32_t shown(int32_t layer) const {
    int32_t result = layer;
    for (int32_t l = layer; l > 0; l = network_.layers[static_cast<size_t>(l)].parent)
      if (!is_frame(network_.layers[static_cast<size_t>(l)].kind)) result = l;
    return result;
  }

  bool owns_nodes(size_t layer) const { return working_.count(static_cast<int32_t>(layer)) > 0; }

  std::string name_of(ValueId value) const {
    const Graph& graph = network_.graph;
    const Node& producer = graph.producer(value);
    for (const InputInfo& input : network_.inputs)
      for (const GraphInput& graph_input : graph.inputs)
        if (graph_input.name == input.name && graph_input.value == value) return quoted("in " + input.name);
    if (producer.op->leaf) return {};
    const int32_t owner = owner_[static_cast<size_t>(graph.value(value).producer.index)];
    if (owner >= 0) {
      const size_t box = static_cast<size_t>(shown(owner));
      const LayerNode::Kind kind = network_.layers[box].kind;
      if (!is_frame(kind) || frame_style(kind)) return fmt::format("l{}", box);
    }
    // Normalisation of the input and the like: drawn as what it was made from.
    for (ValueId input : producer.inputs)
      if (input.valid())
        if (std::string name = name_of(input); !name.empty()) return name;
    return {};
  }

  void edges() {
    const Graph& graph = network_.graph;
    std::set<std::pair<std::string, std::string>> drawn;
    const auto edge = [&](const std::string& from, const std::string& to) {
      if (!from.empty() && !to.empty() && from != to && drawn.insert({from, to}).second)
        out_ += fmt::format("  {} -> {}\n", from, to);
    };
    for (const Node& node : graph.nodes)
      if (!node.op->leaf)
        for (ValueId input : node.inputs)
          if (input.valid()) edge(name_of(input), name_of(node.outputs[0]));
    for (const GraphOutput& output : network_.outputs) {
      const std::string name = quoted("out " + output.name);
      out_ += fmt::format("  {} [label={} shape=ellipse]\n", name, quoted(output.name));
      edge(name_of(output.value), name);
    }
  }

  const ElaboratedNetwork& network_;
  std::vector<std::vector<size_t>> children_;
  std::vector<int32_t> owner_;  // of each graph node: the innermost layer
  std::set<int32_t> working_;   // layers that compute something themselves
  std::string out_;
};

}  // namespace

std::string draw_graph(const ElaboratedNetwork& network) { return Drawing(network).text(); }

}  // namespace netc
