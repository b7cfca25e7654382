// Shapes and tensor types. A shape lists extents, slowest first; rank 0 is one element.
// Dimension letters: N batch, C channels, H height, W width, K output channels of a convolution.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "compiler/base/dtype.h"

namespace netc {

using Shape = std::vector<int64_t>;

// The number of elements. THROWS InternalError on overflow (front ends check user shapes before).
int64_t element_count(const Shape& shape);

// Row-major strides in elements: {12, 4, 1} for [2, 3, 4].
Shape row_major_strides(const Shape& shape);

// "[64, 56, 56]".
std::string to_string(const Shape& shape);

struct TensorType {
  DType dtype = DType::f32;
  Shape shape;

  int64_t elements() const { return element_count(shape); }
  int64_t bytes() const { return elements() * size_of(dtype); }
  bool operator==(const TensorType&) const = default;
};

// "f32[8, 64, 56, 56]".
std::string to_string(const TensorType& type);

// a * b and a + b; false on signed overflow, in which case `out` is unspecified.
inline bool checked_mul(int64_t a, int64_t b, int64_t& out) { return !__builtin_mul_overflow(a, b, &out); }
inline bool checked_add(int64_t a, int64_t b, int64_t& out) { return !__builtin_add_overflow(a, b, &out); }

// Floor division and its remainder, for positive divisors: floor_div(-1, 2) == -1, floor_mod(-1, 2) == 1.
constexpr int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }
constexpr int64_t floor_mod(int64_t a, int64_t b) { return a % b < 0 ? a % b + b : a % b; }
constexpr int64_t ceil_div(int64_t a, int64_t b) { return floor_div(a + b - 1, b); }

}  // namespace netc
