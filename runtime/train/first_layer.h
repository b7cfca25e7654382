// The filters of a network's first layer as a picture: what the network looks for in an image.
#pragma once

#include <optional>
#include <span>

#include "runtime/data/image.h"
#include "runtime/state.h"

namespace netc {

// Each filter [C, h, w] of weights [O, C, h, w] from its least value (black) to its greatest (white), in rows of a square.
// REQUIRES: C is 1 or 3.
Image draw_filters(std::span<const float> weights, const Shape& shape);

// Those of the first convolution over images of so many channels; none where there is no such layer, or its filters are
// single pixels or have neither 1 nor 3 channels.
std::optional<Image> first_filters(const State& state, int64_t channels);

}  // namespace netc
