// The graph: a network, or a training step, as values and operator nodes (decision 1).
//
// A Graph is logical: dense row-major shapes, NCHW, no layouts. It is immutable once built: a Builder
// makes it, and a pass takes `const Graph&` and returns a new one. Nodes are in topological order, every value
// has one definition, and every node knows where in the user's source it came from.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "compiler/base/init_spec.h"
#include "compiler/base/program.h"
#include "compiler/base/shape.h"
#include "compiler/support/diagnostic.h"

namespace netc {

struct OpDef;

struct ValueId {
  int32_t index = -1;
  bool valid() const { return index >= 0; }
  auto operator<=>(const ValueId&) const = default;
};
struct NodeId {
  int32_t index = -1;
  auto operator<=>(const NodeId&) const = default;
};

using Ints = std::vector<int64_t>;
using Attr = std::variant<int64_t, double, bool, std::string, Ints>;

// An operator's attributes by name. The getters check presence and type (InternalError).
class Attrs {
 public:
  Attrs() = default;
  Attrs(std::initializer_list<std::pair<const std::string, Attr>> list) : map_(list) {}
  void set(const std::string& name, Attr value) { map_[name] = std::move(value); }
  bool has(const std::string& name) const { return map_.count(name) > 0; }
  int64_t integer(const std::string& name) const;
  double real(const std::string& name) const;
  bool boolean(const std::string& name) const;
  const std::string& text(const std::string& name) const;
  const Ints& ints(const std::string& name) const;
  const std::map<std::string, Attr>& all() const { return map_; }
  bool operator==(const Attrs&) const = default;

 private:
  std::map<std::string, Attr> map_;
};
std::string to_string(const Attr& attr);

// Where a node comes from. Gradient nodes carry the origin of the node they differentiate.
struct Origin {
  std::string path;             // rule 13: "stage.0.bottleneck0.conv1"
  Span span;                    // the call in the user's file
  std::vector<CallSite> chain;  // the block calls around it, innermost first
};

struct Node {
  const OpDef* op = nullptr;
  Attrs attrs;
  std::vector<ValueId> inputs;  // may hold invalid ids for absent optional inputs
  std::vector<ValueId> outputs;
  Origin origin;
};

struct Value {
  TensorType type;
  NodeId producer;
  int result = 0;  // which output of the producer
};

struct StateVariable {
  std::string path;
  TensorType type;
  StateKind kind = StateKind::parameter;
  InitSpec init;
};

struct GraphInput {
  std::string name;  // "image", "label", "affine"
  ValueId value;
};
struct GraphOutput {
  std::string name;  // "logits", "loss", "top1", …
  ValueId value;
};
// At the end of a run, state variable `state` becomes `value`.
struct StateUpdate {
  int32_t state = 0;
  ValueId value;
};

struct Graph {
  std::vector<Node> nodes;  // topological
  std::vector<Value> values;
  std::vector<GraphInput> inputs;        // each the output of an `input` node
  std::vector<StateVariable> states;     // read by `state` nodes (attr "index")
  std::vector<GraphOutput> outputs;
  std::vector<StateUpdate> updates;

  const Node& node(NodeId id) const { return nodes[static_cast<size_t>(id.index)]; }
  const Value& value(ValueId id) const { return values[static_cast<size_t>(id.index)]; }
  const TensorType& type(ValueId id) const { return value(id).type; }
  const Node& producer(ValueId id) const { return node(value(id).producer); }
  ValueId output(const std::string& name) const;  // invalid if there is none
  int32_t state_index(const std::string& path) const;  // -1 if there is none
};

// Builds a Graph node by node; types come from each operator's `infer`.
class Builder {
 public:
  Builder() = default;

  // New nodes get this origin until it is set again.
  void set_origin(Origin origin) { origin_ = std::move(origin); }
  const Origin& origin() const { return origin_; }

  // Appends a node. THROWS OpError if the operator refuses the types or attributes.
  std::vector<ValueId> emit_all(const OpDef& op, std::vector<ValueId> inputs, Attrs attrs = {});
  // The same for an operator with one output.
  ValueId emit(const OpDef& op, std::vector<ValueId> inputs, Attrs attrs = {});

  ValueId add_input(const std::string& name, TensorType type);
  // A new state variable and its value at the beginning of a run.
  ValueId add_state(StateVariable variable);
  // Declares the variable only; `read_state` makes (once) the node that reads it.
  int32_t declare_state(StateVariable variable);
  ValueId read_state(int32_t state);
  ValueId constant(double value, TensorType type);  // every element equal
  void add_output(const std::string& name, ValueId value) { graph_.outputs.push_back({name, value}); }
  void add_update(int32_t state, ValueId value) { graph_.updates.push_back({state, value}); }

  const Graph& graph() const { return graph_; }
  const TensorType& type(ValueId id) const { return graph_.type(id); }
  // Ends building; verifies.
  Graph finish();

 private:
  Graph graph_;
  Origin origin_;
  std::map<int32_t, ValueId> state_reads_;
};

// THROWS InternalError with the first broken invariant: topological order, types as `infer` says,
// unique input, state and output names, valid ids, updates of the state's own type.
void verify(const Graph& graph);

// The text form, one node a line, which `parse_graph` reads back. With paths as trailing comments.
//   %2: f32[8, 64] = relu(%1) {slope = 0.1}  // stage.0.relu0
std::string to_string(const Graph& graph);
// THROWS InternalError with the line for malformed text. `find_op` maps names to operators.
Graph parse_graph(const std::string& text, const std::function<const OpDef*(const std::string&)>& find_op);

// Rewrites node by node. `rewrite` gets the builder of the new graph, the old node and its inputs in
// the new graph; it returns the values that stand for the node's outputs, or an empty vector to copy the node as
// it is. Inputs, states, outputs and updates are carried over. Origins are kept.
using NodeRewrite =
    std::function<std::vector<ValueId>(Builder& builder, const Node& node, const std::vector<ValueId>& inputs)>;
Graph rewrite(const Graph& graph, const NodeRewrite& rewrite_node);

}  // namespace netc
