#include "compiler/lower/use_analysis.h"

#include "compiler/ir/op_def.h"

namespace netc {
namespace {

bool is_general_reshape(const Graph& graph, const Node& node) {
  return node.op->name == "reshape" &&
         !same_squeezed(graph.type(node.outputs[0]).shape, graph.type(node.inputs[0]).shape);
}

// How often `nest` evaluates elements of its input `input`.
double count_loads(const LoopNest& nest, int64_t input) {
  auto sites = [&](const std::vector<ExprId>& roots) {
    int count = 0;
    visit_postorder(nest.dag, roots, [&](ExprId id) {
      const Expr& e = nest.dag[id];
      count += (e.kind == ExprKind::load || e.kind == ExprKind::index_load) && e.integer == input;
    });
    return count;
  };
  std::vector<ExprId> bodies, stores;
  for (const Reduction& r : nest.reductions) bodies.push_back(r.body);
  for (const Store& s : nest.stores) stores.push_back(s.value);
  auto parallel = static_cast<double>(nest.parallel_count());
  return parallel * sites(stores) + parallel * static_cast<double>(nest.reduction_count()) * sites(bodies);
}

}  // namespace

bool is_concat(const Node& node) { return node.op->name == "concat"; }

bool is_movement(const LoopNest& nest) {
  return nest.reductions.empty() && nest.stores.size() == 1 && work_of(nest.dag, {nest.stores[0].value}) == 0;
}

std::vector<ValueUses> analyse_uses(const Graph& graph, Expansion& expansion) {
  std::vector<ValueUses> all(graph.values.size());
  auto uses_of = [&](ValueId value) -> ValueUses& { return all[static_cast<size_t>(value.index)]; };
  auto mark_result = [&](ValueId value) {
    uses_of(value).is_result = uses_of(value).needs_memory = uses_of(value).needs_dense = true;
  };
  for (const GraphOutput& output : graph.outputs) mark_result(output.value);
  for (const StateUpdate& update : graph.updates) mark_result(update.value);

  for (size_t n = graph.nodes.size(); n-- > 0;) {
    const Node& node = graph.nodes[n];
    bool output_in_memory = false, output_dense = false;
    double output_evaluations = 0;
    for (ValueId output : node.outputs) {
      ValueUses& uses = uses_of(output);
      if (!is_floating(graph.type(output).dtype)) uses.needs_memory = true;
      uses.evaluations /= static_cast<double>(graph.type(output).elements());
      output_in_memory |= uses.needs_memory;
      output_dense |= uses.needs_dense;
      output_evaluations += uses.evaluations;
    }
    if (node.op->leaf) continue;
    bool can_be_view = node.op->name == "reshape" || node.op->name == "slice";
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (!node.inputs[i].valid()) continue;
      ValueUses& uses = uses_of(node.inputs[i]);
      uses.nodes.push_back({static_cast<int32_t>(n)});
      uses.needs_dense |= is_general_reshape(graph, node) || (can_be_view && output_dense);
      uses.needs_memory |= node.op->contract || is_concat(node) || is_general_reshape(graph, node) ||
                           (can_be_view && output_in_memory);
      if (!node.op->scalar || is_concat(node)) continue;
      const LoopNest& nest = expansion.nest_of(node);
      double loads = count_loads(nest, static_cast<int64_t>(i));
      uses.evaluations += is_movement(nest) && !output_in_memory ? loads * output_evaluations : loads;
    }
  }
  return all;
}

}  // namespace netc
