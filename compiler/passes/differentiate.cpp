// Reverse mode: nodes are visited backwards; each one's `vjp` turns the gradients of its outputs into
// gradients of its inputs, and gradients of a value with several uses are added.
#include "compiler/passes/differentiate.h"

#include <algorithm>
#include <set>

#include "compiler/base/error.h"
#include "compiler/ir/op_def.h"
#include "compiler/ops/build.h"
#include "compiler/ops/registry.h"
#include "compiler/passes/graph_copy.h"
#include "compiler/passes/loss_scale.h"

namespace netc {
namespace {

class Differentiation {
 public:
  Differentiation(const Graph& graph, const std::set<ValueId>& wanted)
      : graph_(graph), copy_(builder_, graph), gradients_(graph.values.size()), active_(graph.values.size(), false) {
    for (const Node& node : graph.nodes) copy_.node(node);
    copy_.results();
    mark_active(wanted);
  }

  // Afterwards `gradient` holds for every active value that the loss depends on.
  void run(const std::string& loss, const std::optional<LossScaleSpec>& loss_scale) {
    ValueId value = graph_.output(loss);
    NETC_CHECK(value.valid(), "there is no output " + loss + " to differentiate");
    NETC_CHECK(graph_.type(value).shape.empty(), "the loss must have rank 0");
    builder_.set_origin(graph_.producer(value).origin);
    ValueId& seed = gradients_[static_cast<size_t>(value.index)];
    if (loss_scale) {
      const ValueId scale = read_loss_scale(builder_, *loss_scale);
      unscale_ = build::div(builder_, build::number(builder_, 1, scale), scale);
      seed = build::reshape(builder_, scale, {});
    } else {
      seed = builder_.constant(1, graph_.type(value));
    }
    for (size_t i = graph_.nodes.size(); i-- > 0;) {
      visit(graph_.nodes[i]);
      for (ValueId parameter : first_used_at_[i]) add_parameter_gradient(parameter);
    }
    for (const Node& node : graph_.nodes)
      if (is_parameter(node)) add_parameter_gradient(node.outputs[0]);  // those that nothing uses
  }

  ValueId gradient(ValueId value) {
    ValueId& known = gradients_[static_cast<size_t>(value.index)];
    if (!known.valid()) known = builder_.constant(0, graph_.type(value));
    return known;
  }

  Graph finish() {
    for (size_t i = 0; i < graph_.states.size(); ++i)  // parameters without a node
      if (graph_.states[i].kind == StateKind::parameter) add_update(graph_.states[i], {});
    return builder_.finish();
  }
  Builder& builder() { return builder_; }

 private:
  bool is_parameter(const Node& node) const { return node.op == &state_op() && state_of(node).kind == StateKind::parameter; }
  const StateVariable& state_of(const Node& node) const {
    return graph_.states[static_cast<size_t>(node.attrs.integer("index"))];
  }
  bool is_active(ValueId value) const { return value.valid() && active_[static_cast<size_t>(value.index)]; }

  // A value is active if it depends on a parameter or a wanted input. Also finds each parameter's
  // first use: once the backward pass has left it, the parameter's gradient is complete.
  void mark_active(const std::set<ValueId>& wanted) {
    first_used_at_.resize(graph_.nodes.size());
    std::set<ValueId> used;
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      bool active = is_parameter(node);
      for (ValueId input : node.inputs) {
        active |= is_active(input);
        if (input.valid() && is_parameter(graph_.producer(input)) && used.insert(input).second)
          first_used_at_[i].push_back(input);
      }
      for (ValueId output : node.outputs) active_[static_cast<size_t>(output.index)] = active || wanted.count(output);
    }
  }

  void visit(const Node& node) {
    std::vector<ValueId> output_gradients;
    bool reached = false, wanted = false;
    for (ValueId output : node.outputs) {
      output_gradients.push_back(gradients_[static_cast<size_t>(output.index)]);
      reached |= output_gradients.back().valid();
    }
    for (ValueId input : node.inputs) wanted |= is_active(input);
    if (!reached || !wanted) return;
    if (!node.op->vjp) {
      Diagnostic diagnostic;
      diagnostic.code = "E0518";
      diagnostic.message = "`" + node.op->name + "` has no gradient (" + node.op->no_gradient +
                           "), but the loss depends on parameters through it";
      diagnostic.primary.span = node.origin.span;
      diagnostic.chain = node.origin.chain;
      throw CompileError(diagnostic);
    }
    builder_.set_origin(node.origin);
    std::vector<ValueId> inputs = copy_(node.inputs), outputs = copy_(node.outputs);
    Attrs attrs = complete_attrs(*node.op, node.attrs);
    std::vector<ValueId> results = node.op->vjp(builder_, {attrs, inputs, outputs, output_gradients});
    NETC_CHECK(results.size() == inputs.size(), node.op->name + ": the gradient rule gave another number of gradients");
    for (size_t i = 0; i < results.size(); ++i)
      if (is_active(node.inputs[i]) && results[i].valid()) accumulate(node, node.inputs[i], results[i]);
  }

  void accumulate(const Node& node, ValueId value, ValueId gradient) {
    NETC_CHECK(builder_.type(gradient) == graph_.type(value),
               node.op->name + ": a gradient has another type than its input: " + to_string(builder_.type(gradient)));
    ValueId& sum = gradients_[static_cast<size_t>(value.index)];
    sum = sum.valid() ? builder_.emit(op("add"), {sum, gradient}) : gradient;
  }

  void add_parameter_gradient(ValueId parameter) {
    const Node& node = graph_.producer(parameter);
    builder_.set_origin(node.origin);
    add_update(state_of(node), gradient(parameter));
  }

  // Without a gradient: zero.
  void add_update(const StateVariable& parameter, ValueId gradient) {
    if (!done_.insert(parameter.path).second) return;
    if (!gradient.valid()) gradient = builder_.constant(0, parameter.type);
    else if (unscale_.valid())
      gradient = build::mul(builder_, gradient, build::reshape(builder_, unscale_, Shape(parameter.type.shape.size(), 1)));
    StateVariable variable{"gradient/" + parameter.path, parameter.type, StateKind::gradient, {}};
    builder_.add_update(builder_.declare_state(std::move(variable)), gradient);
  }

  const Graph& graph_;
  Builder builder_;
  GraphCopy copy_;
  std::vector<ValueId> gradients_;  // of the old graph's values, in the new graph
  ValueId unscale_;                 // 1 over the loss scale, where there is one
  std::vector<bool> active_;
  std::vector<std::vector<ValueId>> first_used_at_;  // per node: the parameters whose first use it is
  std::set<std::string> done_;
};

}  // namespace

Graph differentiate(const Graph& graph, const std::string& loss, const std::optional<LossScaleSpec>& loss_scale) {
  Differentiation differentiation(graph, {});
  differentiation.run(loss, loss_scale);
  return differentiation.finish();
}

Graph differentiate_with_inputs(const Graph& graph, const std::string& loss, const std::vector<std::string>& inputs) {
  std::set<ValueId> wanted;
  for (const GraphInput& input : graph.inputs)
    if (std::find(inputs.begin(), inputs.end(), input.name) != inputs.end()) wanted.insert(input.value);
  NETC_CHECK(wanted.size() == inputs.size(), "no such input to differentiate by");
  Differentiation differentiation(graph, wanted);
  differentiation.run(loss, {});
  for (const GraphInput& input : graph.inputs)
    if (wanted.count(input.value))
      differentiation.builder().add_output("gradient/" + input.name, differentiation.gradient(input.value));
  return differentiation.finish();
}

}  // namespace netc
