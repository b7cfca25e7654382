#include "compiler/base/unique_suffix.h"

#include <cstdint>
#include <random>

namespace netc {

std::string unique_suffix() {
  std::random_device entropy;
  const uint64_t bits = uint64_t{entropy()} << 32 | entropy();
  std::string digits;
  for (int shift = 60; shift >= 0; shift -= 4) digits += "0123456789abcdef"[bits >> shift & 15];
  return digits;
}

}  // namespace netc
