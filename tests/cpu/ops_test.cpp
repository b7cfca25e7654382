// Every operator of the registry, on every sample, as one kernel on every target: equal to the
// interpreter within the tolerance table, and bitwise the same however its tasks are dealt out.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/cpu/op_cases.h"

namespace netc {
namespace {

const char* const kTargets[] = {"native", "x86-64-v3", "x86-64"};

class Ops : public testing::TestWithParam<const char*> {};

TEST_P(Ops, EverySampleMatchesTheInterpreter) {
  const Target target = target_named(GetParam());
  for (const OpCase& sample : op_cases()) check_case(sample, CompiledKernel(sample.body, target));
}
INSTANTIATE_TEST_SUITE_P(Targets, Ops, testing::ValuesIn(kTargets), [](const auto& instance) {
  std::string name = instance.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace netc
