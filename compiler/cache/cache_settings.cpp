#include "compiler/cache/cache_settings.h"

#include <cctype>
#include <cstdlib>

namespace netc {
namespace {

constexpr const char* kNone = "none";

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// As the XDG base directory specification says: a relative path counts as unset.
std::string default_folder() {
  const std::string xdg = variable("XDG_CACHE_HOME"), home = variable("HOME");
  if (xdg.starts_with('/')) return xdg + "/netc";
  if (home.starts_with('/')) return home + "/.cache/netc";
  return "";
}

}  // namespace

std::optional<int64_t> parse_bytes(const std::string& text) {
  size_t at = 0;
  int64_t value = 0;
  for (; at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])); ++at)
    if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, text[at] - '0', &value))
      return std::nullopt;
  if (at == 0) return std::nullopt;
  const std::string unit = text.substr(at);
  if (unit.empty() || unit == "B") return value;
  const size_t power = std::string("KMGT").find(unit[0]);
  const std::string rest = unit.substr(1);
  if (power == std::string::npos || !(rest.empty() || rest == "B" || rest == "iB")) return std::nullopt;
  if (__builtin_mul_overflow(value, int64_t{1} << (10 * (power + 1)), &value)) return std::nullopt;
  return value;
}

CacheSettings cache_settings(const std::string& folder) {
  CacheSettings settings;
  const std::string size = variable("NETC_CACHE_SIZE");
  if (!size.empty()) {
    if (const std::optional<int64_t> bytes = parse_bytes(size))
      settings.max_bytes = *bytes;
    else
      settings.problem = "NETC_CACHE_SIZE is `" + size + "`, which is no size such as 512MiB";
  }
  const std::string environment = variable("NETC_CACHE_DIR");
  const std::string& wanted = folder.empty() ? environment : folder;
  if (wanted == kNone) return settings;
  settings.folder = wanted.empty() ? default_folder() : wanted;
  if (settings.folder.empty()) settings.problem = "there is no HOME to keep compiled kernels in";
  return settings;
}

}  // namespace netc
