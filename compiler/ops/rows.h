// Short forms for the rows of the registry.
#pragma once

#include "compiler/ir/op_def.h"

namespace netc {

// Inputs of samples: reals drawn from [low, high], or integers from {0, …, classes - 1}.
inline SampleInput reals(Shape shape, double low = -1, double high = 1) {
  return {{DType::f32, std::move(shape)}, low, high, false};
}
inline SampleInput distinct_reals(Shape shape) { return {{DType::f32, std::move(shape)}, -1, 1, true}; }
inline SampleInput labels(Shape shape, int64_t classes) {
  return {{DType::i64, std::move(shape)}, 0, static_cast<double>(classes - 1), false};
}

inline AttrDef integer_attr(const char* name, const char* doc, std::optional<int64_t> fallback = std::nullopt) {
  return {name, AttrType::integer, fallback ? std::optional<Attr>(*fallback) : std::nullopt, doc};
}
inline AttrDef real_attr(const char* name, const char* doc, std::optional<double> fallback = std::nullopt) {
  return {name, AttrType::real, fallback ? std::optional<Attr>(*fallback) : std::nullopt, doc};
}
inline AttrDef boolean_attr(const char* name, const char* doc, bool fallback) {
  return {name, AttrType::boolean, Attr(fallback), doc};
}
inline AttrDef ints_attr(const char* name, const char* doc) { return {name, AttrType::ints, std::nullopt, doc}; }

constexpr const char* kFirstOrderOnly = "a gradient itself: netc differentiates once";

// Shapes on which every element-wise operator is tested.
inline std::vector<OpSample> unary_samples(double low, double high) {
  return {{"image", {reals({2, 3, 5, 4}, low, high)}, {}},
          {"vector", {reals({3, 7}, low, high)}, {}},
          {"number", {reals({}, low, high)}, {}}};
}

}  // namespace netc
