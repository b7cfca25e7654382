#include "compiler/lower/fuse_results.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "compiler/base/error.h"
#include "compiler/ir/op_def.h"

namespace netc {
namespace {

ValueRole role_of(const Fusion& fusion, ValueId value) { return fusion.roles[static_cast<size_t>(value.index)]; }

// The state variable that a value is, or is a view of; -1: none.
int32_t state_behind(const Graph& graph, const Fusion& fusion, ValueId value) {
  if (is_partial(graph, value)) return -1;
  const Node& node = graph.producer(view_base(graph, fusion, value).base);
  return node.op == &state_op() ? static_cast<int32_t>(node.attrs.integer("index")) : -1;
}

// Whether kernel `k` loads the operand at its own parallel index alone, and before it stores anything there.
bool loads_own_elements(const Graph& graph, const FusedKernel& k, size_t operand) {
  if (k.contraction && (k.contraction->lhs == static_cast<int>(operand) || k.contraction->rhs == static_cast<int>(operand)))
    return false;
  std::vector<ExprId> roots;
  for (const Reduction& r : k.nest.reductions) roots.push_back(r.body);
  for (const FusedResult& r : k.results) roots.push_back(r.expr);
  const Shape& shape = graph.type(k.operands[operand]).shape;
  bool own = true;
  auto names_operand = [&](ExprId id) {
    const Expr& e = k.nest.dag[id];
    return (e.kind == ExprKind::load || e.kind == ExprKind::index_load) && e.integer == static_cast<int64_t>(operand);
  };
  for (const FusedPartial& p : k.partials)  // taken after the stores
    visit_postorder(k.nest.dag, p.body, [&](ExprId id) { own = own && !names_operand(id); });
  visit_postorder(k.nest.dag, roots, [&](ExprId id) {
    if (names_operand(id)) own = own && is_own_element(k.nest.dag, k.nest.dag[id], shape, k.nest.parallel_extents());
  });
  return own;
}

// Which kernels read a state variable, and by which of their operands.
using StateReaders = std::map<int32_t, std::vector<std::pair<int32_t, size_t>>>;

StateReaders readers_of_states(const Graph& graph, const Fusion& fusion) {
  StateReaders readers;
  for (size_t k = 0; k < fusion.kernels.size(); ++k)
    for (size_t i = 0; i < fusion.kernels[k].operands.size(); ++i)
      if (const int32_t state = state_behind(graph, fusion, fusion.kernels[k].operands[i]); state >= 0)
        readers[state].emplace_back(static_cast<int32_t>(k), i);
  return readers;
}

// Whether kernel `writer` may overwrite the state variable: all readers come before it, or are it, element by element.
bool may_overwrite(const Graph& graph, const Fusion& fusion, const StateReaders& readers, int32_t state, int32_t writer) {
  const auto found = readers.find(state);
  if (found == readers.end()) return true;
  return std::all_of(found->second.begin(), found->second.end(), [&](const auto& reader) {
    const auto [kernel, operand] = reader;
    return kernel < writer ||
           (kernel == writer && loads_own_elements(graph, fusion.kernels[static_cast<size_t>(kernel)], operand));
  });
}

}  // namespace

void add_copy(const Graph& graph, Expansion& expansion, Fusion& fusion, NodeId node, ValueId value,
              ResultTarget target, const std::string& reason) {
  FlatNest flat = expansion.flatten_copy(value);
  FusedKernel kernel;
  kernel.results.push_back({value, flat.nest.stores[0].value, target});
  flat.nest.stores.clear();
  kernel.nest = std::move(flat.nest);
  kernel.operands = std::move(flat.operands);
  kernel.nodes.push_back(node);
  kernel.reasons.push_back(graph.node(node).op->name + ": " + reason);
  fusion.kernels.push_back(std::move(kernel));
}

void place_results(const Graph& graph, Expansion& expansion, Fusion& fusion) {
  using Kind = ResultTarget::Kind;
  std::set<int32_t> updated, read_last;  // states that the copies below read
  for (const StateUpdate& update : graph.updates) updated.insert(update.state);
  for (const StateUpdate& update : graph.updates) read_last.insert(state_behind(graph, fusion, update.value));
  for (const GraphOutput& output : graph.outputs) read_last.insert(state_behind(graph, fusion, output.value));

  const StateReaders readers = readers_of_states(graph, fusion);
  std::vector<size_t> copied;
  for (size_t i = 0; i < graph.updates.size(); ++i) {
    const StateUpdate& update = graph.updates[i];
    auto [base, dense] = view_base(graph, fusion, update.value);
    bool direct = dense && role_of(fusion, base) == ValueRole::computed && !fusion.in_state.count(base) &&
                  !fusion.pieces.count(base) && !read_last.count(update.state) &&
                  may_overwrite(graph, fusion, readers, update.state, fusion.kernel_of[static_cast<size_t>(base.index)]);
    if (direct) {
      fusion.in_state[base] = update.state;
    } else {
      int32_t source = state_behind(graph, fusion, update.value);
      NETC_CHECK(source < 0 || !updated.count(source), "a state variable becomes the old value of another updated one");
      copied.push_back(i);
    }
  }
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    ValueId value = graph.outputs[i].value;
    if (state_behind(graph, fusion, value) >= 0 || role_of(fusion, value) == ValueRole::constant)
      add_copy(graph, expansion, fusion, graph.value(value).producer, value, {Kind::output, {}, static_cast<int32_t>(i)},
               "copied to an output");
  }
  for (size_t i : copied)
    add_copy(graph, expansion, fusion, graph.value(graph.updates[i].value).producer, graph.updates[i].value,
             {Kind::update, {}, static_cast<int32_t>(i)}, "copied to a state variable");
}

}  // namespace netc
