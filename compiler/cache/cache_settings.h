// Where compiled kernels are kept, and how many bytes of them: from a flag, the environment or the defaults.
//
//   CacheSettings s = cache_settings("");        // NETC_CACHE_DIR, else XDG_CACHE_HOME/netc, else ~/.cache/netc
//   cache_settings("none").folder.empty()        // no cache
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace netc {

struct CacheSettings {
  std::string folder;                       // empty: no cache
  int64_t max_bytes = int64_t{1} << 30;     // NETC_CACHE_SIZE
  std::string problem;                      // for the user: why a wish of the environment is not followed
};

// `folder`: what the user asked for; "none" for no cache, empty for the default.
CacheSettings cache_settings(const std::string& folder);

// "512MiB", "2G", "1000000": units are powers of 1024. nullopt: no size.
std::optional<int64_t> parse_bytes(const std::string& text);

}  // namespace netc
