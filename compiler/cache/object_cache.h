// Compiled kernels on disk, found again by what they were compiled from. The cache is an advantage and never a
// condition: whatever goes wrong with it is a warning, and the kernel is compiled.
//
//   ObjectCache cache(cache_settings(""));
//   Lookup found = cache.find(key);
//   if (!found.object) cache.store(key, compile(…));       // found.reason says why it was not there
//   cache.enforce_limit();
//
// Any number of threads and processes use one folder at once: entries are written in one piece, read whole and
// checked, and a process that reads an entry while another evicts it gets the entry or a miss.
#pragma once

#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "compiler/cache/cache_folder.h"
#include "compiler/cache/cache_settings.h"
#include "compiler/cache/entry.h"

namespace netc {

// Why a kernel had to be compiled.
enum class Miss : uint8_t {
  new_kernel,      // never seen
  other_target,    // known for another processor only
  other_compiler,  // known from another version of netc or LLVM only
  damaged,         // its entry did not match its checksum, and was dropped
  evicted,         // it had to make room
  unreadable,      // the system did not give the entry
};
constexpr int kMissReasons = 6;
// "new", "for another processor", …
const char* describe(Miss reason);

struct Lookup {
  std::optional<std::vector<std::byte>> object;
  Miss reason = Miss::new_kernel;  // where there is no object
};

class ObjectCache {
 public:
  // A folder that cannot be used gives a cache that holds nothing, and a warning.
  explicit ObjectCache(const CacheSettings& settings);

  bool enabled() const { return folder_.has_value(); }
  Lookup find(const ObjectKey& key);
  // Thread-safe. After the first failure (a full disk, a read-only folder) nothing more is stored.
  void store(const ObjectKey& key, std::span<const std::byte> object);
  // Evicts what was not used for longest if what was stored made the folder too large.
  void enforce_limit();

  // What the user should know, one sentence each.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  Miss why_missing(const std::string& name);
  std::string path_of(const std::string& entry) const;
  void warn(std::string text);

  std::optional<CacheFolder> folder_;
  int64_t max_bytes_;
  std::mutex mutex_;  // of what follows
  bool stores_ = true;
  bool stored_ = false;
  std::optional<std::set<std::string>> evicted_;
  std::vector<std::string> warnings_;
};

}  // namespace netc
