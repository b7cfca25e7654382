// Walks a graph in order, evaluates each node, and frees values after their last use.
#include "compiler/interpret/interpret.h"

#include <fmt/format.h>

#include <memory>

#include "compiler/base/error.h"
#include "compiler/interpret/evaluate.h"
#include "compiler/ir/op_def.h"

namespace netc {
namespace {

void round_elements(HostTensor& tensor, DType dtype) {
  if (dtype == DType::f32) return;
  for (double& value : tensor.data) value = round_to(value, dtype);
}

std::vector<HostTensor> evaluate_decomposed(const OpDef& op, const OpCall& call,
                                            const std::vector<const HostTensor*>& inputs, const RunScalars& run);

std::vector<HostTensor> evaluate_op(const OpDef& op, const OpCall& call, const std::vector<const HostTensor*>& inputs,
                                    const RunScalars& run) {
  if (op.scalar) return evaluate_nest(op.scalar(call), inputs, call.outputs, run);
  if (op.contract) {
    Contraction contraction = op.contract(call);
    verify(contraction);
    std::vector<HostTensor> outputs{evaluate_contraction(contraction, *inputs.at(0), *inputs.at(1))};
    round_elements(outputs[0], call.outputs[0].dtype);
    return outputs;
  }
  NETC_CHECK(op.decompose, op.name + " has no meaning");
  return evaluate_decomposed(op, call, inputs, run);
}

// The values of one run. A value is either borrowed from the caller or owned.
class Values {
 public:
  explicit Values(const Graph& graph) : graph_(graph), slots_(graph.values.size()), uses_(graph.values.size(), 0) {
    auto use = [&](ValueId id) {
      if (id.valid()) ++uses_[static_cast<size_t>(id.index)];
    };
    for (const Node& node : graph.nodes)
      for (ValueId input : node.inputs) use(input);
    for (const GraphOutput& output : graph.outputs) use(output.value);
    for (const StateUpdate& update : graph.updates) use(update.value);
  }

  void borrow(ValueId id, const HostTensor* tensor) { slot(id).view = tensor; }
  void own(ValueId id, HostTensor tensor) {
    NETC_CHECK(tensor.shape == graph_.type(id).shape, "a value of another shape than its type");
    if (uses_[static_cast<size_t>(id.index)] == 0) return;
    slot(id).owned = std::make_unique<HostTensor>(std::move(tensor));
    slot(id).view = slot(id).owned.get();
  }
  const HostTensor* view(ValueId id) { return id.valid() ? slot(id).view : nullptr; }

  // One use less; the last one frees.
  void release(ValueId id) {
    if (id.valid() && --uses_[static_cast<size_t>(id.index)] == 0) slot(id) = {};
  }
  // The value itself, moved out if this is its last use.
  HostTensor take(ValueId id) {
    Slot& s = slot(id);
    bool last = --uses_[static_cast<size_t>(id.index)] == 0;
    return last && s.owned ? std::move(*s.owned) : *s.view;
  }

 private:
  struct Slot {
    std::unique_ptr<HostTensor> owned;
    const HostTensor* view = nullptr;
  };
  Slot& slot(ValueId id) { return slots_[static_cast<size_t>(id.index)]; }

