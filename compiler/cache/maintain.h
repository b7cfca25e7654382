// Looking at the cache and keeping it small: what `netc cache` does, and what happens after a compilation.
//
//   std::string problem;
//   std::optional<CacheFolder> folder = CacheFolder::open(path, false, problem);
//   CacheStatistics s = statistics(*folder);                        // s.entries, s.bytes
//   Eviction e = evict(*folder, 256 << 20, true);                   // at most 256 MiB remain
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "compiler/cache/cache_folder.h"
#include "compiler/cache/entry.h"

namespace netc {

struct CacheStatistics {
  int64_t entries = 0, bytes = 0;
  int64_t oldest_use = 0, newest_use = 0;  // nanoseconds since 1970; 0 without entries
};
CacheStatistics statistics(const CacheFolder& folder);

// An entry as `netc cache list` shows it. A damaged one has an empty key.
struct EntryInfo {
  CacheFolder::File file;
  ObjectKey key;
  bool damaged = false;
};
// Every entry, read and checked, the last used first. Does not count as use.
std::vector<EntryInfo> inspect(const CacheFolder& folder);

struct Eviction {
  int64_t entries = 0, bytes = 0;  // removed
  bool busy = false;               // another process evicts; nothing was done
};
// Removes what was not used for longest until at most `max_bytes` are left; does nothing if no more are there, and
// else leaves a tenth free, so that not every compilation evicts.
Eviction evict(const CacheFolder& folder, int64_t max_bytes, bool wait);
// Removes every entry. Gives how many.
Eviction clear(const CacheFolder& folder);
// Names of entries that were evicted; a few thousand are remembered.
std::set<std::string> evicted_entries(const CacheFolder& folder);

}  // namespace netc
