#include "compiler/lower/fuse.h"

#include <fmt/format.h>

#include <algorithm>

#include "compiler/base/error.h"
#include "compiler/ir/op_def.h"
#include "compiler/lower/expand.h"
#include "compiler/lower/fuse_results.h"
#include "compiler/lower/fuse_statistics.h"
#include "compiler/lower/use_analysis.h"

namespace netc {
namespace {

// A map that several consumers would recompute is inlined up to these limits.
constexpr int64_t kCheapWork = 8;
constexpr double kCheapEvaluations = 4;
constexpr int kMaxExpressions = 400;   // in an inlined expression, and in a kernel that others join
constexpr size_t kMaxOperands = 40;    // of a kernel
constexpr int64_t kSmall = 16384;      // elements of a value that may wait for its use
constexpr int32_t kSiblingWindow = 24;     // how many kernels back a kernel with a shared operand is looked for

class Fuser {
 public:
  Fuser(const Graph& graph, const FuseOptions& options)
      : graph_(graph), options_(options), expansion_(graph, fusion_) {
    fusion_.roles.resize(graph.values.size(), ValueRole::leaf);
    fusion_.kernel_of.resize(graph.values.size(), -1);
    uses_ = analyse_uses(graph, expansion_);
  }

  Fusion run() {
    std::vector<bool> early = find_early_nodes();
    for (bool now : {true, false})
      for (size_t n = 0; n < graph_.nodes.size(); ++n)
        if (early[n] == now) visit({static_cast<int32_t>(n)});
    place_results(graph_, expansion_, fusion_);
    return std::move(fusion_);
  }

 private:
  ValueRole& role(ValueId value) { return fusion_.roles[static_cast<size_t>(value.index)]; }
  const ValueUses& uses(ValueId value) const { return uses_[static_cast<size_t>(value.index)]; }
  const Shape& shape(ValueId value) const { return graph_.type(value).shape; }
  FusedKernel& kernel(int32_t index) { return fusion_.kernels[static_cast<size_t>(index)]; }
  int32_t last_kernel() const { return static_cast<int32_t>(fusion_.kernels.size()) - 1; }

  // The last kernel that must have run before `value` can be loaded; -1: none.
  int32_t ready_after(ValueId value) {
    switch (role(value)) {
      case ValueRole::leaf:
      case ValueRole::constant: return -1;
      case ValueRole::view: return ready_after(graph_.producer(value).inputs[0]);
      case ValueRole::computed:
      case ValueRole::gathered: return fusion_.kernel_of[static_cast<size_t>(value.index)];
      case ValueRole::inlined: break;
    }
    throw InternalError("an inlined value is in no kernel");
  }
  int32_t ready_after(const std::vector<ValueId>& values) {
    int32_t last = -1;
    for (ValueId value : values) last = std::max(last, ready_after(value));
    return last;
  }

  // Leaves, and small maps of states alone, such as the scale and shift of a batch norm in inference: done
  // first, they are ready for the epilogue of any contraction.
  std::vector<bool> find_early_nodes() {
    std::vector<bool> early;
    for (const Node& node : graph_.nodes) {
      bool ready = node.op->leaf || (node.op->scalar && !is_concat(node) && expansion_.nest_of(node).reductions.empty());
      for (ValueId input : node.inputs) {
        const Value& value = graph_.value(input);
        ready = ready && early[static_cast<size_t>(value.producer.index)] && graph_.producer(input).op != &input_op();
      }
      for (ValueId output : node.outputs) ready = ready && (node.op->leaf || graph_.type(output).elements() <= kSmall);
      early.push_back(ready);
    }
    return early;
  }

  void visit(NodeId id) {
    const Node& node = graph_.node(id);
    if (node.op->leaf) {
      role(node.outputs[0]) = node.op == &constant_op() ? ValueRole::constant : ValueRole::leaf;
    } else if (node.op->contract) {
      add_contraction(id);
    } else if (is_concat(node)) {
      add_concat(id);
    } else if (!is_view(node)) {
      NETC_CHECK(node.op->scalar, node.op->name + " was not decomposed");
      FlatNest flat = expansion_.flatten(node);
      flat.nest.reductions.empty() ? add_map(id, flat) : add_reduction(id, flat);
    }
  }

