// The reference interpreter: any Graph in double precision (f32 tensors are not rounded; `cast`,
// f16/bf16 results and integers are). Independent of every backend; checked against PyTorch in float64 and against finite
// differences. Contractions run at 200 MMAC/s and more, so that whole networks can be checked.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compiler/base/program.h"
#include "compiler/ir/graph.h"

namespace netc {

// A dense row-major tensor of doubles. Integers up to 2^53 are exact.
struct HostTensor {
  Shape shape;
  std::vector<double> data;
};

struct InterpretInputs {
  std::map<std::string, HostTensor> inputs;  // by graph input name
  std::map<std::string, HostTensor> states;  // by state path
  RuntimeScalars scalars;
  double learning_rate = 0;  // replaces scalars.learning_rate, unrounded
};

struct InterpretResult {
  std::map<std::string, HostTensor> outputs;  // by output name
  std::map<std::string, HostTensor> states;   // every state after the run
};

// REQUIRES: every input and state present with its shape. THROWS RuntimeError otherwise.
InterpretResult interpret(const Graph& graph, const InterpretInputs& inputs);

// One operator on given inputs (absent optional ones: nullptr).
std::vector<HostTensor> interpret_op(const OpDef& op, const Attrs& attrs, const std::vector<const HostTensor*>& inputs,
                                     const std::vector<TensorType>& types, const RuntimeScalars& scalars = {});

}  // namespace netc
