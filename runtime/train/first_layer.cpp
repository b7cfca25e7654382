#include "runtime/train/first_layer.h"

#include <algorithm>
#include <cmath>

#include "runtime/data/image_sheet.h"

namespace netc {

Image draw_filters(std::span<const float> weights, const Shape& shape) {
  const int64_t filters = shape[0], size = shape[1] * shape[2] * shape[3];
  const auto columns = static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(filters))));
  ImageSheet sheet({shape[1], shape[2], shape[3], 32}, (filters + columns - 1) / columns, columns);
  for (int64_t f = 0; f < filters; ++f) {
    const std::span<const float> filter = weights.subspan(static_cast<size_t>(f * size), static_cast<size_t>(size));
    const auto [low, high] = std::minmax_element(filter.begin(), filter.end());
    const double unit = *high > *low ? 255.0 / (static_cast<double>(*high) - *low) : 0;
    sheet.put(f / columns, f % columns, [&](int64_t c, int64_t y, int64_t x) {
      return (filter[static_cast<size_t>((c * shape[2] + y) * shape[3] + x)] - static_cast<double>(*low)) * unit;
    });
  }
  return sheet.take();
}

std::optional<Image> first_filters(const State& state, int64_t channels) {
  if (channels != 1 && channels != 3) return std::nullopt;
  // Parameters lie in the order in which the backward pass ends their gradients: the first layer's come last.
  const StateSlot* first = nullptr;
  for (const StateSlot& slot : state.slots()) {
    const Shape& shape = slot.type.shape;
    if (slot.kind == StateKind::parameter && shape.size() == 4 && shape[1] == channels && shape[2] * shape[3] > 1) first = &slot;
  }
  if (!first) return std::nullopt;
  const std::vector<std::byte> bytes = state.read(*first);
  return draw_filters({reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)}, first->type.shape);
}

}  // namespace netc
