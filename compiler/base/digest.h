// A fingerprint of bytes: 128 bits by XXH3, which no two different kernels share by chance. It guards against
// accidents, not against people: nothing that is trusted may rest on it alone.
//
//   Digest d = digest("a kernel's identity");   d.hex() == "7f…" (32 digits), the same on every machine
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace netc {

struct Digest {
  uint64_t high = 0, low = 0;
  // The first `digits` of 32 hexadecimal digits.
  std::string hex(size_t digits = 32) const;
  auto operator<=>(const Digest&) const = default;
};

Digest digest(const void* data, size_t bytes);
inline Digest digest(std::string_view text) { return digest(text.data(), text.size()); }

}  // namespace netc
