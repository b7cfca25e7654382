#include "compiler/passes/hoist.h"

#include <set>

#include "compiler/base/error.h"
#include "compiler/ir/op_def.h"

namespace netc {
namespace {

bool is_leaf(const Node& node) { return node.op->leaf; }
bool is_view(const Node& node) { return node.op->name == "reshape" || node.op->name == "broadcast"; }

// Whether a node's result may differ from run to run though its inputs do not.
bool reads_the_run(const Graph& graph, const Node& node) {
  if (!node.op->scalar) return false;
  LoopNest nest = node.op->scalar(make_call(graph, node));
  for (ExprId id = 0; id < nest.dag.size(); ++id) {
    ExprKind kind = nest.dag[id].kind;
    if (kind == ExprKind::index_scalar || kind == ExprKind::real_scalar || kind == ExprKind::uniform) return true;
  }
  return false;
}

class Hoisting {
 public:
  explicit Hoisting(const Graph& graph)
      : graph_(graph), fixed_(fixed_values(graph)), in_main_(graph.nodes.size(), false),
        in_prepare_(graph.nodes.size(), false), is_boundary_(graph.values.size(), false) {
    divide();
  }

  HoistedGraph run() {
    Builder prepare, main;
    std::vector<ValueId> prepared(graph_.values.size()), mapped(graph_.values.size());
    for (const StateVariable& state : graph_.states) {
      prepare.declare_state(state);
      main.declare_state(state);
    }
    std::set<std::string> paths;
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      const Node& node = graph_.nodes[n];
      if (in_prepare_[n]) copy(prepare, node, prepared);
      for (ValueId output : node.outputs) {
        if (!is_boundary_[at(output)]) continue;
        StateVariable variable{path_for(node.origin.path, paths), graph_.type(output), StateKind::prepared, {}};
        int32_t state = prepare.declare_state(variable);
        NETC_CHECK(main.declare_state(variable) == state, "prepared states are declared alike");
        prepare.add_update(state, prepared[at(output)]);
        main.set_origin(node.origin);
        mapped[at(output)] = main.read_state(state);
      }
      if (in_main_[n]) copy(main, node, mapped);
    }
    for (const GraphOutput& output : graph_.outputs) main.add_output(output.name, mapped[at(output.value)]);
    for (const StateUpdate& update : graph_.updates) main.add_update(update.state, mapped[at(update.value)]);
    return {prepare.finish(), main.finish()};
  }

 private:
  static size_t at(ValueId value) { return static_cast<size_t>(value.index); }

  // Backwards: what `main` computes, the boundary, and what `prepare` needs for it.
  void divide() {
    std::vector<bool> for_main(graph_.values.size(), false), for_prepare(graph_.values.size(), false);
    auto need = [](std::vector<bool>& needed, const std::vector<ValueId>& values) {
      for (ValueId value : values)
        if (value.valid()) needed[at(value)] = true;
    };
    for (const GraphOutput& output : graph_.outputs) for_main[at(output.value)] = true;
    for (const StateUpdate& update : graph_.updates) for_main[at(update.value)] = true;
    for (size_t n = graph_.nodes.size(); n-- > 0;) {
      const Node& node = graph_.nodes[n];
      bool hoisted = !is_leaf(node) && !is_view(node) && fixed_[at(node.outputs[0])];
      for (ValueId output : node.outputs) {
        if (!for_main[at(output)]) continue;
        if (hoisted)
          is_boundary_[at(output)] = for_prepare[at(output)] = true;
        else
          in_main_[n] = true;
      }
      if (node.op == &input_op()) in_main_[n] = true;  // the signature stays
      if (in_main_[n]) need(for_main, node.inputs);
      for (ValueId output : node.outputs) in_prepare_[n] = in_prepare_[n] || for_prepare[at(output)];
      if (in_prepare_[n]) need(for_prepare, node.inputs);
    }
  }

  void copy(Builder& builder, const Node& node, std::vector<ValueId>& map) {
    builder.set_origin(node.origin);
    std::vector<ValueId> inputs, outputs;
    for (ValueId input : node.inputs) inputs.push_back(input.valid() ? map[at(input)] : ValueId{});
    if (node.op == &input_op())
      outputs = {builder.add_input(node.attrs.text("name"), graph_.type(node.outputs[0]))};
    else if (node.op == &state_op())
      outputs = {builder.read_state(static_cast<int32_t>(node.attrs.integer("index")))};
    else if (node.op == &constant_op())
      outputs = {builder.constant(node.attrs.real("value"), graph_.type(node.outputs[0]))};
    else
      outputs = builder.emit_all(*node.op, inputs, node.attrs);
    for (size_t i = 0; i < outputs.size(); ++i)
      if (!map[at(node.outputs[i])].valid()) map[at(node.outputs[i])] = outputs[i];
  }

  static std::string path_for(const std::string& origin, std::set<std::string>& taken) {
    std::string base = "prepared/" + origin, path = base;
    for (int n = 1; !taken.insert(path).second; ++n) path = base + "#" + std::to_string(n);
    return path;
  }

  const Graph& graph_;
  std::vector<bool> fixed_, in_main_, in_prepare_, is_boundary_;
};

}  // namespace

std::vector<bool> fixed_values(const Graph& graph) {
  std::set<int32_t> updated;
  for (const StateUpdate& update : graph.updates) updated.insert(update.state);
  std::vector<bool> is_fixed(graph.values.size(), false);
  for (const Node& node : graph.nodes) {
    bool fixed = node.op != &input_op();
    if (node.op == &state_op()) fixed = !updated.count(static_cast<int32_t>(node.attrs.integer("index")));
    for (ValueId input : node.inputs) fixed &= !input.valid() || is_fixed[static_cast<size_t>(input.index)];
    if (fixed && !is_leaf(node)) fixed = !reads_the_run(graph, node);
    for (ValueId output : node.outputs) is_fixed[static_cast<size_t>(output.index)] = fixed;
  }
  return is_fixed;
}

HoistedGraph hoist_preparation(const Graph& graph) { return Hoisting(graph).run(); }

}  // namespace netc
