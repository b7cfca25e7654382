// How a tensor lies in memory: the order of its dimensions, outermost first. A dimension lies whole, or in blocks: its
// `outer` part counts blocks, its `inner` part the places within one. Whole dimensions may have a halo of zeros.
//
//   dense NCHW           [d0, d1, d2, d3]
//   NHWC                 [d0, d2, d3, d1]
//   nChw16c              [d0, d1/16, d2, d3, d1%16]
//   with a column of zeros on both sides of a row  [d0, d1/16, d2, d3-1+1, d1%16]
//   convolution weight   [d0/16, d1/16, d2, d3, d1%16, d0%16]
//
// A last block that its dimension does not fill has padding lanes, which hold zeros, as a halo does: element counts and
// strides below include both.
#pragma once

#include <string>
#include <vector>

#include "compiler/base/shape.h"

namespace netc {

struct LayoutDim {
  enum class Part : uint8_t { whole, outer, inner } part = Part::whole;
  int dimension = 0;              // of the tensor
  int64_t before = 0, after = 0;  // positions of zeros beside a whole dimension
  bool operator==(const LayoutDim&) const = default;
};

struct Layout {
  std::vector<LayoutDim> dims;  // none: dense, row-major
  int64_t block = 16;           // places in a block of every split dimension

  bool dense() const { return dims.empty(); }
  bool operator==(const Layout&) const = default;
};

// Row-major over `rank` whole dimensions; what an empty list of dims means.
Layout dense_layout(size_t rank);

// Dimensions in order with those of `split` in blocks, whose inner parts come last: nChw16c is blocked_layout(4, {1}).
Layout blocked_layout(size_t rank, const std::vector<int>& split, int64_t block = 16);

bool splits(const Layout& layout, int dimension);

// Extents of the layout's dims with halo and padding lanes.
Shape physical_shape(const Layout& layout, const Shape& shape);
// The same without halo.
Shape interior_shape(const Layout& layout, const Shape& shape);
// Whether it has padding lanes or a halo.
bool has_padding(const Layout& layout, const Shape& shape);

// Elements from the first one in memory to element {0, 0, …}.
int64_t first_element(const Layout& layout, const Shape& shape);

// For every element in row-major order, where it lies.
std::vector<int64_t> element_positions(const Layout& layout, const Shape& shape);

// THROWS InternalError unless every dimension lies whole once, or as outer and inner once.
void verify(const Layout& layout, const Shape& shape);

// "[d0, d1/16, d2, d3-1+1, d1%16]"; "dense".
std::string to_string(const Layout& layout);

}  // namespace netc
