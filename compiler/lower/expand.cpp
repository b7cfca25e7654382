#include "compiler/lower/expand.h"

#include <algorithm>

#include "compiler/base/error.h"
#include "compiler/ir/op_def.h"

namespace netc {

// Collects operands while expressions are copied into one Dag.
class Expansion::Target {
 public:
  Target(Expansion& owner, FlatNest& flat) : owner_(owner), flat_(flat) {}

  ExprId import(const Node& node, const Dag& from, ExprId root, const std::vector<ExprId>& axes, ExprId guard) {
    Dag::Substitution substitution;
    substitution.axes = axes;
    substitution.load = [&](const Expr& load, const std::vector<ExprId>& indices, ExprId own_guard) {
      ValueId value = node.inputs[static_cast<size_t>(load.integer)];
      if (load.kind == ExprKind::index_load) return index_element(value, indices);
      return element(value, indices, dag().logical_and(guard, own_guard));
    };
    return dag().import(from, root, substitution);
  }

  // The element of `value` at `indices`; 0 where `guard` is false.
  ExprId element(ValueId value, const std::vector<ExprId>& indices, ExprId guard) {
    auto key = std::make_tuple(value, indices, guard);
    auto found = known_.find(key);
    if (found != known_.end()) return found->second;
    ExprId result = make_element(value, indices, guard);
    known_.emplace(std::move(key), result);
    return result;
  }

 private:
  Dag& dag() { return flat_.nest.dag; }

  ExprId make_element(ValueId value, const std::vector<ExprId>& indices, ExprId guard) {
    const Node& node = owner_.graph_.producer(value);
    switch (owner_.fusion_.roles[static_cast<size_t>(value.index)]) {
      case ValueRole::constant: return guarded(dag().real(node.attrs.real("value")), guard);
      case ValueRole::view:
        if (std::optional<std::vector<ExprId>> inner = through_view(value, indices))
          return element(node.inputs[0], *inner, guard);
        return dag().load(operand(value), indices, guard);
      case ValueRole::leaf:
      case ValueRole::computed:
      case ValueRole::gathered: return dag().load(operand(value), indices, guard);
      case ValueRole::inlined: break;
    }
    const LoopNest& nest = owner_.nest_of(node);
    for (const Store& store : nest.stores)
      if (store.output == owner_.graph_.value(value).result)
        return guarded(rounded(import(node, nest.dag, store.value, indices, guard), owner_.graph_.type(value).dtype),
                       guard);
    throw InternalError("an operator does not store its output");
  }

  ExprId index_element(ValueId value, const std::vector<ExprId>& indices) {
    const Node& node = owner_.graph_.producer(value);
    switch (owner_.fusion_.roles[static_cast<size_t>(value.index)]) {
      case ValueRole::constant: return dag().index(static_cast<int64_t>(node.attrs.real("value")));
      case ValueRole::view:
        if (std::optional<std::vector<ExprId>> inner = through_view(value, indices))
          return index_element(node.inputs[0], *inner);
        break;
      case ValueRole::leaf:
      case ValueRole::computed:
      case ValueRole::gathered: break;
      case ValueRole::inlined: throw InternalError("an integer value was inlined");
    }
    return dag().index_load(operand(value), indices);
  }

  // A value of a narrow type is rounded, whether or not it goes through memory.
  ExprId rounded(ExprId expr, DType dtype) { return dtype == DType::f32 ? expr : dag().cast(expr, dtype); }

  ExprId guarded(ExprId expr, ExprId guard) {
    if (guard == kNoExpr || dag()[expr].kind == ExprKind::load) return expr;  // a load is guarded by itself
    return dag().select(guard, expr, dag().real(0));
  }