  // A reshape or a slice without gaps of something in memory is a view; marks it.
  bool is_view(const Node& node) {
    if (node.op->name != "reshape" && node.op->name != "slice") return false;
    ValueId input = node.inputs[0], output = node.outputs[0];
    if (role(input) == ValueRole::inlined || role(input) == ValueRole::constant) return false;
    if (node.op->name == "slice") {
      for (int64_t step : node.attrs.ints("steps"))
        if (step != 1) return false;
      if (uses(output).is_result) return false;  // results are dense
    } else if (!same_squeezed(shape(input), shape(output)) && !view_base(graph_, fusion_, input).dense) {
      return false;
    }
    role(output) = ValueRole::view;
    return true;
  }

  int32_t new_kernel(NodeId id, LoopNest nest, std::string reason) {
    FusedKernel kernel;
    kernel.nest = std::move(nest);
    kernel.nodes.push_back(id);
    kernel.reasons.push_back(graph_.node(id).op->name + ": " + std::move(reason));
    fusion_.kernels.push_back(std::move(kernel));
    return last_kernel();
  }

  int operand(FusedKernel& kernel, ValueId value) {
    auto found = std::find(kernel.operands.begin(), kernel.operands.end(), value);
    if (found == kernel.operands.end()) found = kernel.operands.insert(found, value);
    return static_cast<int>(found - kernel.operands.begin());
  }

  void set_computed(ValueId value, int32_t index, ExprId expr) {
    role(value) = ValueRole::computed;
    fusion_.kernel_of[static_cast<size_t>(value.index)] = index;
    kernel(index).results.push_back({value, expr, {}});
  }

  void add_contraction(NodeId id) {
    const Node& node = graph_.node(id);
    std::vector<ValueId> inputs;
    for (ValueId input : node.inputs) inputs.push_back(in_memory(id, input));
    ContractionStage stage;
    stage.contraction = node.op->contract(make_call(graph_, node));
    LoopNest nest;
    nest.extents = shape(node.outputs[0]);
    nest.parallel = static_cast<int>(nest.extents.size());
    int32_t index = new_kernel(id, std::move(nest), "a contraction has a kernel of its own");
    FusedKernel& k = kernel(index);
    NETC_CHECK(inputs.size() == 2, node.op->name + " is a contraction of two inputs");
    stage.lhs = operand(k, inputs[0]);
    stage.rhs = operand(k, inputs[1]);
    k.contraction = std::move(stage);
    set_computed(node.outputs[0], index, k.nest.dag.reduced(0));
  }

  // `value`, or where it is a constant, a filled copy of it.
  ValueId in_memory(NodeId id, ValueId value) {
    if (role(value) == ValueRole::constant) {
      FlatNest flat = expansion_.flatten_copy(value);
      int32_t index = new_kernel({graph_.value(value).producer}, flat.nest, "filled for " + graph_.node(id).op->name);
      set_computed(value, index, kernel(index).nest.stores[0].value);
      kernel(index).nest.stores.clear();
    }
    NETC_CHECK(role(value) != ValueRole::inlined, "an operand that must be in memory was inlined");
    return value;
  }

  void add_concat(NodeId id) {
    const Node& node = graph_.node(id);
    ValueId output = node.outputs[0];
    int32_t ready = -1;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      ValueId input = node.inputs[i];
      auto number = static_cast<int32_t>(i);
      bool own = role(input) == ValueRole::computed || role(input) == ValueRole::gathered;
      if (own && !uses(input).needs_dense && !fusion_.pieces.count(input)) {
        fusion_.pieces[input] = {output, number};
        ready = std::max(ready, ready_after(input));
      } else {
        const char* why = !own ? "copies an input that no kernel writes"
                          : uses(input).needs_dense ? "copies an input that must be dense as well"
                                                    : "copies an input that is part of another concat";
        add_copy(graph_, expansion_, fusion_, id, input, {ResultTarget::Kind::piece, output, number}, why);
        ready = last_kernel();
      }
    }
    role(output) = ValueRole::gathered;
    fusion_.kernel_of[static_cast<size_t>(output.index)] = ready;
  }

