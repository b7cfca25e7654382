#include "compiler/ops/build.h"

#include <algorithm>

#include "compiler/ops/registry.h"

namespace netc::build {

ValueId number(Builder& builder, double value, ValueId like) {
  const TensorType& type = builder.type(like);
  return builder.constant(value, {type.dtype, Shape(type.shape.size(), 1)});
}

ValueId add(Builder& builder, ValueId a, ValueId b) { return builder.emit(op("add"), {a, b}); }
ValueId sub(Builder& builder, ValueId a, ValueId b) { return builder.emit(op("sub"), {a, b}); }
ValueId mul(Builder& builder, ValueId a, ValueId b) { return builder.emit(op("mul"), {a, b}); }
ValueId div(Builder& builder, ValueId a, ValueId b) { return builder.emit(op("div"), {a, b}); }
ValueId maximum(Builder& builder, ValueId a, ValueId b) { return builder.emit(op("maximum"), {a, b}); }
ValueId minimum(Builder& builder, ValueId a, ValueId b) { return builder.emit(op("minimum"), {a, b}); }
ValueId greater(Builder& builder, ValueId a, ValueId b) { return builder.emit(op("greater"), {a, b}); }
ValueId equal(Builder& builder, ValueId a, ValueId b) { return builder.emit(op("equal"), {a, b}); }
ValueId select(Builder& builder, ValueId condition, ValueId a, ValueId b) {
  return builder.emit(op("select"), {condition, a, b});
}

ValueId add(Builder& builder, ValueId a, double b) { return add(builder, a, number(builder, b, a)); }
ValueId sub(Builder& builder, ValueId a, double b) { return sub(builder, a, number(builder, b, a)); }
ValueId mul(Builder& builder, ValueId a, double b) { return mul(builder, a, number(builder, b, a)); }
ValueId div(Builder& builder, ValueId a, double b) { return div(builder, a, number(builder, b, a)); }

ValueId neg(Builder& builder, ValueId x) { return builder.emit(op("neg"), {x}); }
ValueId exp(Builder& builder, ValueId x) { return builder.emit(op("exp"), {x}); }
ValueId log(Builder& builder, ValueId x) { return builder.emit(op("log"), {x}); }
ValueId sqrt(Builder& builder, ValueId x) { return builder.emit(op("sqrt"), {x}); }
ValueId rsqrt(Builder& builder, ValueId x) { return builder.emit(op("rsqrt"), {x}); }
ValueId square(Builder& builder, ValueId x) { return builder.emit(op("square"), {x}); }
ValueId relu(Builder& builder, ValueId x) { return builder.emit(op("relu"), {x}); }
ValueId pow(Builder& builder, ValueId x, double exponent) {
  return builder.emit(op("pow"), {x}, {{"exponent", exponent}});
}
ValueId cast(Builder& builder, ValueId x, DType dtype) {
  if (builder.type(x).dtype == dtype) return x;
  return builder.emit(op("cast"), {x}, {{"dtype", std::string(name_of(dtype))}});
}

ValueId reshape(Builder& builder, ValueId x, Shape shape) {
  if (builder.type(x).shape == shape) return x;
  return builder.emit(op("reshape"), {x}, {{"shape", std::move(shape)}});
}
ValueId transpose(Builder& builder, ValueId x, Ints permutation) {
  return builder.emit(op("transpose"), {x}, {{"permutation", std::move(permutation)}});
}
ValueId broadcast(Builder& builder, ValueId x, Shape shape) {
  if (builder.type(x).shape == shape) return x;
  return builder.emit(op("broadcast"), {x}, {{"shape", std::move(shape)}});
}
ValueId slice(Builder& builder, ValueId x, Ints begins, Ints sizes, Ints steps) {
  return builder.emit(op("slice"), {x},
                      {{"begins", std::move(begins)}, {"sizes", std::move(sizes)}, {"steps", std::move(steps)}});
}
ValueId pad(Builder& builder, ValueId x, Ints before, Ints after, double value) {
  return builder.emit(op("pad"), {x}, {{"before", std::move(before)}, {"after", std::move(after)}, {"value", value}});
}
ValueId concat(Builder& builder, std::vector<ValueId> values, int64_t axis) {
  return builder.emit(op("concat"), std::move(values), {{"axis", axis}});
}

ValueId reduce_sum(Builder& builder, ValueId x, Ints axes, bool keep) {
  return builder.emit(op("reduce_sum"), {x}, {{"axes", std::move(axes)}, {"keep", keep}});
}
ValueId reduce_mean(Builder& builder, ValueId x, Ints axes, bool keep) {
  return builder.emit(op("reduce_mean"), {x}, {{"axes", std::move(axes)}, {"keep", keep}});
}
ValueId reduce_max(Builder& builder, ValueId x, Ints axes, bool keep) {
  return builder.emit(op("reduce_max"), {x}, {{"axes", std::move(axes)}, {"keep", keep}});
}

ValueId sum_to(Builder& builder, ValueId x, Shape shape) {
  const Shape from = builder.type(x).shape;
  Ints axes;
  for (size_t i = 0; i < from.size(); ++i)
    if (shape[i] == 1 && from[i] != 1) axes.push_back(static_cast<int64_t>(i));
  return axes.empty() ? x : reduce_sum(builder, x, std::move(axes), true);
}

Ints axes_except(size_t rank, const Ints& except) {
  Ints axes;
  for (int64_t axis = 0; axis < static_cast<int64_t>(rank); ++axis)
    if (std::find(except.begin(), except.end(), axis) == except.end()) axes.push_back(axis);
  return axes;
}

}  // namespace netc::build
