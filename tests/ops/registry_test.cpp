// What every row of the registry must have, and what `infer` must do with types that make no sense:
// refuse in the language's terms, never crash.
#include <gtest/gtest.h>

#include <random>

#include "compiler/base/error.h"
#include "compiler/ops/registry.h"

namespace netc {
namespace {

std::vector<ValueId> add_inputs(Builder& builder, const std::vector<TensorType>& types) {
  std::vector<ValueId> inputs;
  for (const TensorType& type : types) {
    bool absent = type.shape == Shape{-1};
    inputs.push_back(absent ? ValueId{} : builder.add_input("in" + std::to_string(inputs.size()), type));
  }
  return inputs;
}

std::vector<TensorType> types_of(const OpSample& sample) {
  std::vector<TensorType> types;
  for (const SampleInput& input : sample.inputs) types.push_back(input.type);
  return types;
}

TEST(Registry, IsSortedAndFindsEveryName) {
  const std::vector<const OpDef*>& ops = all_ops();
  for (size_t i = 0; i < ops.size(); ++i) {
    if (i > 0) {
      EXPECT_LT(ops[i - 1]->name, ops[i]->name);
    }
    EXPECT_EQ(find_op(ops[i]->name), ops[i]);
  }
  EXPECT_EQ(find_op("conv2d"), nullptr);
  EXPECT_THROW(op("conv2d"), InternalError);
}

TEST(Registry, EveryRowIsComplete) {
  for (const OpDef* op : all_ops()) {
    SCOPED_TRACE(op->name);
    EXPECT_FALSE(op->doc.empty());
    EXPECT_FALSE(op->outputs.empty());
    EXPECT_NE(op->vjp != nullptr, !op->no_gradient.empty()) << "a gradient, or the reason for none";
    int definitions = (op->scalar != nullptr) + (op->contract != nullptr) + (op->decompose != nullptr) + op->leaf;
    EXPECT_EQ(definitions, 1);
    for (const AttrDef& attr : op->attrs) EXPECT_FALSE(attr.doc.empty()) << attr.name;
    for (const InputDef& input : op->inputs) EXPECT_FALSE(input.doc.empty()) << input.name;
    if (op->leaf) continue;
    ASSERT_NE(op->infer, nullptr);
    ASSERT_NE(op->samples, nullptr);
    EXPECT_FALSE(op->samples().empty());
  }
}

// Every sample builds, also its decomposition and its gradient, with the types that `infer` promises.
TEST(Registry, SamplesBuild) {
  for (const OpDef* op : all_ops()) {
    if (op->leaf) continue;
    for (const OpSample& sample : op->samples()) {
      SCOPED_TRACE(op->name + " " + sample.name);
      Builder b;
      std::vector<ValueId> inputs = add_inputs(b, types_of(sample));
      std::vector<ValueId> outputs = b.emit_all(*op, inputs, sample.attrs);
      ASSERT_EQ(outputs.size(), op->outputs.size());
      Attrs attrs = complete_attrs(*op, sample.attrs);
      if (op->decompose) {
        std::vector<ValueId> parts = op->decompose(b, attrs, inputs);
        ASSERT_EQ(parts.size(), outputs.size());
        for (size_t i = 0; i < parts.size(); ++i) EXPECT_EQ(b.type(parts[i]), b.type(outputs[i]));
      }
      if (op->vjp) {
        std::vector<ValueId> gradients(outputs.size());
        gradients[0] = b.add_input("gradient", b.type(outputs[0]));
        std::vector<ValueId> result = op->vjp(b, {attrs, inputs, outputs, gradients});
        ASSERT_EQ(result.size(), inputs.size());
        for (size_t i = 0; i < result.size(); ++i)
          if (result[i].valid()) {
            EXPECT_EQ(b.type(result[i]), b.type(inputs[i]));
          }
      }
      b.finish();
    }
  }
}

// Mutates a sample's types and attributes at random.
struct Mutator {
  std::mt19937 random{7};

  int64_t pick(int64_t last) { return static_cast<int64_t>(random() % static_cast<uint64_t>(last + 1)); }

  void mutate(std::vector<TensorType>& types) {
    if (types.empty()) return;
    TensorType& type = types[static_cast<size_t>(pick(static_cast<int64_t>(types.size()) - 1))];
    if (type.shape == Shape{-1}) return;
    switch (pick(4)) {
      case 0: type.shape.push_back(1 + pick(3)); break;
      case 1: if (!type.shape.empty()) type.shape.pop_back(); break;
      case 2: if (!type.shape.empty()) type.shape[static_cast<size_t>(pick(static_cast<int64_t>(type.shape.size()) - 1))] = 1 + pick(9); break;
      case 3: type.dtype = static_cast<DType>(pick(5)); break;
      case 4: type.shape.clear(); break;
    }
  }

  Attrs mutate(const Attrs& attrs) {
    Attrs result = attrs;
    int64_t target = attrs.all().empty() ? 0 : pick(static_cast<int64_t>(attrs.all().size()) - 1);
    for (const auto& [name, value] : attrs.all()) {
      if (target-- != 0) continue;
      const int64_t odd[] = {0, -1, 1, 2, 3, 7, 1000000, INT64_MAX, INT64_MIN, int64_t{1} << 31};
      auto number = [&] { return odd[pick(std::size(odd) - 1)]; };
      if (std::holds_alternative<int64_t>(value)) result.set(name, number());
      if (std::holds_alternative<double>(value)) result.set(name, static_cast<double>(number()));
      if (std::holds_alternative<std::string>(value)) result.set(name, std::string("nonsense"));
      if (const Ints* list = std::get_if<Ints>(&value)) {
        Ints changed = *list;
        if (pick(2) == 0) changed.push_back(number());
        else if (!changed.empty()) changed[static_cast<size_t>(pick(static_cast<int64_t>(changed.size()) - 1))] = number();
        result.set(name, changed);
      }
    }
    return result;
  }
};

TEST(Registry, WrongInputsAreRefusedNotCrashedOn) {
  Mutator mutator;
  int refused = 0;
  for (const OpDef* op : all_ops()) {
    if (op->leaf) continue;
    for (const OpSample& sample : op->samples()) {
      for (int round = 0; round < 100; ++round) {
        std::vector<TensorType> types = types_of(sample);
        Attrs attrs = complete_attrs(*op, sample.attrs);
        for (int64_t i = mutator.pick(2); i >= 0; --i) mutator.mutate(types);
        if (mutator.pick(1) == 0) attrs = mutator.mutate(attrs);
        SCOPED_TRACE(op->name + " " + sample.name);
        try {
          Builder b;
          std::vector<ValueId> inputs = add_inputs(b, types);
          std::vector<ValueId> outputs = b.emit_all(*op, inputs, attrs);
          // What infer lets through, the definition must be able to say.
          int64_t elements = 0;
          for (ValueId output : outputs) elements += b.type(output).elements();
          Attrs complete = complete_attrs(*op, attrs);
          if (op->decompose) op->decompose(b, complete, inputs);
          if (op->scalar) op->scalar(make_call(b.graph(), b.graph().producer(outputs[0])));
          if (op->contract) op->contract(make_call(b.graph(), b.graph().producer(outputs[0])));
        } catch (const OpError& error) {
          ++refused;
          EXPECT_FALSE(error.code().empty());
          EXPECT_FALSE(std::string(error.what()).empty());
        } catch (const std::exception& error) {
          ADD_FAILURE() << error.what();
        }
      }
    }
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace netc
