// The parts of the interpreter: what a loop nest and a contraction compute, in double precision.
#pragma once

#include <vector>

#include "compiler/interpret/interpret.h"
#include "compiler/ir/contraction.h"
#include "compiler/ir/loop_nest.h"

namespace netc {

struct RunScalars {
  RuntimeScalars scalars;
  double learning_rate = 0;
};

// The outputs of a `scalar` operator. `operands[i]` may be null where the nest does not load it.
// THROWS InternalError for a load outside of its operand.
std::vector<HostTensor> evaluate_nest(const LoopNest& nest, const std::vector<const HostTensor*>& operands,
                                      const std::vector<TensorType>& outputs, const RunScalars& run);

// The output tensor, given the tensors at first_input() and second_input() (of second_shape()).
HostTensor evaluate_contraction(const Contraction& contraction, const HostTensor& first, const HostTensor& second);
// The same for one that is given its weights transformed, by its definition (ir/winograd.h).
HostTensor evaluate_winograd(const Contraction& contraction, const HostTensor& x, const HostTensor& transformed);

}  // namespace netc