  void add_map(NodeId id, FlatNest& flat) {
    const Node& node = graph_.node(id);
    int32_t ready = ready_after(flat.operands);
    std::string refusal = ready < 0 ? "reads only inputs and states" : join_refusal(ready, flat);
    std::string why_computed = refuse_inlining(node, flat);
    if (why_computed.empty() && (is_widening(node) || !(refusal.empty() && stays_in_register(ready, flat)))) {
      for (ValueId output : node.outputs) role(output) = ValueRole::inlined;
      return;
    }
    if (refusal.empty()) return join(ready, id, flat, "joins its producer; its operand is in a register");
    // Not with its producer; perhaps with the kernel of a map that needs it, or with a later one that reads the same.
    if (int32_t k = user_kernel(node, ready, flat); k >= 0) return join(k, id, flat, "joins the kernel that its user joins");
    for (int32_t k = last_kernel(); k > ready && k > last_kernel() - kSiblingWindow; --k)
      if (shares_large_operand(k, flat) && join_refusal(k, flat).empty())
        return join(k, id, flat, "joins a kernel that reads the same operand");
    int32_t index = new_kernel(id, {}, refusal);
    FusedKernel& k = kernel(index);
    k.nest.extents = flat.nest.extents;
    k.nest.parallel = flat.nest.parallel;
    k.nodes.clear();
    k.reasons.pop_back();
    join(index, id, flat, "a kernel of its own: " + refusal + (why_computed.empty() ? "" : "; " + why_computed));
  }

  // Why a map's outputs are not recomputed by whoever uses them; empty: they are.
  std::string refuse_inlining(const Node& node, const FlatNest& flat) {
    NestCost cost = cost_of(graph_, flat);
    double evaluations = 0;
    for (ValueId output : node.outputs) {
      if (uses(output).is_result) return "it is a result";
      if (uses(output).needs_memory) return "a user needs it in memory";
      evaluations += uses(output).evaluations;
    }
    if (node.outputs.size() > 1) return "it has several outputs";
    if (is_widening(node)) return "";  // whoever loads it loads the narrow value
    if (cost.expressions > kMaxExpressions || flat.operands.size() > kMaxOperands / 2) return "its expression is large";
    if (cost.work == 0 || evaluations <= 1.01) return "";
    if (cost.work > kCheapWork) return fmt::format("too much work to repeat ({:.3g} times)", evaluations);
    if (evaluations > kCheapEvaluations) return fmt::format("would be repeated {:.3g} times", evaluations);
    if (cost.large_operands > 2) return "would load many operands again";
    return "";
  }

  // Whether something that the map loads from kernel `index` need not be stored if the map joins it, as far as can
  // be told now: all its uses are maps over the same index space. What is stored for others does not matter.
  bool stays_in_register(int32_t index, const FlatNest& flat) {
    Shape space = flat.nest.parallel_extents();
    bool saves_a_store = false;
    for (ValueId operand : flat.operands) {
      if (ready_after(operand) != index || uses(operand).needs_memory) continue;
      if (!all_users_are_maps_over(operand, space)) return false;
      saves_a_store = true;
    }
    return saves_a_store;
  }

  bool all_users_are_maps_over(ValueId value, const Shape& space) {
    for (NodeId user : uses(value).nodes) {
      const Node& node = graph_.node(user);
      if (!node.op->scalar || !expansion_.nest_of(node).reductions.empty() ||
          !same_squeezed(expansion_.nest_of(node).extents, space))
        return false;
      if (is_widening(node) && !all_users_are_maps_over(node.outputs[0], space)) return false;
    }
    return true;
  }

  // The elements of a narrow value as f32: exact, and free in a load.
  bool is_widening(const Node& node) {
    return node.inputs.size() == 1 && is_narrow(graph_.type(node.inputs[0]).dtype) &&
           graph_.type(node.outputs[0]).dtype == DType::f32 && node.op->scalar && is_movement(expansion_.nest_of(node));
  }

  // The kernel that a map which reads this one's result would join, if that result were there; -1: none. (Were it computed by
  // a later kernel, the user could not join.) Values that the backward pass computes again, beside the gradient that they mask.
  int32_t user_kernel(const Node& node, int32_t ready, const FlatNest& flat) {
    const ValueId output = node.outputs[0];
    const Shape space = flat.nest.parallel_extents();
    if (node.outputs.size() != 1 || !uses(output).needs_memory) return -1;
    for (NodeId user : map_users(output, space)) {
      int32_t last = ready;
      for (ValueId input : graph_.node(user).inputs)
        if (input.valid() && graph_.value(input).producer < graph_.value(output).producer) last = std::max(last, ready_behind(input));
      if (last > ready && join_refusal(last, flat).empty()) return last;
    }
    return -1;
  }

