#include "compiler/base/shape.h"

#include "compiler/base/error.h"

namespace netc {

int64_t element_count(const Shape& shape) {
  int64_t count = 1;
  for (int64_t extent : shape) NETC_CHECK(checked_mul(count, extent, count), to_string(shape));
  return count;
}

Shape row_major_strides(const Shape& shape) {
  Shape strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

std::string to_string(const TensorType& type) { return std::string(name_of(type.dtype)) + to_string(type.shape); }

}  // namespace netc
