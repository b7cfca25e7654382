// OpDef: everything that netc knows of one operator (decision 2), in one place.
//
// A row says what the operator is called, which attributes and inputs it takes, which types come out
// (`infer`), how it is differentiated (`vjp`), what it computes (exactly one of `scalar`, `contract`,
// `decompose`; leaves have none), and on which samples it is tested. Documentation (`netc ops`), tests
// (shape, gradient, dtype, wrong input) and fuzzers iterate over the registry (ops/registry.h).
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "compiler/ir/contraction.h"
#include "compiler/ir/graph.h"
#include "compiler/ir/loop_nest.h"

namespace netc {

// An operator refuses its inputs. Sema turns it into a diagnostic at the user's call.
// The message is in the language's terms and without the batch extent: "takes [C], got [512, 7, 7]".
class OpError : public std::runtime_error {
 public:
  OpError(std::string code, const std::string& message, std::string attr = {})
      : std::runtime_error(message), code_(std::move(code)), attr_(std::move(attr)) {}
  const std::string& code() const { return code_; }
  const std::string& attr() const { return attr_; }  // the attribute to underline, if one is at fault

 private:
  std::string code_;
  std::string attr_;
};

// What the callbacks see of a node.
struct OpCall {
  const Attrs& attrs;
  std::vector<TensorType> inputs;   // absent optional inputs: shape empty and `present` false
  std::vector<bool> present;
  std::vector<TensorType> outputs;  // empty during infer
};

struct VjpCall {
  const Attrs& attrs;
  const std::vector<ValueId>& inputs;
  const std::vector<ValueId>& outputs;
  const std::vector<ValueId>& output_gradients;  // invalid where nothing depends on the output
};

enum class AttrType : uint8_t { integer, real, boolean, text, ints };

struct AttrDef {
  std::string name;
  AttrType type;
  std::optional<Attr> fallback;  // the default; none = required
  std::string doc;
};

struct InputDef {
  std::string name;
  std::string doc;           // with shape: "x: [N, C, H, W]"
  bool optional = false;
  bool variadic = false;     // the last input may repeat (concat)
};

struct SampleInput {
  TensorType type;
  double low = -1, high = 1;  // real values are drawn uniformly from it; integers from {low, …, high}
  bool distinct = false;      // values at least 0.01 apart (max pooling: no ties near a step)
};

// A small concrete call on which the operator is tested.
struct OpSample {
  std::string name;
  std::vector<SampleInput> inputs;  // an absent optional input has a type with extent -1: see `absent()`
  Attrs attrs;
};

// What a reduced precision (bf16) changes for an operator; passes/cast_precision.h says how.
enum class Arithmetic : uint8_t {
  f32,          // computes in f32, whatever the type in which its inputs lie in memory
  contraction,  // multiplies inputs 0 and 1 in their own type, adds in f32, gives f32
  movement,     // moves elements and computes nothing: works on any type
  unrounded,    // f32, and wants its inputs as they were computed: losses, metrics, softmax
};

struct OpDef {
  std::string name;
  std::string doc;  // one sentence, the formula, and the paper it comes from
  std::vector<InputDef> inputs;
  std::vector<std::string> outputs;  // names
  std::vector<AttrDef> attrs;

  // Types of the outputs. Attributes are complete (defaults filled in) and of the right type.
  std::vector<TensorType> (*infer)(const OpCall& call) = nullptr;

  // Gradients of the inputs, in order; invalid ids where there is none. May use inputs and outputs.
  std::vector<ValueId> (*vjp)(Builder& builder, const VjpCall& call) = nullptr;
  // Why there is no vjp ("labels are not differentiable"); exactly one of the two is set.
  std::string no_gradient;

  LoopNest (*scalar)(const OpCall& call) = nullptr;
  Contraction (*contract)(const OpCall& call) = nullptr;
  std::vector<ValueId> (*decompose)(Builder& builder, const Attrs& attrs, const std::vector<ValueId>& inputs) = nullptr;
  bool leaf = false;  // input, state, constant
  Arithmetic arithmetic = Arithmetic::f32;

  // Outputs that are the new values of state inputs: {input, output}. Batch norm: {3, 1}, {4, 2}.
  std::vector<std::pair<int, int>> state_updates;

  std::vector<OpSample> (*samples)() = nullptr;
};

// The call as the callbacks see it, from types. Defaults are filled into `attrs` first by
// `complete_attrs`, which THROWS OpError for unknown, missing or ill-typed ones.
Attrs complete_attrs(const OpDef& op, const Attrs& attrs);
OpCall make_call(const Graph& graph, const Node& node);

// The leaves. `input`: attr name. `state`: attr index. `constant`: attr value.
const OpDef& input_op();
const OpDef& state_op();
const OpDef& constant_op();

}  // namespace netc