  // Maps over an index space that read a value, directly or widened.
  std::vector<NodeId> map_users(ValueId value, const Shape& space) {
    std::vector<NodeId> maps;
    for (NodeId user : uses(value).nodes) {
      const Node& node = graph_.node(user);
      if (!node.op->scalar || is_concat(node) || !expansion_.nest_of(node).reductions.empty() ||
          !same_squeezed(expansion_.nest_of(node).extents, space))
        continue;
      if (!is_widening(node)) maps.push_back(user);
      else for (NodeId other : map_users(node.outputs[0], space)) maps.push_back(other);
    }
    return maps;
  }

  // The last kernel behind which a value can be loaded or computed by its reader; the value was visited.
  int32_t ready_behind(ValueId value) {
    if (role(value) != ValueRole::inlined) return ready_after(value);
    int32_t last = -1;
    for (ValueId input : graph_.producer(value).inputs)
      if (input.valid()) last = std::max(last, ready_behind(input));
    return last;
  }

  bool shares_large_operand(int32_t index, const FlatNest& flat) {
    const FusedKernel& k = kernel(index);
    if (k.contraction || !k.nest.reductions.empty()) return false;
    for (ValueId operand : flat.operands)
      if (2 * graph_.type(operand).elements() >= flat.nest.parallel_count() &&
          std::find(k.operands.begin(), k.operands.end(), operand) != k.operands.end())
        return true;
    return false;
  }

  // Why a map cannot become part of kernel `index`; empty: it can.
  std::string join_refusal(int32_t index, const FlatNest& flat) {
    const FusedKernel& k = kernel(index);
    const std::string& owner = graph_.node(k.nodes.front()).op->name;
    Shape space = flat.nest.parallel_extents();
    if (!same_squeezed(space, k.nest.parallel_extents()))
      return fmt::format("another index space than {}: {}, not {}", owner, to_string(space),
                         to_string(k.nest.parallel_extents()));
    if (k.operands.size() + flat.operands.size() > kMaxOperands || k.nest.dag.size() + flat.nest.dag.size() > 2 * kMaxExpressions)
      return owner + "'s kernel is full";
    if (k.results.front().target.kind != ResultTarget::Kind::value) return owner + " only copies";
    std::string refusal;
    visit_postorder(flat.nest.dag, roots_of(flat.nest), [&](ExprId id) {
      const Expr& e = flat.nest.dag[id];
      if (e.kind != ExprKind::load && e.kind != ExprKind::index_load) return;
      ValueId value = flat.operands[static_cast<size_t>(e.integer)];
      if (k.contraction && !is_affine_load(flat.nest.dag, e)) refusal = "an epilogue loads at affine indices only";
      if (ready_after(value) < index) return;
      if (ready_after(value) > index) refusal = "an operand is computed later than " + owner;
      else if (!k.result_of(value)) refusal = "looks at a part of what " + owner + " computes";
      else if (!is_own_element(flat.nest.dag, e, shape(value), space))
        refusal = "needs other elements of " + owner + " than its own";
    });
    return refusal;
  }

  void join(int32_t index, NodeId id, const FlatNest& flat, std::string reason) {
    FusedKernel& k = kernel(index);
    const Node& node = graph_.node(id);
    std::vector<ExprId> axes;
    for (int axis : squeezed_axes(flat.nest.extents, k.nest.parallel_extents()))
      axes.push_back(axis < 0 ? k.nest.dag.index(0) : k.nest.dag.axis(axis));
    for (const Store& store : flat.nest.stores) {
      ExprId expr = import_into(index, flat, store.value, axes);
      set_computed(node.outputs[static_cast<size_t>(store.output)], index, expr);
    }
    k.nodes.push_back(id);
    k.reasons.push_back(node.op->name + ": " + std::move(reason));
  }

