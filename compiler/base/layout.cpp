#include "compiler/base/layout.h"

#include <algorithm>

#include "compiler/base/error.h"

namespace netc {

using Part = LayoutDim::Part;

namespace {

const Layout& explicit_layout(const Layout& layout, size_t rank, Layout& storage) {
  if (!layout.dense()) return layout;
  return storage = dense_layout(rank);
}

}  // namespace

Layout dense_layout(size_t rank) {
  Layout layout;
  for (size_t d = 0; d < rank; ++d) layout.dims.push_back({Part::whole, static_cast<int>(d)});
  return layout;
}

Layout blocked_layout(size_t rank, const std::vector<int>& split, int64_t block) {
  Layout layout = dense_layout(rank);
  layout.block = block;
  for (int d : split) layout.dims[static_cast<size_t>(d)].part = Part::outer;
  for (int d : split) layout.dims.push_back({Part::inner, d});
  return layout;
}

bool splits(const Layout& layout, int dimension) {
  return std::any_of(layout.dims.begin(), layout.dims.end(),
                     [&](const LayoutDim& d) { return d.dimension == dimension && d.part != Part::whole; });
}

Shape interior_shape(const Layout& layout, const Shape& shape) {
  if (layout.dense()) return shape;
  Shape result;
  for (const LayoutDim& d : layout.dims) {
    const int64_t extent = shape[static_cast<size_t>(d.dimension)];
    result.push_back(d.part == Part::whole ? extent : d.part == Part::outer ? ceil_div(extent, layout.block) : layout.block);
  }
  return result;
}

Shape physical_shape(const Layout& layout, const Shape& shape) {
  Shape result = interior_shape(layout, shape);
  for (size_t i = 0; i < layout.dims.size(); ++i) result[i] += layout.dims[i].before + layout.dims[i].after;
  return result;
}

bool has_padding(const Layout& layout, const Shape& shape) {
  return element_count(physical_shape(layout, shape)) != element_count(shape);
}

int64_t first_element(const Layout& layout, const Shape& shape) {
  const Shape strides = row_major_strides(physical_shape(layout, shape));
  int64_t offset = 0;
  for (size_t i = 0; i < layout.dims.size(); ++i) offset += layout.dims[i].before * strides[i];
  return offset;
}

std::vector<int64_t> element_positions(const Layout& given, const Shape& shape) {
  Layout storage;
  const Layout& layout = explicit_layout(given, shape.size(), storage);
  const Shape strides = row_major_strides(physical_shape(layout, shape));
  // Per dimension and index, its share of the position.
  std::vector<std::vector<int64_t>> shares;
  for (int64_t extent : shape) shares.emplace_back(static_cast<size_t>(extent), 0);
  for (size_t i = 0; i < layout.dims.size(); ++i) {
    const LayoutDim& d = layout.dims[i];
    std::vector<int64_t>& share = shares[static_cast<size_t>(d.dimension)];
    for (int64_t x = 0; x < static_cast<int64_t>(share.size()); ++x) {
      const int64_t index = d.part == Part::whole ? x + d.before : d.part == Part::outer ? x / layout.block : x % layout.block;
      share[static_cast<size_t>(x)] += index * strides[i];
    }
  }
  std::vector<int64_t> positions{0};
  for (const std::vector<int64_t>& share : shares) {
    std::vector<int64_t> longer;
    longer.reserve(positions.size() * share.size());
    for (int64_t position : positions)
      for (int64_t s : share) longer.push_back(position + s);
    positions = std::move(longer);
  }
  return positions;
}

void verify(const Layout& layout, const Shape& shape) {
  if (layout.dense()) return;
  NETC_CHECK(layout.block > 0, "a layout's blocks have places");
  std::vector<int> whole(shape.size(), 0), outer = whole, inner = whole;
  for (const LayoutDim& d : layout.dims) {
    NETC_CHECK(d.dimension >= 0 && d.dimension < static_cast<int>(shape.size()), "a layout's dimension exists");
    NETC_CHECK(d.before >= 0 && d.after >= 0 && (d.part == Part::whole || d.before + d.after == 0),
               "whole dimensions have a halo");
    ++(d.part == Part::whole ? whole : d.part == Part::outer ? outer : inner)[static_cast<size_t>(d.dimension)];
  }
  for (size_t d = 0; d < shape.size(); ++d)
    NETC_CHECK((whole[d] == 1 && outer[d] + inner[d] == 0) || (whole[d] == 0 && outer[d] == 1 && inner[d] == 1),
               "every dimension lies whole, or in blocks, once: " + to_string(layout));
}

std::string to_string(const Layout& layout) {
  if (layout.dense()) return "dense";
  std::string text;
  for (const LayoutDim& d : layout.dims) {
    text += (text.empty() ? "[d" : ", d") + std::to_string(d.dimension);
    if (d.part == Part::outer) text += "/" + std::to_string(layout.block);
    if (d.part == Part::inner) text += "%" + std::to_string(layout.block);
    if (d.before + d.after > 0) text += "-" + std::to_string(d.before) + "+" + std::to_string(d.after);
  }
  return text + "]";
}

}  // namespace netc
