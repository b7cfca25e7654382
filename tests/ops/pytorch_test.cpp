// Every operator, outputs and all gradients, against PyTorch in float64 at 1e-9 relative:
// fixtures/ops.json, written by scripts/fixtures/make_op_fixtures.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "compiler/base/error.h"
#include "compiler/ops/registry.h"
#include "tests/fixture/fixture.h"

namespace netc {
namespace {

using nlohmann::json;

constexpr double kTolerance = 1e-9;

// Parts of decompositions and gradients, which the operators that use them cover.
const std::set<std::string> kParts = {
    "batch_norm_sums", "batch_norm_statistics", "channel_affine", "batch_norm_gradient", "batch_norm_gradient_sums",
    "batch_norm_gradient_statistics", "batch_norm_gradient_apply", "convolution_data_gradient",
    "convolution_weight_gradient", "max_pool_gradient", "average_pool_gradient", "adaptive_average_pool_gradient",
    "slice_gradient", "relu_gradient", "leaky_relu_gradient", "sigmoid_gradient", "tanh_gradient", "silu_gradient", "gelu_gradient"};

Attrs attrs_of(const json& object) {
  Attrs attrs;
  for (const auto& [name, value] : object.items()) {
    if (value.is_boolean()) attrs.set(name, value.get<bool>());
    else if (value.is_number_integer()) attrs.set(name, value.get<int64_t>());
    else if (value.is_number_float()) attrs.set(name, value.get<double>());
    else if (value.is_string()) attrs.set(name, value.get<std::string>());
    else attrs.set(name, value.get<Ints>());
  }
  return attrs;
}

void check_case(const json& c) {
  const OpDef& op = netc::op(c.at("op").get<std::string>());
  const std::string path = op.name + "/" + c.at("name").get<std::string>();
  SCOPED_TRACE(path);
  Attrs attrs = complete_attrs(op, attrs_of(c.at("attrs")));
  InterpretInputs given;
  Builder b;
  std::vector<ValueId> inputs;
  for (const json& input : c.at("inputs")) {
    std::string number = std::to_string(inputs.size());
    if (input.is_null()) {
      inputs.push_back({});
      continue;
    }
    DType dtype = dtype_from_name(input.value("dtype", "f32")).value();
    Shape shape = input.at("shape").get<Shape>();
    inputs.push_back(b.add_input("in" + number, {dtype, shape}));
    given.inputs["in" + number] = fixture::hash_tensor(path + "/" + number, shape, input.at("low").get<double>(),
                                                       input.at("high").get<double>(), !is_floating(dtype));
  }
  std::vector<ValueId> outputs = b.emit_all(op, inputs, attrs);
  const json& expected = c.at("outputs");
  for (size_t i = 0; i < expected.size(); ++i) b.add_output("output" + std::to_string(i), outputs.at(i));
  const bool differentiated = c.contains("gradients");
  if (differentiated) {
    ASSERT_NE(op.vjp, nullptr);
    std::vector<ValueId> upstream(outputs.size());
    upstream[0] = b.add_input("u", b.type(outputs[0]));
    given.inputs["u"] = fixture::hash_tensor(path + "/u", b.type(outputs[0]).shape);
    std::vector<ValueId> gradients = op.vjp(b, {attrs, inputs, outputs, upstream});
    for (size_t i = 0; i < gradients.size(); ++i) {
      ASSERT_EQ(gradients[i].valid(), c["gradients"].contains(std::to_string(i))) << "input " << i;
      if (gradients[i].valid()) b.add_output("gradient" + std::to_string(i), gradients[i]);
    }
  }
  const json& scalars = c.at("scalars");
  given.scalars.seed = scalars.value("seed", int64_t{0});
  given.scalars.step = scalars.value("step", int64_t{0});
  given.scalars.valid_count = scalars.value("valid_count", int64_t{0});
  given.scalars.first_sample = scalars.value("first_sample", int64_t{0});
  given.scalars.learning_rate = scalars.value("learning_rate", 0.0f);
  InterpretResult result = interpret(b.finish(), given);
  auto check = [&](const std::string& name, const json& summary) {
    EXPECT_EQ(fixture::difference(result.outputs.at(name), fixture::summary_of(summary), path + "/" + name, kTolerance), "") << name;
  };
  for (size_t i = 0; i < expected.size(); ++i) check("output" + std::to_string(i), expected[i]);
  if (differentiated)
    for (const auto& [number, summary] : c["gradients"].items()) check("gradient" + number, summary);
}

TEST(PyTorch, EveryOperatorAgrees) {
  std::ifstream file(std::string(NETC_TEST_DIR) + "/ops/fixtures/ops.json");
  ASSERT_TRUE(file) << "no fixtures";
  json cases = json::parse(file);
  std::set<std::string> covered = kParts;
  for (const json& c : cases) {
    covered.insert(c.at("op").get<std::string>());
    check_case(c);
  }
  for (const OpDef* op : all_ops())
    EXPECT_TRUE(op->leaf || covered.count(op->name)) << op->name << " has no fixture";
}

}  // namespace
}  // namespace netc
