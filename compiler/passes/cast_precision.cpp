#include "compiler/passes/cast_precision.h"

#include <map>
#include <set>

#include "compiler/base/error.h"
#include "compiler/ir/op_def.h"
#include "compiler/ops/build.h"
#include "compiler/ops/tf32.h"

namespace netc {
namespace {

size_t at(ValueId value) { return static_cast<size_t>(value.index); }

struct Use {
  const Node* node;
  size_t input;
};

// Whether the operator reads `input` at the index at which it writes, and adds up nothing.
bool reads_own_element(const Graph& graph, const Node& node, size_t input) {
  if (!node.op->scalar || node.outputs.size() != 1) return false;
  if (graph.type(node.inputs[input]).shape != graph.type(node.outputs[0]).shape) return false;
  const LoopNest nest = node.op->scalar(make_call(graph, node));
  if (!nest.reductions.empty()) return false;
  bool own = true;
  for (ExprId id = 0; id < nest.dag.size(); ++id) {
    const Expr& e = nest.dag[id];
    if (e.kind != ExprKind::load || e.integer != static_cast<int64_t>(input)) continue;
    for (size_t axis = 0; axis < e.indices.size(); ++axis) {
      const Expr& index = nest.dag[e.indices[axis]];
      own = own && index.kind == ExprKind::axis && index.integer == static_cast<int64_t>(axis);
    }
  }
  return own;
}

// Decides which values are rounded, of the graph as it was.
class Rounding {
 public:
  Rounding(const Graph& graph, const LayerPrecision& precision) : graph_(graph), precision_(precision) {
    uses_.resize(graph.values.size());
    is_result_.resize(graph.values.size(), false);
    is_activation_.resize(graph.values.size(), false);
    for (const Node& node : graph.nodes) {
      for (size_t i = 0; i < node.inputs.size(); ++i)
        if (node.inputs[i].valid()) uses_[at(node.inputs[i])].push_back({&node, i});
      if (node.op->arithmetic == Arithmetic::unrounded && !node.origin.path.empty()) unrounded_paths_.insert(node.origin.path);
    }
    for (const GraphOutput& output : graph.outputs) is_result_[at(output.value)] = true;
    for (const StateUpdate& update : graph.updates) is_result_[at(update.value)] = true;
    find_activations();
  }

  // The type to which a value is rounded where it is made; f32: it is not.
  DType type_of(ValueId value) const {
    const Node& producer = graph_.producer(value);
    const DType type = storage_of(precision_(producer.origin.path));
    if (type == DType::f32 || producer.op->leaf || !is_activation_[at(value)] || keeps_f32(producer)) return DType::f32;
    std::vector<Use> readers;
    collect(value, readers);
    if (stays_in_layer(producer, readers) || stays_in_register(value)) return DType::f32;
    for (const Use& use : readers)
      if (!keeps_f32(*use.node)) return type;
    return DType::f32;
  }

  Precision precision_of(const Node& node) const { return precision_(node.origin.path); }

 private:
  static bool is_movement(const Node& node) { return node.op->arithmetic == Arithmetic::movement; }
  // Losses, metrics and softmax, and all that differentiation made of them.
  bool keeps_f32(const Node& node) const {
    return node.op->arithmetic == Arithmetic::unrounded || unrounded_paths_.count(node.origin.path) > 0;
  }

  // Whoever uses the elements of a value, also after they were moved.
  void collect(ValueId value, std::vector<Use>& readers) const {
    for (const Use& use : uses_[at(value)]) {
      if (is_movement(*use.node)) collect(use.node->outputs[0], readers);
      else readers.push_back(use);
    }
  }

  bool stays_in_layer(const Node& producer, const std::vector<Use>& readers) const {
    if (producer.origin.path.empty()) return false;
    for (const Use& use : readers)
      if (use.node->op->arithmetic == Arithmetic::contraction || use.node->origin.path != producer.origin.path) return false;
    return true;
  }

  // One element-wise reader, and of that reader's operands none is made later: it is computed where this value is.
  bool stays_in_register(ValueId value) const {
    if (uses_[at(value)].size() != 1 || is_result_[at(value)]) return false;
    const Use& use = uses_[at(value)][0];
    if (is_movement(*use.node) || !reads_own_element(graph_, *use.node, use.input)) return false;
    for (ValueId other : use.node->inputs)
      if (other.valid() && other != value && graph_.type(other).shape == graph_.type(value).shape &&
          graph_.value(other).producer > graph_.value(value).producer)
        return false;
    return true;
  }

  // An activation, or its gradient: depends on an input, has a shape beyond one axis, and does more than to end in a
  // state (as gradients of parameters do, perhaps after they are added up or reshaped).
  void find_activations() {
    std::vector<bool> depends(graph_.values.size(), false), ends_in_state(graph_.values.size(), true);
    for (const Node& node : graph_.nodes) {
      bool any = node.op == &input_op();
      for (ValueId input : node.inputs) any = any || (input.valid() && depends[at(input)]);
      for (ValueId output : node.outputs) depends[at(output)] = any;
    }
    for (const GraphOutput& output : graph_.outputs) ends_in_state[at(output.value)] = false;
    for (size_t n = graph_.nodes.size(); n-- > 0;) {
      const Node& node = graph_.nodes[n];
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        if (!node.inputs[i].valid()) continue;
        const bool passes_on = is_movement(node) || reads_own_element(graph_, node, i);
        if (!passes_on || !ends_in_state[at(node.outputs[0])]) ends_in_state[at(node.inputs[i])] = false;
      }
    }
    for (size_t v = 0; v < graph_.values.size(); ++v) {
      const TensorType& type = graph_.values[v].type;
      is_activation_[v] = type.dtype == DType::f32 && type.shape.size() >= 2 && depends[v] && !ends_in_state[v];
    }
  }

