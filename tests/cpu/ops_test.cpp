// Every operator of the registry, on every sample, as one kernel on every target: equal to the
// interpreter within the tolerance table, and bitwise the same however its tasks are dealt out.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/cpu/kernel_harness.h"

namespace netc {
namespace {

const char* const kTargets[] = {"native", "x86-64-v3", "x86-64"};

HostTensor sample_tensor(const SampleInput& input, std::mt19937& random) {
  HostTensor tensor = random_tensor(input.type, input.low, input.high, random);
  if (!input.distinct) return tensor;
  // A shuffled ladder of values that are far apart.
  std::vector<size_t> order(tensor.data.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), random);
  for (size_t i = 0; i < order.size(); ++i)
    tensor.data[order[i]] = round_to(input.low + (input.high - input.low) * static_cast<double>(i) /
                                                     static_cast<double>(order.size()), input.type.dtype);
  return tensor;
}

void check_sample(const OpDef& op, const OpSample& sample, const std::string& target_name) {
  const std::string what = op.name + "/" + sample.name + " on " + target_name;
  SCOPED_TRACE(what);
  std::mt19937 random(7);
  std::vector<TensorType> types;
  std::vector<bool> present;
  std::vector<HostTensor> tensors;
  for (const SampleInput& input : sample.inputs) {
    const bool absent = !input.type.shape.empty() && input.type.shape[0] < 0;
    types.push_back(absent ? TensorType{} : input.type);
    present.push_back(!absent);
    tensors.push_back(absent ? HostTensor{} : sample_tensor(input, random));
  }
  std::vector<const HostTensor*> inputs;
  for (size_t i = 0; i < tensors.size(); ++i) inputs.push_back(present[i] ? &tensors[i] : nullptr);
  const Attrs attrs = complete_attrs(op, sample.attrs);
  const std::vector<TensorType> outputs = op.infer({attrs, types, present, {}});
  RuntimeScalars scalars{0x123456789abcdef, 5, 0, 1000, 0.125f, 2.0f};
  scalars.valid_count = types.empty() || types[0].shape.empty() ? 1 : std::max<int64_t>(1, types[0].shape[0] - 1);
  const std::vector<HostTensor> expected = interpret_op(op, attrs, inputs, types, scalars);

  const KernelBody body = body_of(op, attrs, types, present, outputs);
  const CompiledKernel kernel(body, target_named(target_name));
  const std::vector<HostTensor> got = kernel.run(inputs, scalars);
  const std::vector<HostTensor> again = kernel.run(inputs, scalars, Split::reversed_singles);
  for (size_t o = 0; o < outputs.size(); ++o) {
    const HostTensor& result = got[types.size() + o];
    expect_close(expected[o], result, outputs[o].dtype, reduction_length(body), what + " output " + op.outputs[o]);
    for (size_t i = 0; i < result.data.size(); ++i)
      ASSERT_TRUE(result.data[i] == again[types.size() + o].data[i] || std::isnan(result.data[i])) << "depends on the split";
  }
}

class Ops : public testing::TestWithParam<const char*> {};

TEST_P(Ops, EverySampleMatchesTheInterpreter) {
  for (const OpDef* op : all_ops()) {
    if (!op->samples || (!op->scalar && !op->contract)) continue;
    for (const OpSample& sample : op->samples()) check_sample(*op, sample, GetParam());
  }
}
INSTANTIATE_TEST_SUITE_P(Targets, Ops, testing::ValuesIn(kTargets), [](const auto& instance) {
  std::string name = instance.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace netc
