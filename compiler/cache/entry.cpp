#include "compiler/cache/entry.h"

#include <array>
#include <cstring>

namespace netc {
namespace {

constexpr char kMagic[] = "netcobj1";
constexpr size_t kMagicBytes = 8, kChecksumBytes = 16, kLengthBytes = 4;
constexpr size_t kHeaderBytes = kMagicBytes + kChecksumBytes + kLengthBytes;

void put(std::vector<std::byte>& to, const void* data, size_t bytes) {
  const auto* from = static_cast<const std::byte*>(data);
  to.insert(to.end(), from, from + bytes);
}

// The checksum covers all that follows it.
std::array<uint64_t, 2> checksum(std::span<const std::byte> bytes) {
  const std::span<const std::byte> covered = bytes.subspan(kMagicBytes + kChecksumBytes);
  const Digest d = digest(covered.data(), covered.size());
  return {d.high, d.low};
}

std::string description(const ObjectKey& key) {
  return "kernel " + key.kernel.hex() + "\nsymbol " + key.symbol + "\ntarget " + key.target + "\ncompiler " +
         key.compiler + "\n";
}

// The next line of `text`, which must begin with the field's name.
bool take(std::string_view& text, std::string_view name, std::string& value) {
  const size_t end = text.find('\n');
  if (end == std::string_view::npos || !text.starts_with(name) || end <= name.size() || text[name.size()] != ' ') return false;
  value = std::string(text.substr(name.size() + 1, end - name.size() - 1));
  text.remove_prefix(end + 1);
  return true;
}

Digest parse_digest(const std::string& hex) {
  return {std::strtoull(hex.substr(0, 16).c_str(), nullptr, 16), std::strtoull(hex.substr(16).c_str(), nullptr, 16)};
}

}  // namespace

std::string ObjectKey::entry_name() const {
  return kernel.hex(kKernelDigits) + "-" + digest(target).hex(kPartDigits) + "-" + digest(compiler).hex(kPartDigits);
}

std::vector<std::byte> encode_entry(const ObjectKey& key, std::span<const std::byte> object) {
  const std::string text = description(key);
  const auto length = static_cast<uint32_t>(text.size());
  std::vector<std::byte> bytes;
  bytes.reserve(kHeaderBytes + text.size() + object.size());
  put(bytes, kMagic, kMagicBytes);
  bytes.resize(bytes.size() + kChecksumBytes);
  put(bytes, &length, sizeof length);
  put(bytes, text.data(), text.size());
  put(bytes, object.data(), object.size());
  const auto sum = checksum(bytes);
  std::memcpy(bytes.data() + kMagicBytes, sum.data(), kChecksumBytes);
  return bytes;
}

std::optional<CacheEntry> decode_entry(std::span<const std::byte> bytes) {
  if (bytes.size() < kHeaderBytes || std::memcmp(bytes.data(), kMagic, kMagicBytes) != 0) return std::nullopt;
  const auto sum = checksum(bytes);
  uint32_t length = 0;
  std::memcpy(&length, bytes.data() + kMagicBytes + kChecksumBytes, sizeof length);
  if (std::memcmp(bytes.data() + kMagicBytes, sum.data(), kChecksumBytes) != 0 || length > bytes.size() - kHeaderBytes)
    return std::nullopt;
  const std::span<const std::byte> rest = bytes.subspan(kHeaderBytes);
  std::string_view text(reinterpret_cast<const char*>(rest.data()), length);
  CacheEntry entry;
  std::string kernel;
  if (!take(text, "kernel", kernel) || kernel.size() != kKernelDigits || !take(text, "symbol", entry.key.symbol) ||
      !take(text, "target", entry.key.target) || !take(text, "compiler", entry.key.compiler))
    return std::nullopt;
  entry.key.kernel = parse_digest(kernel);
  entry.object.assign(rest.begin() + length, rest.end());
  return entry;
}

}  // namespace netc
