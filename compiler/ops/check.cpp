#include "compiler/ops/check.h"

#include <algorithm>

namespace netc::check {

std::string per_sample(const Shape& shape) {
  return to_string(shape.empty() ? shape : Shape(shape.begin() + 1, shape.end()));
}

void refuse_shapes(const std::string& what, const Shape& a, const Shape& b) {
  bool one_batch = !a.empty() && !b.empty() && a[0] == b[0];
  throw OpError("E0204", what + ": " + (one_batch ? per_sample(a) : to_string(a)) + " and " +
                             (one_batch ? per_sample(b) : to_string(b)));
}

void require_argument(bool holds, const std::string& message, const std::string& attr) {
  if (!holds) throw OpError("E0207", message, attr);
}

void floating(const OpCall& call, size_t input) {
  if (!is_floating(call.inputs[input].dtype))
    throw OpError("E0206", "takes real numbers, got " + std::string(name_of(call.inputs[input].dtype)));
}

void integral(const OpCall& call, size_t input) {
  if (is_floating(call.inputs[input].dtype))
    throw OpError("E0206", "takes class numbers, got " + std::string(name_of(call.inputs[input].dtype)));
}

void same_dtype(const OpCall& call, size_t a, size_t b) {
  if (call.inputs[a].dtype != call.inputs[b].dtype)
    throw OpError("E0206", "the element types differ: " + std::string(name_of(call.inputs[a].dtype)) + " and " +
                               std::string(name_of(call.inputs[b].dtype)));
}

void rank(const OpCall& call, size_t input, size_t wanted, const char* takes) {
  if (call.inputs[input].shape.size() != wanted)
    throw OpError("E0205", "takes " + std::string(takes) + ", got " + per_sample(call.inputs[input].shape));
}

void at_least_rank(const OpCall& call, size_t input, size_t wanted, const char* takes) {
  if (call.inputs[input].shape.size() < wanted)
    throw OpError("E0205", "takes " + std::string(takes) + ", got " + per_sample(call.inputs[input].shape));
}

void shape(const OpCall& call, size_t input, const Shape& wanted, const char* name) {
  if (call.inputs[input].shape != wanted)
    throw OpError("E0204", std::string(name) + " must be " + to_string(wanted) + ", got " +
                               to_string(call.inputs[input].shape));
}

void bias(const OpCall& call, int64_t extent) {
  if (call.inputs[2].dtype != DType::f32)
    throw OpError("E0206", "the bias is f32, got " + std::string(name_of(call.inputs[2].dtype)));
  shape(call, 2, {extent}, "the bias");
}

std::string argument_of(const std::string& attr) {
  bool of_axis = attr.size() > 2 && (attr.ends_with("_h") || attr.ends_with("_w"));
  return of_axis ? attr.substr(0, attr.size() - 2) : attr;
}

int64_t integer_between(const OpCall& call, const std::string& attr, int64_t first, int64_t last) {
  int64_t value = call.attrs.integer(attr);
  std::string argument = argument_of(attr);
  require_argument(value >= first && value <= last,
                   "`" + argument + "` is " + std::to_string(value) + ", must be " +
                       (last == 2147483647 ? "at least " + std::to_string(first)
                                           : "from " + std::to_string(first) + " to " + std::to_string(last)),
                   argument);
  return value;
}

int64_t axis(const OpCall& call, const char* attr) {
  int64_t rank = static_cast<int64_t>(call.inputs[0].shape.size());
  require_argument(rank > 0, "a tensor without axes has no axis to name", attr);
  return integer_between(call, attr, 0, rank - 1);
}

Ints axes(const OpCall& call) {
  Ints axes = call.attrs.ints("axes");
  int64_t rank = static_cast<int64_t>(call.inputs[0].shape.size());
  std::sort(axes.begin(), axes.end());
  require_argument(!axes.empty(), "`axes` must name at least one axis", "axes");
  require_argument(axes.front() >= 0 && axes.back() < rank,
                   "`axes` names an axis that " + per_sample(call.inputs[0].shape) + " does not have", "axes");
  require_argument(std::adjacent_find(axes.begin(), axes.end()) == axes.end(), "`axes` names an axis twice", "axes");
  return axes;
}

int64_t count(const Shape& shape) {
  int64_t total = 1;
  for (int64_t extent : shape)
    if (extent < 1 || !checked_mul(total, extent, total) || total > (int64_t{1} << 50))
      throw OpError("E0207", "a tensor of shape " + to_string(shape) + " is too large");
  return total;
}

}  // namespace netc::check