  const Graph& graph_;
  std::vector<Slot> slots_;
  std::vector<int> uses_;
};

// `values` holds the inputs and the states' reads; afterwards also what outputs and updates need.
void run_nodes(const Graph& graph, Values& values, const RunScalars& run) {
  for (const Node& node : graph.nodes) {
    if (node.op == &constant_op()) {
      const TensorType& type = graph.type(node.outputs[0]);
      double value = node.attrs.real("value");
      if (type.dtype != DType::f32) value = round_to(value, type.dtype);
      values.own(node.outputs[0], {type.shape, std::vector<double>(static_cast<size_t>(type.elements()), value)});
    }
    if (node.op->leaf) continue;
    std::vector<const HostTensor*> inputs;
    for (ValueId input : node.inputs) inputs.push_back(values.view(input));
    std::vector<HostTensor> outputs = evaluate_op(*node.op, make_call(graph, node), inputs, run);
    for (size_t i = 0; i < outputs.size(); ++i) values.own(node.outputs[i], std::move(outputs[i]));
    for (ValueId input : node.inputs) values.release(input);
  }
}

std::vector<HostTensor> evaluate_decomposed(const OpDef& op, const OpCall& call,
                                            const std::vector<const HostTensor*>& inputs, const RunScalars& run) {
  Builder builder;
  std::vector<ValueId> ids;
  for (size_t i = 0; i < inputs.size(); ++i)
    ids.push_back(inputs[i] ? builder.add_input("in" + std::to_string(i), call.inputs[i]) : ValueId{});
  std::vector<ValueId> results = op.decompose(builder, call.attrs, ids);
  NETC_CHECK(results.size() == call.outputs.size(), op.name + " decomposes into another number of outputs");
  for (size_t i = 0; i < results.size(); ++i) {
    NETC_CHECK(builder.type(results[i]) == call.outputs[i], op.name + " decomposes into another type");
    builder.add_output("out" + std::to_string(i), results[i]);
  }
  Graph graph = builder.finish();
  Values values(graph);
  for (size_t i = 0; i < ids.size(); ++i)
    if (ids[i].valid()) values.borrow(ids[i], inputs[i]);
  run_nodes(graph, values, run);
  std::vector<HostTensor> outputs;
  for (const GraphOutput& output : graph.outputs) outputs.push_back(values.take(output.value));
  return outputs;
}

const HostTensor& find(const std::map<std::string, HostTensor>& tensors, const char* what, const std::string& name,
                       const TensorType& type) {
  auto found = tensors.find(name);
  if (found == tensors.end()) throw RuntimeError("E0912", fmt::format("{} `{}` has no value", what, name));
  const HostTensor& tensor = found->second;
  if (tensor.shape != type.shape || static_cast<int64_t>(tensor.data.size()) != type.elements())
    throw RuntimeError("E0912", fmt::format("{} `{}` is {}, got {} with {} elements", what, name, to_string(type),
                                            to_string(tensor.shape), tensor.data.size()));
  return tensor;
}

}  // namespace

InterpretResult interpret(const Graph& graph, const InterpretInputs& inputs) {
  Values values(graph);
  for (const GraphInput& input : graph.inputs)
    values.borrow(input.value, &find(inputs.inputs, "input", input.name, graph.type(input.value)));
  for (const StateVariable& state : graph.states) find(inputs.states, "state", state.path, state.type);
  for (const Node& node : graph.nodes)
    if (node.op == &state_op())
      values.borrow(node.outputs[0],
                    &inputs.states.at(graph.states[static_cast<size_t>(node.attrs.integer("index"))].path));

  RunScalars run{inputs.scalars, inputs.learning_rate};
  if (run.learning_rate == 0) run.learning_rate = inputs.scalars.learning_rate;
  run_nodes(graph, values, run);

  InterpretResult result;
  for (const GraphOutput& output : graph.outputs) result.outputs[output.name] = values.take(output.value);
  for (const StateUpdate& update : graph.updates)
    result.states[graph.states[static_cast<size_t>(update.state)].path] = values.take(update.value);
  for (const StateVariable& state : graph.states)
    if (!result.states.count(state.path)) result.states[state.path] = inputs.states.at(state.path);
  return result;
}

std::vector<HostTensor> interpret_op(const OpDef& op, const Attrs& attrs, const std::vector<const HostTensor*>& inputs,
                                     const std::vector<TensorType>& types, const RuntimeScalars& scalars) {
  Attrs complete = complete_attrs(op, attrs);
  OpCall call{complete, {}, {}, {}};
  for (size_t i = 0; i < inputs.size(); ++i) {
    call.present.push_back(inputs[i] != nullptr);
    call.inputs.push_back(inputs[i] ? types.at(i) : TensorType{});
    NETC_CHECK(!inputs[i] || inputs[i]->shape == types[i].shape, "an input of another shape than its type");
  }
  call.outputs = op.infer(call);
  return evaluate_op(op, call, inputs, {scalars, scalars.learning_rate});
}

}  // namespace netc
