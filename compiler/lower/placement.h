// Where a value lies: a place in a buffer, and a stride for each dim of a layout. Views are other placements of the same
// memory.
//
// Example: channels 32..63 of x[8, 64, 56, 56] in nChw16c are
//   offset 2*56*56*16, layout [d0, d1/16, d2, d3, d1%16] of [8, 32, 56, 56] with the strides of x
#pragma once

#include <optional>

#include "compiler/base/layout.h"
#include "compiler/ir/graph.h"
#include "compiler/lower/layout.h"

namespace netc {

struct Placement {
  int32_t buffer = -1;
  int64_t offset = 0;  // of element {0, 0, …}, in elements
  Layout layout;       // of the value's dimensions, all listed; halos where zeros lie
  Shape strides;       // per dim of the layout
};

// All of a buffer, from its beginning.
Placement whole_buffer(int32_t buffer, const Layout& layout, const Shape& shape);

// Row-major, without gaps.
bool is_dense(const Placement& placement, const Shape& shape);

// The same elements with other extents of 1. REQUIRES: same_squeezed(from, to).
Placement with_shape(const Placement& placement, const Shape& from, const Shape& to);

// A part of it; nullopt: begins or ends within a block.
std::optional<Placement> slice_of(const Placement& placement, const Shape& shape, const Shape& begins, const Shape& extents);

// The placement as exactly this layout, with no more halo than it says; nullopt: it lies otherwise. What is contiguous
// along a dimension lies in blocks of it as well.
std::optional<Placement> seen_as(const Placement& placement, const Layout& layout, const Shape& shape);

}  // namespace netc
