#include "compiler/passes/simplify.h"

#include <algorithm>
#include <optional>

#include "compiler/ir/op_def.h"
#include "compiler/ops/registry.h"

namespace netc {
namespace {

// One node with its inputs in the new graph; each rule returns the value that replaces it, or an invalid one.
struct Rewriting {
  Builder& builder;
  const Node& node;
  const std::vector<ValueId>& inputs;
  const TensorType& type;  // of the node's output

  const std::string& name() const { return node.op->name; }
  const Node& producer(int i) const { return builder.graph().producer(inputs[static_cast<size_t>(i)]); }
  const TensorType& input_type(int i) const { return builder.type(inputs[static_cast<size_t>(i)]); }
  ValueId input(int i) const { return inputs[static_cast<size_t>(i)]; }
};

std::optional<double> constant_of(const Graph& graph, ValueId value) {
  const Node& node = graph.producer(value);
  if (node.op != &constant_op()) return std::nullopt;
  return node.attrs.real("value");
}

bool is_constant(const Rewriting& r, int i, double value) {
  return constant_of(r.builder.graph(), r.input(i)) == value;
}

// The input if it stands for the output without change of type.
ValueId same_type(const Rewriting& r, int i) { return r.input_type(i) == r.type ? r.input(i) : ValueId{}; }

ValueId simplify_arithmetic(const Rewriting& r) {
  const std::string& name = r.name();
  if (name == "add" && is_constant(r, 1, 0)) return same_type(r, 0);
  if (name == "add" && is_constant(r, 0, 0)) return same_type(r, 1);
  if (name == "sub" && is_constant(r, 1, 0)) return same_type(r, 0);
  if ((name == "mul" || name == "div") && is_constant(r, 1, 1)) return same_type(r, 0);
  if (name == "mul" && is_constant(r, 0, 1)) return same_type(r, 1);
  if (name == "neg" && r.producer(0).op == r.node.op) return r.producer(0).inputs[0];
  if (name == "cast") return same_type(r, 0);
  return {};
}

ValueId simplify_transpose(const Rewriting& r) {
  Ints permutation = r.node.attrs.ints("permutation");
  bool identity = true;
  for (size_t i = 0; i < permutation.size(); ++i) identity &= permutation[i] == static_cast<int64_t>(i);
  if (identity) return r.input(0);
  const Node& inner = r.producer(0);
  if (inner.op != r.node.op) return {};
  const Ints& first = inner.attrs.ints("permutation");
  for (int64_t& p : permutation) p = first[static_cast<size_t>(p)];
  for (size_t i = 0; i < permutation.size(); ++i)
    if (permutation[i] != static_cast<int64_t>(i))
      return r.builder.emit(*r.node.op, {inner.inputs[0]}, {{"permutation", permutation}});
  return inner.inputs[0];
}

ValueId simplify_shape(const Rewriting& r) {
  const std::string& name = r.name();
  if (name == "reshape") {
    if (r.input_type(0) == r.type) return r.input(0);
    if (r.producer(0).op != r.node.op) return {};
    ValueId origin = r.producer(0).inputs[0];
    return r.builder.type(origin) == r.type ? origin : r.builder.emit(*r.node.op, {origin}, r.node.attrs);
  }
  if (name == "transpose") return simplify_transpose(r);
  if (name == "slice" || name == "pad" || name == "broadcast") return same_type(r, 0);
  if (name == "concat" && r.inputs.size() == 1) return r.input(0);
  return {};
}

// A broadcast operand of a binary operator whose other operand has the result's shape already.
ValueId drop_broadcast(const Rewriting& r) {
  static const char* const kBroadcasting[] = {"add", "sub", "mul", "div", "maximum", "minimum", "greater", "equal"};
  if (std::none_of(std::begin(kBroadcasting), std::end(kBroadcasting), [&](const char* n) { return r.name() == n; }))
    return {};
  for (int i = 0; i < 2; ++i) {
    const Node& inner = r.producer(i);
    if (inner.op->name != "broadcast" || r.input_type(1 - i).shape != r.type.shape) continue;
    if (r.builder.type(inner.inputs[0]).shape.size() != r.type.shape.size()) continue;
    std::vector<ValueId> inputs = r.inputs;
    inputs[static_cast<size_t>(i)] = inner.inputs[0];
    return r.builder.emit(*r.node.op, inputs, r.node.attrs);
  }
  return {};
}

ValueId fold_constant(const Rewriting& r) {
  if (!r.node.op->scalar || r.inputs.empty()) return {};
  std::vector<double> values;
  for (ValueId input : r.inputs) {
    std::optional<double> value = input.valid() ? constant_of(r.builder.graph(), input) : std::nullopt;
    if (!value) return {};
    values.push_back(*value);
  }
  OpCall call{r.node.attrs, {}, {}, {r.type}};
  for (ValueId input : r.inputs) {
    call.inputs.push_back(r.builder.type(input));
    call.present.push_back(true);
  }
  LoopNest nest = r.node.op->scalar(call);
  if (!nest.reductions.empty() || nest.stores.size() != 1) return {};
  Dag folded;
  Dag::Substitution substitution;
  substitution.load = [&](const Expr& load, const std::vector<ExprId>& indices, ExprId guard) {
    if (load.kind == ExprKind::index_load) return folded.index_load(static_cast<int>(load.integer), indices);
    ExprId value = folded.real(values[static_cast<size_t>(load.integer)]);
    return guard == kNoExpr ? value : folded.select(guard, value, folded.real(0));
  };
  const Expr& result = folded[folded.import(nest.dag, nest.stores[0].value, substitution)];
  if (result.kind != ExprKind::real_constant) return {};
  double value = r.type.dtype == DType::f32 ? result.real : round_to(result.real, r.type.dtype);
  return r.builder.constant(value, r.type);
}

}  // namespace

Graph simplify(const Graph& graph) {
  return rewrite(graph, [&](Builder& builder, const Node& node, const std::vector<ValueId>& inputs) {
    if (node.op->leaf || node.outputs.size() != 1) return std::vector<ValueId>{};
    Rewriting r{builder, node, inputs, graph.type(node.outputs[0])};
    for (auto rule : {simplify_arithmetic, simplify_shape, drop_broadcast, fold_constant})
      if (ValueId value = rule(r); value.valid()) return std::vector{value};
    return std::vector<ValueId>{};
  });
}

}  // namespace netc
