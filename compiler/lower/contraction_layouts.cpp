#include "compiler/lower/contraction_layouts.h"

#include <algorithm>
#include <tuple>

namespace netc {

using Part = LayoutDim::Part;

namespace {

int64_t extent_of(const Contraction& c, int axis) { return c.axes[static_cast<size_t>(axis)].extent; }

// x[n, g*C + c, h, w], w[g*K + k, c, kh, kw], y[n, g*K + k, oh, ow]; or a weight gradient in parts (ops/split_sums):
// x[p*N + n, c, h, w], w[p*K + k, c, kh, kw], y[p*N + n, k, oh, ow].
struct ImageForm {
  int c = -1, k = -1, group = -1;
  bool in_parts = false;
};

std::optional<ImageForm> match_image(const Contraction& contraction) {
  for (const ContractionTensor& t : contraction.tensors)
    if (t.shape.size() != 4) return std::nullopt;
  const auto& [x, w, y] = contraction.tensors;
  auto last_axis = [](const AxisSum& sum) { return sum.terms.empty() ? -1 : sum.terms.back().axis; };
  ImageForm form{last_axis(w.index[1]), last_axis(w.index[0])};
  if (form.c < 0 || form.k < 0 || w.index[1].terms.size() != 1 || x.index[1].terms.empty() || last_axis(x.index[1]) != form.c)
    return std::nullopt;
  form.in_parts = contraction.output == 1 && x.index[0].terms.size() == 2 && w.index[0].terms.size() == 2 &&
                  w.index[0].terms[0].axis == x.index[0].terms[0].axis && y.index[1] == AxisSum{{{form.k, 1}}, 0};
  if (form.in_parts) return form;
  if (y.index[1] != w.index[0]) return std::nullopt;
  if (x.index[1].terms.size() == 2) form.group = x.index[1].terms[0].axis;
  if (x.index[1].terms.size() > 2 || y.index[1].terms.size() != x.index[1].terms.size()) return std::nullopt;
  return form;
}

// How far an index of one dimension leaves the tensor.
std::pair<int64_t, int64_t> overhang(const Contraction& c, const AxisSum& sum, int64_t extent) {
  int64_t low = sum.offset, high = sum.offset;
  for (const AxisTerm& term : sum.terms) (term.coefficient < 0 ? low : high) += term.coefficient * (extent_of(c, term.axis) - 1);
  return {std::max<int64_t>(0, -low), std::max<int64_t>(0, high - extent + 1)};
}

// The same for the gradient's columns ow that a data gradient reads: those with s*ow + d*kw - p within the image, whose
// width counts as a multiple of s, because all phases of the columns are as long as the longest.
std::pair<int64_t, int64_t> gradient_overhang(const Contraction& c, const AxisSum& sum, int64_t width) {
  if (sum.terms.size() != 2) return {0, 0};
  const AxisTerm &column = sum.terms[0], &tap = sum.terms[1];
  const int64_t reach = tap.coefficient * (extent_of(c, tap.axis) - 1), s = column.coefficient;
  if (s <= 0 || reach < 0) return {0, 0};
  const int64_t first = floor_div(-sum.offset - reach, s), last = floor_div(ceil_div(width, s) * s - 1 - sum.offset, s);
  return {std::max<int64_t>(0, -first), std::max<int64_t>(0, last - (extent_of(c, column.axis) - 1))};
}

void set_halo(Layout& layout, int dimension, std::pair<int64_t, int64_t> columns) {
  for (LayoutDim& d : layout.dims)
    if (d.dimension == dimension && d.part == Part::whole) std::tie(d.before, d.after) = columns;
}

Layout weight_layout(std::vector<int> outer, std::vector<int> inner) {
  Layout layout;
  layout.block = kChannelBlock;
  auto is_split = [&](int d) { return std::find(inner.begin(), inner.end(), d) != inner.end(); };
  for (int d : outer) layout.dims.push_back({is_split(d) ? Part::outer : Part::whole, d});
  layout.dims.push_back({Part::whole, 2});
  layout.dims.push_back({Part::whole, 3});
  for (int d : inner) layout.dims.push_back({Part::inner, d});
  return layout;
}

// Of Winograd's weights: positions, k/16, c/16, c%16, k%16.
Layout transformed_layout() {
  Layout layout;
  layout.block = kChannelBlock;
  layout.dims = {{Part::whole, 0}, {Part::outer, 1}, {Part::outer, 2}, {Part::inner, 2}, {Part::inner, 1}};
  return layout;
}

std::optional<std::array<Layout, 3>> image_layouts(const Contraction& contraction, const ImageForm& form,
                                                   const LayoutOptions& options) {
  const int64_t channels = extent_of(contraction, form.c), filters = extent_of(contraction, form.k);
  const bool grouped = form.group >= 0;
  const bool depthwise = grouped && channels == 1 && filters == 1;
  bool split_c = fills_blocks(channels, options);
  if (depthwise) {
    if (!fills_blocks(extent_of(contraction, form.group), options)) return std::nullopt;
    split_c = false;
  } else if (grouped) {
    if (channels % kChannelBlock != 0 || filters % kChannelBlock != 0) return std::nullopt;
  } else if (!fills_blocks(filters, options) || (form.in_parts && filters % kChannelBlock != 0)) {
    return std::nullopt;
  }
  const Layout blocked = blocked_layout(4, {1}, kChannelBlock);
  std::array<Layout, 3> layouts{split_c || depthwise ? blocked : dense_layout(4), {}, blocked};
  if (!split_c) layouts[1] = weight_layout({0, 1}, {0});
  else if (contraction.output == 0) layouts[1] = grouped ? weight_layout({0, 1}, {0, 1}) : weight_layout({1, 0}, {0, 1});
  else layouts[1] = weight_layout({0, 1}, {1, 0});
  if (contraction.transforms_weights()) layouts[1] = transformed_layout();
  const ContractionTensor& x = contraction.tensors[0];
  if (contraction.output != 0) set_halo(layouts[0], 3, overhang(contraction, x.index[3], x.shape[3]));
  else set_halo(layouts[2], 3, gradient_overhang(contraction, x.index[3], x.shape[3]));
  return layouts;
}

constexpr int64_t kFewChannels = 8;  // below, and in no multiple of it: no pieces of 16 bytes, and rows are longer

bool has_pieces(int64_t channels) { return channels % kFewChannels == 0 || channels > 2 * kFewChannels; }

std::array<Layout, 3> channels_last_layouts(const Contraction& contraction) {
  const Layout last = channels_last_layout(), dense = dense_layout(4);
  const bool few = !has_pieces(contraction.tensors[0].shape[1]);
  return {few ? dense : last, few ? dense : last, last};
}

}  // namespace

Layout channels_last_layout() {
  Layout layout;
  for (int d : {0, 2, 3, 1}) layout.dims.push_back({Part::whole, d});
  return layout;
}

bool fills_blocks(int64_t extent, const LayoutOptions& options) {
  return static_cast<double>(extent) >= options.least_fill * static_cast<double>(ceil_div(extent, kChannelBlock) * kChannelBlock);
}

std::optional<std::array<Layout, 3>> wanted_layouts(const Contraction& contraction, const LayoutOptions& options) {
  if (options.images == ImageLayout::dense) return std::nullopt;
  const std::optional<ImageForm> form = match_image(contraction);
  if (!form) return std::nullopt;
  return options.images == ImageLayout::channels_last ? channels_last_layouts(contraction) : image_layouts(contraction, *form, options);
}

}  // namespace netc
