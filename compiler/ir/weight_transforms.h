// When the weights of a Winograd convolution (ir/winograd.h) are transformed.
#pragma once

#include <cstdint>

namespace netc {

// Once, after they are loaded, or anew in every run, as in training.
enum class WeightTransforms : uint8_t { once, each_run };

}  // namespace netc
