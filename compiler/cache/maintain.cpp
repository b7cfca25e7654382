#include "compiler/cache/maintain.h"

#include <algorithm>

namespace netc {
namespace {

constexpr const char* kEvicted = "evicted";  // an entry's name a line
constexpr size_t kRememberedEvictions = 4096;

void remember(const CacheFolder& folder, const std::vector<std::string>& names) {
  std::string text = folder.read_text(kEvicted);
  for (const std::string& name : names) text += name + "\n";
  constexpr size_t kLongest = kRememberedEvictions * (kNameLength + 1);
  if (text.size() > kLongest) text.erase(0, text.size() - kLongest);  // lines have one length
  folder.write_text(kEvicted, text);
}

}  // namespace

CacheStatistics statistics(const CacheFolder& folder) {
  CacheStatistics result;
  for (const CacheFolder::File& file : folder.list()) {
    ++result.entries;
    result.bytes += file.bytes;
    result.newest_use = std::max(result.newest_use, file.used);
    if (result.oldest_use == 0 || file.used < result.oldest_use) result.oldest_use = file.used;
  }
  return result;
}

std::vector<EntryInfo> inspect(const CacheFolder& folder) {
  std::vector<EntryInfo> entries;
  for (CacheFolder::File& file : folder.list()) {
    const CacheFolder::Content content = folder.read(file.name, CacheFolder::Use::look);
    if (content.status == CacheFolder::Status::missing) continue;  // evicted meanwhile
    const std::optional<CacheEntry> entry = decode_entry(content.bytes);
    const bool good = entry && entry->key.entry_name() == file.name;
    entries.push_back({std::move(file), good ? entry->key : ObjectKey{}, !good});
  }
  std::sort(entries.begin(), entries.end(), [](const EntryInfo& a, const EntryInfo& b) {
    return a.file.used != b.file.used ? a.file.used > b.file.used : a.file.name < b.file.name;
  });
  return entries;
}

Eviction evict(const CacheFolder& folder, int64_t max_bytes, bool wait) {
  std::vector<CacheFolder::File> files = folder.list();
  int64_t total = 0;
  for (const CacheFolder::File& file : files) total += file.bytes;
  Eviction result;
  if (total <= max_bytes) return result;
  const CacheFolder::Lock lock = folder.lock(wait);
  if (!lock) {
    result.busy = true;
    return result;
  }
  folder.remove_abandoned();
  std::sort(files.begin(), files.end(),
            [](const CacheFolder::File& a, const CacheFolder::File& b) { return a.used < b.used; });
  std::vector<std::string> names;
  for (const CacheFolder::File& file : files) {
    if (total <= max_bytes - max_bytes / 10) break;
    total -= file.bytes;
    if (!folder.remove(file.name)) continue;  // another process was faster
    names.push_back(file.name);
    ++result.entries;
    result.bytes += file.bytes;
  }
  remember(folder, names);
  return result;
}

Eviction clear(const CacheFolder& folder) {
  const CacheFolder::Lock lock = folder.lock(true);
  Eviction result;
  for (const CacheFolder::File& file : folder.list()) {
    if (!folder.remove(file.name)) continue;
    ++result.entries;
    result.bytes += file.bytes;
  }
  folder.remove_abandoned();
  folder.remove_text(kEvicted);
  return result;
}

std::set<std::string> evicted_entries(const CacheFolder& folder) {
  const std::string text = folder.read_text(kEvicted);
  std::set<std::string> names;
  for (size_t at = 0; at + kNameLength <= text.size(); at += kNameLength + 1) names.insert(text.substr(at, kNameLength));
  return names;
}

}  // namespace netc
