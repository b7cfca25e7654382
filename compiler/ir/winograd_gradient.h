// How the weight gradient of a 3x3 convolution is done (ir/winograd.h, ops/split_sums.h).
#pragma once

#include "compiler/ir/winograd.h"

namespace netc {

struct WinogradGradientChoice {
  std::optional<Winograd> winograd;
  int64_t parts = 1;   // of the images, which they divide
  std::string reason;  // why it is done so, or not
};

}  // namespace netc