  void add_reduction(NodeId id, FlatNest& flat) {
    int32_t ready = ready_after(flat.operands);
    if (ready >= 0 && take_statistics(ready, id, flat)) return;
    for (int32_t k = last_kernel(); k > ready && k > last_kernel() - kSiblingWindow; --k) {
      const FusedKernel& other = kernel(k);
      if (other.nest.reductions.empty() || other.nest.extents != flat.nest.extents ||
          other.nest.parallel != flat.nest.parallel || !reduction_shares_operand(k, flat))
        continue;
      return join_reduction(k, id, flat, "joins a reduction that reads the same operand");
    }
    LoopNest nest;
    nest.extents = flat.nest.extents;
    nest.parallel = flat.nest.parallel;
    int32_t index = new_kernel(id, std::move(nest), "");
    kernel(index).nodes.clear();
    kernel(index).reasons.clear();
    join_reduction(index, id, flat, "a reduction has a kernel of its own");
  }

  bool reduction_shares_operand(int32_t index, const FlatNest& flat) {
    const FusedKernel& k = kernel(index);
    for (ValueId operand : flat.operands)
      if (4 * graph_.type(operand).elements() >= element_count(flat.nest.extents) &&
          std::find(k.operands.begin(), k.operands.end(), operand) != k.operands.end())
        return true;
    return false;
  }

  // Makes the sums partial sums of kernel `index` and a small kernel that adds their rows, if they are over its
  // output, one number for each extent of one axis: batch norm's statistics.
  bool take_statistics(int32_t index, NodeId id, const FlatNest& flat) {
    if (kernel(index).sums_rows) return false;
    if (kernel(index).nest.parallel_count() < options_.smallest_statistics) return false;
    auto in_kernel = [&](ValueId value) { return ready_after(value) == index; };
    Statistics statistics = match_statistics(graph_, kernel(index), flat, in_kernel);
    if (!statistics.matched) return false;
    if (!kernel(index).partials.empty() && kernel(index).partials[0].kept != statistics.kept) return false;
    constexpr int kChannels = 1;  // all that Winograd's tiles can keep
    if (kernel(index).contraction && kernel(index).contraction->contraction.winograd && statistics.kept != kChannels) return false;

    LoopNest rows;
    rows.extents = flat.nest.parallel_extents();
    rows.parallel = flat.nest.parallel;
    rows.extents.push_back(1);  // placement knows how many
    int32_t adder = new_kernel(id, std::move(rows), "sums taken by " + graph_.node(kernel(index).nodes.front()).op->name);
    kernel(adder).sums_rows = true;
    FusedKernel &k = kernel(index), &a = kernel(adder);
    std::vector<ExprId> axes;
    for (int axis : statistics.axes) axes.push_back(axis < 0 ? k.nest.dag.index(0) : k.nest.dag.axis(axis));
    Dag& dag = a.nest.dag;
    std::vector<int> numbers;
    for (const Reduction& r : flat.nest.reductions) {
      ExprId body = import_into(index, flat, r.body, axes);
      ValueId partial = add_partial(index, statistics.kept, body);
      ExprId column = dag.axis(statistics.column);
      ExprId row = dag.load(operand(a, partial), {dag.axis(a.nest.parallel), column});
      numbers.push_back(add_reduction(a.nest, {ReduceKind::sum, row}));
    }
    Dag::Substitution substitution;
    substitution.load = [&](const Expr& load, const std::vector<ExprId>& indices, ExprId guard) {
      return dag.load(operand(a, flat.operands[static_cast<size_t>(load.integer)]), indices, guard);
    };
    substitution.reduced = [&](int64_t number) { return dag.reduced(numbers.at(static_cast<size_t>(number))); };
    for (const Store& store : flat.nest.stores)
      set_computed(graph_.node(id).outputs[static_cast<size_t>(store.output)], adder,
                   dag.import(flat.nest.dag, store.value, substitution));
    return true;
  }

  // The pseudo-value of an equal partial sum of the kernel, or of a new one.
  ValueId add_partial(int32_t index, int kept, ExprId body) {
    FusedKernel& k = kernel(index);
    for (const FusedPartial& known : k.partials)
      if (known.kept == kept && known.body == body) return known.value;
    ValueId value{static_cast<int32_t>(fusion_.roles.size())};
    fusion_.roles.push_back(ValueRole::computed);
    fusion_.kernel_of.push_back(index);
    k.partials.push_back({value, kept, body, k.nest.extents[static_cast<size_t>(kept)]});
    return value;
  }

