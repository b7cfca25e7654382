#include "compiler/lower/placement.h"

#include <algorithm>

#include "compiler/base/error.h"
#include "compiler/lower/fuse.h"

namespace netc {

using Part = LayoutDim::Part;

namespace {

int find_dim(const Layout& layout, int dimension, Part part) {
  for (size_t i = 0; i < layout.dims.size(); ++i)
    if (layout.dims[i].dimension == dimension && layout.dims[i].part == part) return static_cast<int>(i);
  return -1;
}

// Gives dimensions of extent 1 the stride that a dense tensor would have, so that equal views are equal texts.
void normalise_ones(Placement& placement, const Shape& shape) {
  int64_t inner = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] == 1) placement.strides[i] = inner;
    else inner = placement.strides[i] * shape[i];
  }
}

bool all_whole(const Layout& layout) {
  return std::all_of(layout.dims.begin(), layout.dims.end(), [](const LayoutDim& d) { return d.part == Part::whole; });
}

}  // namespace

Placement whole_buffer(int32_t buffer, const Layout& given, const Shape& shape) {
  const Layout layout = given.dense() ? dense_layout(shape.size()) : given;
  verify(layout, shape);
  return {buffer, first_element(layout, shape), layout, row_major_strides(physical_shape(layout, shape))};
}

bool is_dense(const Placement& placement, const Shape& shape) {
  return placement.layout == dense_layout(shape.size()) && placement.strides == row_major_strides(shape);
}

Placement with_shape(const Placement& placement, const Shape& from, const Shape& to) {
  if (from == to) return placement;
  NETC_CHECK(same_squeezed(from, to), "not the same elements");
  const std::vector<int> axes = squeezed_axes(from, to);
  Placement result{placement.buffer, placement.offset, {}, {}};
  result.layout.block = placement.layout.block;
  for (size_t i = 0; i < placement.layout.dims.size(); ++i) {
    LayoutDim d = placement.layout.dims[i];
    d.dimension = axes[static_cast<size_t>(d.dimension)];
    if (d.dimension < 0) continue;
    result.layout.dims.push_back(d);
    result.strides.push_back(placement.strides[i]);
  }
  for (size_t d = 0; d < to.size(); ++d) {
    if (to[d] != 1) continue;
    const auto at = static_cast<ptrdiff_t>(std::min(d, result.strides.size()));
    result.layout.dims.insert(result.layout.dims.begin() + at, {Part::whole, static_cast<int>(d)});
    result.strides.insert(result.strides.begin() + at, 0);
  }
  if (result.layout == dense_layout(to.size())) normalise_ones(result, to);
  return result;
}

std::optional<Placement> slice_of(const Placement& placement, const Shape& shape, const Shape& begins, const Shape& extents) {
  Placement result = placement;
  for (size_t i = 0; i < result.layout.dims.size(); ++i) {
    LayoutDim& d = result.layout.dims[i];
    const auto dimension = static_cast<size_t>(d.dimension);
    const int64_t begin = begins[dimension], count = extents[dimension], block = result.layout.block;
    if (begin == 0 && count == shape[dimension]) continue;
    if (d.part == Part::whole) {
      result.offset += begin * result.strides[i];
      d.before = d.after = 0;  // what lies beside a slice is not zero
      continue;
    }
    if (begin % block != 0 || (count % block != 0 && begin + count != shape[dimension])) return std::nullopt;
    if (d.part == Part::outer) result.offset += begin / block * result.strides[i];
  }
  return result;
}

std::optional<Placement> seen_as(const Placement& placement, const Layout& layout, const Shape& shape) {
  Placement result{placement.buffer, placement.offset, layout, {}};
  for (const LayoutDim& want : layout.dims) {
    int i = find_dim(placement.layout, want.dimension, want.part);
    if (i >= 0) {
      const LayoutDim& have = placement.layout.dims[static_cast<size_t>(i)];
      if (have.before < want.before || have.after < want.after || (want.part != Part::whole && placement.layout.block != layout.block))
        return std::nullopt;
      result.strides.push_back(placement.strides[static_cast<size_t>(i)]);
      continue;
    }
    i = find_dim(placement.layout, want.dimension, Part::whole);
    if (i < 0) return std::nullopt;
    const LayoutDim& have = placement.layout.dims[static_cast<size_t>(i)];
    if (placement.strides[static_cast<size_t>(i)] != 1 || shape[static_cast<size_t>(want.dimension)] % layout.block != 0 ||
        have.before + have.after > 0)
      return std::nullopt;
    result.strides.push_back(want.part == Part::outer ? layout.block : 1);
  }
  // Lanes are read and written as vectors.
  if (!layout.dims.empty() && layout.dims.back().part == Part::inner && result.strides.back() != 1) return std::nullopt;
  if (all_whole(layout) && result.layout == dense_layout(shape.size())) normalise_ones(result, shape);
  return result;
}

}  // namespace netc
