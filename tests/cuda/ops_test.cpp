// Every operator of the registry, on every sample, as an emulated CUDA kernel.
#include <gtest/gtest.h>

#include "tests/cpu/op_cases.h"
#include "tests/cuda/emulated_kernels.h"

namespace netc {
namespace {

TEST(CudaOps, EverySampleMatchesTheInterpreter) {
  const std::vector<OpCase> cases = op_cases();
  std::vector<KernelBody> bodies;
  for (const OpCase& sample : cases) bodies.push_back(sample.body);
  const EmulatedKernels kernels(std::move(bodies));
  for (size_t i = 0; i < cases.size(); ++i) check_case(cases[i], kernels.kernel(i));
}

}  // namespace
}  // namespace netc