  // Copies an expression of a flat nest into kernel `index`; what that computes is in registers.
  ExprId import_into(int32_t index, const FlatNest& flat, ExprId root, const std::vector<ExprId>& axes) {
    FusedKernel& k = kernel(index);
    Dag& dag = k.nest.dag;
    Dag::Substitution substitution;
    substitution.axes = axes;
    substitution.load = [&](const Expr& load, const std::vector<ExprId>& indices, ExprId guard) {
      ValueId value = flat.operands[static_cast<size_t>(load.integer)];
      if (const FusedResult* result = ready_after(value) == index ? k.result_of(value) : nullptr) {
        DType dtype = graph_.type(value).dtype;
        return dtype == DType::f32 ? result->expr : dag.cast(result->expr, dtype);
      }
      int number = operand(k, value);
      return load.kind == ExprKind::index_load ? dag.index_load(number, indices) : dag.load(number, indices, guard);
    };
    return dag.import(flat.nest.dag, root, substitution);
  }

  // The number of an equal reduction, or of a new one.
  static int add_reduction(LoopNest& nest, Reduction reduction) {
    for (size_t i = 0; i < nest.reductions.size(); ++i)
      if (nest.reductions[i].kind == reduction.kind && nest.reductions[i].body == reduction.body)
        return static_cast<int>(i);
    nest.reductions.push_back(reduction);
    return static_cast<int>(nest.reductions.size()) - 1;
  }

  void join_reduction(int32_t index, NodeId id, const FlatNest& flat, std::string reason) {
    FusedKernel& k = kernel(index);
    Dag& dag = k.nest.dag;
    std::vector<int> numbers;  // of the node's reductions in the kernel
    Dag::Substitution substitution;
    substitution.load = [&](const Expr& load, const std::vector<ExprId>& indices, ExprId guard) {
      int number = operand(k, flat.operands[static_cast<size_t>(load.integer)]);
      return load.kind == ExprKind::index_load ? dag.index_load(number, indices) : dag.load(number, indices, guard);
    };
    substitution.reduced = [&](int64_t number) { return dag.reduced(numbers.at(static_cast<size_t>(number))); };
    for (const Reduction& r : flat.nest.reductions)
      numbers.push_back(add_reduction(k.nest, {r.kind, dag.import(flat.nest.dag, r.body, substitution)}));
    const Node& node = graph_.node(id);
    for (const Store& store : flat.nest.stores)
      set_computed(node.outputs[static_cast<size_t>(store.output)], index,
                   dag.import(flat.nest.dag, store.value, substitution));
    k.nodes.push_back(id);
    k.reasons.push_back(node.op->name + ": " + std::move(reason));
  }

  const Graph& graph_;
  const FuseOptions& options_;
  Fusion fusion_;
  Expansion expansion_;
  std::vector<ValueUses> uses_;
};

}  // namespace

const FusedResult* FusedKernel::result_of(ValueId value) const {
  for (const FusedResult& result : results)
    if (result.value == value && result.target.kind == ResultTarget::Kind::value) return &result;
  return nullptr;
}

Fusion fuse(const Graph& graph, const FuseOptions& options) { return Fuser(graph, options).run(); }

ViewBase view_base(const Graph& graph, const Fusion& fusion, ValueId value) {
  ViewBase base{value, true};
  while (fusion.roles[static_cast<size_t>(base.base.index)] == ValueRole::view) {
    const Node& node = graph.producer(base.base);
    base.dense &= node.op->name == "reshape";
    base.base = node.inputs[0];
  }
  return base;
}

bool same_squeezed(const Shape& a, const Shape& b) {
  size_t i = 0, j = 0;
  while (true) {
    while (i < a.size() && a[i] == 1) ++i;
    while (j < b.size() && b[j] == 1) ++j;
    if (i == a.size() || j == b.size()) return i == a.size() && j == b.size();
    if (a[i++] != b[j++]) return false;
  }
}

std::vector<int> squeezed_axes(const Shape& from, const Shape& to) {
  std::vector<int> axes;
  size_t j = 0;
  for (int64_t extent : from) {
    if (extent == 1) {
      axes.push_back(-1);
      continue;
    }
    while (to[j] == 1) ++j;
    axes.push_back(static_cast<int>(j++));
  }
  return axes;
}

}  // namespace netc
