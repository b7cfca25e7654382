// Every sample of every operator of the registry that is one kernel, with what the interpreter makes of it.
#pragma once

#include <string>
#include <vector>

#include "tests/cpu/kernel_harness.h"

namespace netc {

struct OpCase {
  std::string name;  // "softmax/rows"
  KernelBody body;
  std::vector<HostTensor> tensors;
  std::vector<const HostTensor*> inputs() const;  // null where the sample leaves one out
  std::vector<bool> present;
  RuntimeScalars scalars;
  std::vector<TensorType> outputs;
  std::vector<HostTensor> expected;
};
std::vector<OpCase> op_cases();

// Runs a case's kernel; fails the test unless it is right, however its tasks are dealt out.
void check_case(const OpCase& sample, const CompiledKernel& kernel);

}  // namespace netc
