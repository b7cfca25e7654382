#include "compiler/base/digest.h"

#define XXH_INLINE_ALL  // no library to link
#include <xxhash.h>

namespace netc {

std::string Digest::hex(size_t digits) const {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < digits && i < 32; ++i) {
    const uint64_t word = i < 16 ? high : low;
    text += kDigits[word >> (60 - 4 * (i % 16)) & 15];
  }
  return text;
}

Digest digest(const void* data, size_t bytes) {
  const XXH128_hash_t hash = XXH3_128bits(data, bytes);
  return {hash.high64, hash.low64};
}

}  // namespace netc
