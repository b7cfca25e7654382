#include "compiler/ir/graph.h"

#include <set>

#include "compiler/base/error.h"
#include "compiler/ir/op_def.h"

namespace netc {

ValueId Graph::output(const std::string& name) const {
  for (const GraphOutput& o : outputs)
    if (o.name == name) return o.value;
  return {};
}

int32_t Graph::state_index(const std::string& path) const {
  for (size_t i = 0; i < states.size(); ++i)
    if (states[i].path == path) return static_cast<int32_t>(i);
  return -1;
}

namespace {

// Appends a node whose output types are known.
std::vector<ValueId> append(Graph& graph, Node node, const std::vector<TensorType>& types) {
  NodeId id{static_cast<int32_t>(graph.nodes.size())};
  for (size_t i = 0; i < types.size(); ++i) {
    node.outputs.push_back({static_cast<int32_t>(graph.values.size())});
    graph.values.push_back({types[i], id, static_cast<int>(i)});
  }
  graph.nodes.push_back(std::move(node));
  return graph.nodes.back().outputs;
}

std::vector<TensorType> infer(const Graph& graph, const OpDef& op, const Attrs& attrs,
                              const std::vector<ValueId>& inputs) {
  bool variadic = !op.inputs.empty() && op.inputs.back().variadic;
  NETC_CHECK(inputs.size() == op.inputs.size() || (variadic && inputs.size() + 1 >= op.inputs.size()),
             op.name + " got another number of inputs");
  OpCall call{attrs, {}, {}, {}};
  for (size_t i = 0; i < inputs.size(); ++i) {
    NETC_CHECK(inputs[i].valid() || (i < op.inputs.size() && op.inputs[i].optional), op.name + " lacks an input");
    call.present.push_back(inputs[i].valid());
    call.inputs.push_back(inputs[i].valid() ? graph.type(inputs[i]) : TensorType{});
  }
  return op.infer(call);
}

}  // namespace

std::vector<ValueId> Builder::emit_all(const OpDef& op, std::vector<ValueId> inputs, Attrs attrs) {
  NETC_CHECK(!op.leaf, op.name + " is made by add_input, add_state or constant");
  Node node;
  node.op = &op;
  node.attrs = complete_attrs(op, attrs);
  std::vector<TensorType> types = infer(graph_, op, node.attrs, inputs);
  node.inputs = std::move(inputs);
  node.origin = origin_;
  return append(graph_, std::move(node), types);
}

ValueId Builder::emit(const OpDef& op, std::vector<ValueId> inputs, Attrs attrs) {
  std::vector<ValueId> outputs = emit_all(op, std::move(inputs), std::move(attrs));
  NETC_CHECK(outputs.size() == 1, op.name + " has several outputs");
  return outputs[0];
}

ValueId Builder::add_input(const std::string& name, TensorType type) {
  Node node;
  node.op = &input_op();
  node.attrs.set("name", name);
  node.origin = origin_;
  ValueId value = append(graph_, std::move(node), {type})[0];
  graph_.inputs.push_back({name, value});
  return value;
}

int32_t Builder::declare_state(StateVariable variable) {
  graph_.states.push_back(std::move(variable));
  return static_cast<int32_t>(graph_.states.size()) - 1;
}

ValueId Builder::read_state(int32_t state) {
  auto [place, is_new] = state_reads_.try_emplace(state);
  if (is_new) {
    Node node;
    node.op = &state_op();
    node.attrs.set("index", int64_t{state});
    node.origin = origin_;
    place->second = append(graph_, std::move(node), {graph_.states.at(static_cast<size_t>(state)).type})[0];
  }
  return place->second;
}

ValueId Builder::add_state(StateVariable variable) { return read_state(declare_state(std::move(variable))); }

ValueId Builder::constant(double value, TensorType type) {
  Node node;
  node.op = &constant_op();
  node.attrs.set("value", value);
  node.origin = origin_;
  return append(graph_, std::move(node), {std::move(type)})[0];
}

Graph Builder::finish() {
  verify(graph_);
  return std::move(graph_);
}

void verify(const Graph& graph) {
  auto is_value = [&](ValueId id) {
    return id.valid() && static_cast<size_t>(id.index) < graph.values.size();
  };
  std::vector<bool> defined(graph.values.size(), false);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    NETC_CHECK(node.op != nullptr, "a node without an operator");
    for (ValueId input : node.inputs)
      NETC_CHECK(!input.valid() || (is_value(input) && defined[static_cast<size_t>(input.index)]),
                 node.op->name + " uses a value before its definition");
    std::vector<TensorType> types;
    if (!node.op->leaf) types = infer(graph, *node.op, complete_attrs(*node.op, node.attrs), node.inputs);
    NETC_CHECK(node.op->leaf ? node.outputs.size() == 1 : types.size() == node.outputs.size(),
               node.op->name + " has another number of outputs");
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      ValueId output = node.outputs[i];
      NETC_CHECK(is_value(output) && !defined[static_cast<size_t>(output.index)], "a value has two definitions");
      defined[static_cast<size_t>(output.index)] = true;
      const Value& value = graph.value(output);
      NETC_CHECK(value.producer.index == static_cast<int32_t>(n) && value.result == static_cast<int>(i),
                 "a value's producer is not its node");
      NETC_CHECK(node.op->leaf || value.type == types[i],
                 node.op->name + " has type " + to_string(value.type) + ", infer says " + to_string(types[i]));
    }
    if (node.op == &state_op()) {
      int64_t index = node.attrs.integer("index");
      NETC_CHECK(index >= 0 && static_cast<size_t>(index) < graph.states.size(), "a state node without its state");
      NETC_CHECK(graph.type(node.outputs[0]) == graph.states[static_cast<size_t>(index)].type,
                 "a state node of another type than its state");
    }
  }
  std::set<std::string> names;
  for (const GraphInput& input : graph.inputs) {
    NETC_CHECK(names.insert(input.name).second, "two inputs are called " + input.name);
    NETC_CHECK(is_value(input.value) && graph.producer(input.value).op == &input_op(), "an input that is no input node");
  }
  names.clear();
  for (const GraphOutput& output : graph.outputs) {
    NETC_CHECK(names.insert(output.name).second, "two outputs are called " + output.name);
    NETC_CHECK(is_value(output.value), "output " + output.name + " has no value");
  }
  names.clear();
  for (const StateVariable& state : graph.states)
    NETC_CHECK(names.insert(state.path).second, "two state variables are called " + state.path);
  std::set<int32_t> updated;
  for (const StateUpdate& update : graph.updates) {
    NETC_CHECK(update.state >= 0 && static_cast<size_t>(update.state) < graph.states.size(), "update of no state");
    NETC_CHECK(updated.insert(update.state).second, "two updates of one state variable");
    NETC_CHECK(is_value(update.value) && graph.type(update.value) == graph.states[static_cast<size_t>(update.state)].type,
               "an update of another type than " + graph.states[static_cast<size_t>(update.state)].path);
  }
}

