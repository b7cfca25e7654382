#include "compiler/cache/object_cache.h"

#include "compiler/cache/maintain.h"

namespace netc {

const char* describe(Miss reason) {
  switch (reason) {
    case Miss::new_kernel: return "new";
    case Miss::other_target: return "for another processor";
    case Miss::other_compiler: return "of another compiler";
    case Miss::damaged: return "damaged";
    case Miss::evicted: return "evicted";
    case Miss::unreadable: return "unreadable";
  }
  return "?";
}

ObjectCache::ObjectCache(const CacheSettings& settings) : max_bytes_(settings.max_bytes) {
  if (!settings.problem.empty()) warn(settings.problem);
  if (settings.folder.empty()) return;
  std::string problem;
  folder_ = CacheFolder::open(settings.folder, true, problem);
  if (!folder_) warn("compiled kernels are not kept: " + problem);
}

std::string ObjectCache::path_of(const std::string& entry) const { return folder_->path() + "/" + entry.substr(0, 2) + "/" + entry; }

void ObjectCache::warn(std::string text) { warnings_.push_back(std::move(text)); }

Lookup ObjectCache::find(const ObjectKey& key) {
  if (!folder_) return {};
  const std::string name = key.entry_name();
  const CacheFolder::Content content = folder_->read(name, CacheFolder::Use::use);
  switch (content.status) {
    case CacheFolder::Status::missing: return {std::nullopt, why_missing(name)};
    case CacheFolder::Status::failed: {
      std::lock_guard guard(mutex_);
      warn("cannot read the compiled kernel " + path_of(name) + ": " + content.problem);
      return {std::nullopt, Miss::unreadable};
    }
    case CacheFolder::Status::ok: break;
  }
  std::optional<CacheEntry> entry = decode_entry(content.bytes);
  if (entry && entry->key == key) return {std::move(entry->object), {}};
  folder_->remove(name);
  std::lock_guard guard(mutex_);
  warn("the compiled kernel " + path_of(name) + " is damaged; it is dropped and compiled again");
  return {std::nullopt, Miss::damaged};
}

Miss ObjectCache::why_missing(const std::string& name) {
  {
    std::lock_guard guard(mutex_);
    if (!evicted_) evicted_ = evicted_entries(*folder_);
    if (evicted_->contains(name)) return Miss::evicted;
  }
  // Other entries of the same kernel: with this target but another compiler, or the other way round?
  const std::string target = name.substr(kKernelDigits + 1, kPartDigits);
  bool other_target = false;
  for (const CacheFolder::File& file : folder_->list(name.substr(0, kKernelDigits))) {
    if (file.name.compare(kKernelDigits + 1, kPartDigits, target) == 0) return Miss::other_compiler;
    other_target = true;
  }
  return other_target ? Miss::other_target : Miss::new_kernel;
}

void ObjectCache::store(const ObjectKey& key, std::span<const std::byte> object) {
  if (!folder_) return;
  {
    std::lock_guard guard(mutex_);
    if (!stores_) return;
  }
  const std::string problem = folder_->write(key.entry_name(), encode_entry(key, object));
  std::lock_guard guard(mutex_);
  stored_ |= problem.empty();
  if (problem.empty() || !stores_) return;
  stores_ = false;
  warn("compiled kernels are not kept: cannot write to " + folder_->path() + ": " + problem);
}

void ObjectCache::enforce_limit() {
  if (folder_ && stored_) evict(*folder_, max_bytes_, false);
}

}  // namespace netc
