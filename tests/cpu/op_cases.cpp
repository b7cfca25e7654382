#include "tests/cpu/op_cases.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace netc {
namespace {

HostTensor sample_tensor(const SampleInput& input, std::mt19937& random) {
  HostTensor tensor = random_tensor(input.type, input.low, input.high, random);
  if (!input.distinct) return tensor;
  // A shuffled ladder of values that are far apart.
  std::vector<size_t> order(tensor.data.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), random);
  for (size_t i = 0; i < order.size(); ++i)
    tensor.data[order[i]] = round_to(
        input.low + (input.high - input.low) * static_cast<double>(i) / static_cast<double>(order.size()),
        input.type.dtype);
  return tensor;
}

OpCase make_case(const OpDef& op, const OpSample& sample) {
  std::mt19937 random(7);
  OpCase result;
  result.name = op.name + "/" + sample.name;
  std::vector<TensorType> types;
  for (const SampleInput& input : sample.inputs) {
    const bool absent = !input.type.shape.empty() && input.type.shape[0] < 0;
    types.push_back(absent ? TensorType{} : input.type);
    result.present.push_back(!absent);
    result.tensors.push_back(absent ? HostTensor{} : sample_tensor(input, random));
  }
  const Attrs attrs = complete_attrs(op, sample.attrs);
  result.outputs = op.infer({attrs, types, result.present, {}});
  result.scalars = {0x123456789abcdef, 5, 0, 1000, 0.125f, 2.0f};
  result.scalars.valid_count =
      types.empty() || types[0].shape.empty() ? 1 : std::max<int64_t>(1, types[0].shape[0] - 1);
  result.expected = interpret_op(op, attrs, result.inputs(), types, result.scalars);
  result.body = body_of(op, attrs, types, result.present, result.outputs);
  return result;
}

}  // namespace

std::vector<const HostTensor*> OpCase::inputs() const {
  std::vector<const HostTensor*> pointers;
  for (size_t i = 0; i < tensors.size(); ++i) pointers.push_back(present[i] ? &tensors[i] : nullptr);
  return pointers;
}

std::vector<OpCase> op_cases() {
  std::vector<OpCase> cases;
  for (const OpDef* op : all_ops()) {
    if (!op->samples || (!op->scalar && !op->contract)) continue;
    for (const OpSample& sample : op->samples()) cases.push_back(make_case(*op, sample));
  }
  return cases;
}

void check_case(const OpCase& sample, const CompiledKernel& kernel) {
  SCOPED_TRACE(sample.name);
  const std::vector<HostTensor> got = kernel.run(sample.inputs(), sample.scalars);
  const std::vector<HostTensor> again = kernel.run(sample.inputs(), sample.scalars, Split::reversed_singles);
  for (size_t o = 0; o < sample.outputs.size(); ++o) {
    const HostTensor& result = got[sample.tensors.size() + o];
    expect_close(sample.expected[o], result, sample.outputs[o].dtype, reduction_length(sample.body),
                 sample.name + " output " + std::to_string(o));
    for (size_t i = 0; i < result.data.size(); ++i)
      ASSERT_TRUE(result.data[i] == again[sample.tensors.size() + o].data[i] || std::isnan(result.data[i]))
          << "depends on the split";
  }
}

}  // namespace netc