Graph rewrite(const Graph& graph, const NodeRewrite& rewrite_node) {
  Builder builder;
  for (const StateVariable& state : graph.states) builder.declare_state(state);
  std::vector<ValueId> map(graph.values.size());
  for (const Node& node : graph.nodes) {
    builder.set_origin(node.origin);
    std::vector<ValueId> inputs;
    for (ValueId input : node.inputs)
      inputs.push_back(input.valid() ? map[static_cast<size_t>(input.index)] : ValueId{});
    std::vector<ValueId> results;
    if (node.op == &input_op()) {
      results = {builder.add_input(node.attrs.text("name"), graph.type(node.outputs[0]))};
    } else if (node.op == &state_op()) {
      results = {builder.read_state(static_cast<int32_t>(node.attrs.integer("index")))};
    } else {
      results = rewrite_node(builder, node, inputs);
      if (results.empty())
        results = node.op == &constant_op()
                      ? std::vector{builder.constant(node.attrs.real("value"), graph.type(node.outputs[0]))}
                      : builder.emit_all(*node.op, inputs, node.attrs);
    }
    NETC_CHECK(results.size() == node.outputs.size(), "a rewrite of " + node.op->name + " changed its outputs");
    for (size_t i = 0; i < results.size(); ++i) {
      if (!results[i].valid()) continue;  // an output that nothing uses may be dropped
      NETC_CHECK(builder.type(results[i]) == graph.type(node.outputs[i]), "a rewrite of " + node.op->name + " changed a type");
      map[static_cast<size_t>(node.outputs[i].index)] = results[i];
    }
  }
  for (const GraphOutput& output : graph.outputs)
    builder.add_output(output.name, map[static_cast<size_t>(output.value.index)]);
  for (const StateUpdate& update : graph.updates)
    builder.add_update(update.state, map[static_cast<size_t>(update.value.index)]);
  return builder.finish();
}

}  // namespace netc
