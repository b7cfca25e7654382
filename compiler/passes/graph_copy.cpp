#include "compiler/passes/graph_copy.h"

#include "compiler/ir/op_def.h"

namespace netc {

GraphCopy::GraphCopy(Builder& builder, const Graph& graph)
    : builder_(builder), graph_(graph), map_(graph.values.size()) {
  for (const StateVariable& state : graph.states) builder.declare_state(state);
}

std::vector<ValueId> GraphCopy::operator()(const std::vector<ValueId>& old) const {
  std::vector<ValueId> result;
  for (ValueId id : old) result.push_back((*this)[id]);
  return result;
}

void GraphCopy::node(const Node& node) {
  builder_.set_origin(node.origin);
  std::vector<ValueId> copies;
  if (node.op == &input_op())
    copies = {builder_.add_input(node.attrs.text("name"), graph_.type(node.outputs[0]))};
  else if (node.op == &state_op())
    copies = {builder_.read_state(static_cast<int32_t>(node.attrs.integer("index")))};
  else if (node.op == &constant_op())
    copies = {builder_.constant(node.attrs.real("value"), graph_.type(node.outputs[0]))};
  else
    copies = builder_.emit_all(*node.op, (*this)(node.inputs), node.attrs);
  for (size_t i = 0; i < copies.size(); ++i) map_[static_cast<size_t>(node.outputs[i].index)] = copies[i];
}

void GraphCopy::results() {
  for (const GraphOutput& output : graph_.outputs) builder_.add_output(output.name, (*this)[output.value]);
  for (const StateUpdate& update : graph_.updates) builder_.add_update(update.state, (*this)[update.value]);
}

}  // namespace netc