  // A reshape that only inserts or drops extents of 1 is seen through, so that a value in a register stays one.
  std::optional<std::vector<ExprId>> through_view(ValueId value, const std::vector<ExprId>& indices) {
    const Node& node = owner_.graph_.producer(value);
    const Shape& from = owner_.graph_.type(value).shape;
    const Shape& to = owner_.graph_.type(node.inputs[0]).shape;
    if (node.op->name != "reshape" || !same_squeezed(from, to)) return std::nullopt;
    std::vector<ExprId> inner(to.size(), dag().index(0));
    std::vector<int> axes = squeezed_axes(from, to);
    for (size_t i = 0; i < axes.size(); ++i)
      if (axes[i] >= 0) inner[static_cast<size_t>(axes[i])] = indices[i];
    return inner;
  }

  int operand(ValueId value) {
    auto found = std::find(flat_.operands.begin(), flat_.operands.end(), value);
    if (found == flat_.operands.end()) found = flat_.operands.insert(found, value);
    return static_cast<int>(found - flat_.operands.begin());
  }

  Expansion& owner_;
  FlatNest& flat_;
  std::map<std::tuple<ValueId, std::vector<ExprId>, ExprId>, ExprId> known_;
};

Expansion::Expansion(const Graph& graph, const Fusion& fusion) : graph_(graph), fusion_(fusion) {}

const LoopNest& Expansion::nest_of(const Node& node) {
  auto [place, is_new] = nests_.try_emplace(node.outputs[0].index);
  if (!is_new) return place->second;
  LoopNest& nest = place->second;
  const Shape& shape = graph_.type(node.outputs[0]).shape;
  if (node.op->name == "reshape" && same_squeezed(shape, graph_.type(node.inputs[0]).shape)) {
    const Shape& source = graph_.type(node.inputs[0]).shape;
    nest.extents = shape;
    nest.parallel = static_cast<int>(shape.size());
    std::vector<ExprId> indices;
    for (int axis : squeezed_axes(source, shape)) indices.push_back(axis < 0 ? nest.dag.index(0) : nest.dag.axis(axis));
    nest.stores = {{0, nest.dag.load(0, std::move(indices))}};
  } else {
    nest = node.op->scalar(make_call(graph_, node));
  }
  return nest;
}

FlatNest Expansion::flatten(const Node& node) {
  const LoopNest& nest = nest_of(node);
  FlatNest flat;
  flat.nest.extents = nest.extents;
  flat.nest.parallel = nest.parallel;
  Target target(*this, flat);
  std::vector<ExprId> axes;
  for (size_t i = 0; i < nest.extents.size(); ++i) axes.push_back(flat.nest.dag.axis(static_cast<int>(i)));
  for (const Reduction& r : nest.reductions)
    flat.nest.reductions.push_back({r.kind, target.import(node, nest.dag, r.body, axes, kNoExpr)});
  for (const Store& s : nest.stores)
    flat.nest.stores.push_back({s.output, target.import(node, nest.dag, s.value, axes, kNoExpr)});
  return flat;
}

FlatNest Expansion::flatten_copy(ValueId value) {
  FlatNest flat;
  flat.nest.extents = graph_.type(value).shape;
  flat.nest.parallel = static_cast<int>(flat.nest.extents.size());
  std::vector<ExprId> axes;
  for (int i = 0; i < flat.nest.parallel; ++i) axes.push_back(flat.nest.dag.axis(i));
  Target target(*this, flat);
  bool constant = fusion_.roles[static_cast<size_t>(value.index)] == ValueRole::constant;
  if (constant || is_floating(graph_.type(value).dtype)) {
    flat.nest.stores = {{0, target.element(value, axes, kNoExpr)}};
  } else {  // integers of any size pass unrounded
    flat.operands = {value};
    flat.nest.stores = {{0, flat.nest.dag.from_index(flat.nest.dag.index_load(0, axes))}};
  }
  return flat;
}

std::vector<ExprId> roots_of(const LoopNest& nest) {
  std::vector<ExprId> roots;
  for (const Reduction& r : nest.reductions) roots.push_back(r.body);
  for (const Store& s : nest.stores) roots.push_back(s.value);
  return roots;
}

namespace {

int64_t work_of(ExprKind kind) {
  switch (kind) {
    case ExprKind::axis: case ExprKind::index_constant: case ExprKind::index_scalar: case ExprKind::real_constant:
    case ExprKind::real_scalar: case ExprKind::load: case ExprKind::index_load: case ExprKind::reduced:
    case ExprKind::index_add: case ExprKind::index_sub: case ExprKind::index_mul: case ExprKind::index_min:
    case ExprKind::index_max: case ExprKind::index_less: case ExprKind::index_equal: case ExprKind::index_select:
    case ExprKind::index_floor_div: case ExprKind::index_floor_mod: case ExprKind::from_index:
    case ExprKind::logical_and: case ExprKind::logical_or: case ExprKind::logical_not:
      return 0;
    case ExprKind::add: case ExprKind::sub: case ExprKind::mul: case ExprKind::neg: case ExprKind::min:
    case ExprKind::max: case ExprKind::abs: case ExprKind::floor: case ExprKind::round_tf32: case ExprKind::select: case ExprKind::cast:
    case ExprKind::index_floor: case ExprKind::real_less: case ExprKind::real_less_equal: case ExprKind::real_equal:
      return 1;
    case ExprKind::div: case ExprKind::sqrt:
      return 4;
    case ExprKind::exp: case ExprKind::log: case ExprKind::tanh: case ExprKind::erf: case ExprKind::uniform:
      return 20;
  }
  return 0;
}

}  // namespace

int64_t work_of(const Dag& dag, const std::vector<ExprId>& roots, bool flops) {
  int64_t work = 0;
  visit_postorder(dag, roots, [&](ExprId id) {
    int64_t own = work_of(dag[id].kind);
    work += flops ? std::min<int64_t>(own, 1) : own;
  });
  return work;
}

int64_t count_flops(const KernelBody& body) {
  const LoopNest& nest = body.nest;
  std::vector<ExprId> bodies, stores;
  for (const Reduction& r : nest.reductions) bodies.push_back(r.body);
  for (const Store& s : nest.stores) stores.push_back(s.value);
  for (const PartialSum& p : body.partials) stores.push_back(p.body);
  int64_t flops = nest.parallel_count() * work_of(nest.dag, stores, true);
  if (!bodies.empty())
    flops += nest.parallel_count() * nest.reduction_count() *
             (work_of(nest.dag, bodies, true) + static_cast<int64_t>(bodies.size()));
  if (body.contraction) flops += 2 * body.contraction->contraction.multiply_adds();
  return flops;
}

NestCost cost_of(const Graph& graph, const FlatNest& flat) {
  NestCost cost;
  std::vector<ExprId> roots = roots_of(flat.nest);
  cost.work = work_of(flat.nest.dag, roots);
  visit_postorder(flat.nest.dag, roots, [&](ExprId) { ++cost.expressions; });
  for (ValueId operand : flat.operands)
    cost.large_operands += 2 * graph.type(operand).elements() >= flat.nest.parallel_count();
  return cost;
}

bool is_affine_load(const Dag& dag, const Expr& load) {
  AffineIndex affine;
  bool simple = load.kind == ExprKind::load && load.args[0] == kNoExpr;
  for (ExprId index : load.indices) simple = simple && as_affine(dag, index, affine);
  return simple;
}

bool is_own_element(const Dag& dag, const Expr& load, const Shape& shape, const Shape& parallel) {
  if (load.kind != ExprKind::load || load.args[0] != kNoExpr || !same_squeezed(shape, parallel)) return false;
  std::vector<int> axes = squeezed_axes(shape, parallel);
  for (size_t i = 0; i < shape.size(); ++i) {
    const Expr& index = dag[load.indices[i]];
    if (shape[i] != 1 && (index.kind != ExprKind::axis || index.integer != axes[i])) return false;
  }
  return true;
}

}  // namespace netc