  const Graph& graph_;
  const LayerPrecision& precision_;
  std::vector<std::vector<Use>> uses_;
  std::vector<bool> is_result_, is_activation_;
  std::set<std::string> unrounded_paths_;
};

// Builds the new graph.
class Casting {
 public:
  Casting(const Graph& graph, const LayerPrecision& precision)
      : graph_(graph), rounding_(graph, precision), wide_(graph.values.size()), narrow_(graph.values.size()) {}

  Graph run() {
    for (const StateVariable& state : graph_.states) builder_.declare_state(state);
    for (const Node& node : graph_.nodes) add(node);
    for (const GraphOutput& output : graph_.outputs) builder_.add_output(output.name, wide(output.value));
    for (const StateUpdate& update : graph_.updates) builder_.add_update(update.state, wide(update.value));
    return builder_.finish();
  }

 private:
  void add(const Node& node) {
    builder_.set_origin(node.origin);
    if (node.op->leaf) {
      wide_[at(node.outputs[0])] = leaf(node);
      return;
    }
    if (const DType type = moved_type(node); type != DType::f32) {
      std::vector<ValueId> inputs;
      for (ValueId input : node.inputs) inputs.push_back(narrow_[at(input)]);
      narrow_[at(node.outputs[0])] = builder_.emit(*node.op, inputs, node.attrs);
      return;
    }
    const Precision operand = node.op->arithmetic == Arithmetic::contraction ? rounding_.precision_of(node) : Precision::f32;
    std::vector<ValueId> inputs;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId input = node.inputs[i];
      if (!input.valid()) inputs.push_back({});
      else inputs.push_back(i < 2 ? as_operand(input, operand) : wide(input));
    }
    const std::vector<ValueId> outputs = builder_.emit_all(*node.op, inputs, node.attrs);
    for (size_t i = 0; i < outputs.size(); ++i) {
      const ValueId old = node.outputs[i];
      const DType type = rounding_.type_of(old);
      if (type == DType::f32) wide_[at(old)] = outputs[i];
      else narrow_[at(old)] = build::cast(builder_, outputs[i], type);
    }
  }

  ValueId leaf(const Node& node) {
    const TensorType& type = graph_.type(node.outputs[0]);
    if (node.op == &input_op()) return builder_.add_input(node.attrs.text("name"), type);
    if (node.op == &state_op()) return builder_.read_state(static_cast<int32_t>(node.attrs.integer("index")));
    return builder_.constant(node.attrs.real("value"), type);
  }

  // The narrow type of all that a movement moves; f32 where there is none in common, or where it puts in a
  // value of its own that would be rounded.
  DType moved_type(const Node& node) const {
    if (node.op->arithmetic != Arithmetic::movement) return DType::f32;
    DType common = DType::f32;
    for (ValueId input : node.inputs) {
      const ValueId held = narrow_[at(input)];
      if (!held.valid() || (common != DType::f32 && builder_.type(held).dtype != common)) return DType::f32;
      common = builder_.type(held).dtype;
    }
    for (const auto& [name, attr] : node.attrs.all())
      if (const double* value = std::get_if<double>(&attr); value && round_to(*value, common) != *value) return DType::f32;
    return common;
  }

  // The value for whoever computes in f32.
  ValueId wide(ValueId old) {
    ValueId& known = wide_[at(old)];
    if (!known.valid()) known = cast(old, narrow_[at(old)], DType::f32);
    return known;
  }

  // The value as an operand of a contraction: as it lies in memory, or a rounded copy of it.
  ValueId as_operand(ValueId old, Precision precision) {
    if (precision == Precision::f32) return wide(old);
    const DType type = storage_of(precision);
    ValueId& known = narrow_[at(old)];
    if (type != DType::f32 && known.valid() && builder_.type(known).dtype == type) return known;
    ValueId& copy = copies_[{old, precision}];
    if (copy.valid()) return copy;
    if (precision == Precision::tf32)
      copy = made_with(old, [&](ValueId value) { return builder_.emit(round_tf32_op(), {value}); }, wide(old));
    else copy = cast(old, wide(old), type);
    return copy;
  }

  ValueId cast(ValueId old, ValueId value, DType type) {
    return made_with(old, [&](ValueId x) { return build::cast(builder_, x, type); }, value);
  }

  // Casts belong to the node that made the value.
  template <class Make>
  ValueId made_with(ValueId old, const Make& make, ValueId value) {
    NETC_CHECK(value.valid(), "a value is used before it is made");
    const Origin reader = builder_.origin();
    builder_.set_origin(graph_.producer(old).origin);
    const ValueId result = make(value);
    builder_.set_origin(reader);
    return result;
  }

  const Graph& graph_;
  const Rounding rounding_;
  Builder builder_;
  std::vector<ValueId> wide_, narrow_;  // of the old graph's values: in f32, and as they were rounded
  std::map<std::pair<ValueId, Precision>, ValueId> copies_;
};

}  // namespace

Graph cast_precision(const Graph& graph, const LayerPrecision& precision) { return Casting(graph, precision).run(); }

}  // namespace netc
