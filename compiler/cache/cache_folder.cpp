#include "compiler/cache/cache_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <utility>

#include "compiler/base/unique_suffix.h"

namespace netc {
namespace {

constexpr const char* kTemporary = ".tmp-";  // then unique_suffix()
constexpr int64_t kAbandonedSeconds = 3600;
constexpr int64_t kLargestEntry = int64_t{1} << 28;  // what is larger is no object of ours
constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }
  explicit operator bool() const { return value_ >= 0; }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

std::string reason() { return std::strerror(errno); }

bool is_hex(const std::string& text) {
  return text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::string shard_of(const std::string& entry) { return entry.substr(0, 2); }

// Makes every missing folder of the path, for the user alone.
bool make_folders(const std::string& path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      struct stat info;
      if (stat(part.c_str(), &info) != 0) return false;  // a parent may be there and read-only
    }
    if (end == std::string::npos) return true;
  }
}

std::string refusal(const std::string& path, const struct stat& info) {
  if (info.st_uid != geteuid())
    return path + " belongs to another user (number " + std::to_string(info.st_uid) + ")";
  if (info.st_mode & (S_IWGRP | S_IWOTH)) {
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", static_cast<unsigned>(info.st_mode & 07777));
    return path + " may be written by others (mode " + mode + "); chmod 700 repairs that";
  }
  return "";
}

CacheFolder::Content read_all(int descriptor) {
  CacheFolder::Content content;
  const auto failed = [&] {
    content.status = CacheFolder::Status::failed;
    content.problem = reason();
    return content;
  };
  struct stat info;
  if (fstat(descriptor, &info) != 0) return failed();
  if (!S_ISREG(info.st_mode) || info.st_size > kLargestEntry) {
    errno = EFBIG;
    return failed();
  }
  content.bytes.resize(static_cast<size_t>(info.st_size));
  for (size_t done = 0; done < content.bytes.size();) {
    const ssize_t count = ::read(descriptor, content.bytes.data() + done, content.bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed();
    if (count == 0) content.bytes.resize(done);  // truncated meanwhile; its checksum will say so
    done += static_cast<size_t>(count);
  }
  content.status = CacheFolder::Status::ok;
  return content;
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// Calls visit(name) for every name in a folder.
template <class Visit>
void for_each_name(int folder, const char* path, const Visit& visit) {
  Descriptor descriptor(openat(folder, path, kFolderFlags | O_NOFOLLOW));
  DIR* names = descriptor ? fdopendir(descriptor.get()) : nullptr;
  if (!names) return;
  descriptor.release();
  while (const dirent* name = readdir(names)) visit(std::string(name->d_name));
  closedir(names);
}

}  // namespace

std::optional<CacheFolder> CacheFolder::open(const std::string& path, bool create, std::string& problem) {
  if (create && !make_folders(path)) {
    problem = "cannot make the folder " + path + ": " + reason();
    return std::nullopt;
  }
  Descriptor folder(::open(path.c_str(), kFolderFlags));
  struct stat info;
  if (!folder || fstat(folder.get(), &info) != 0) {
    if (create || errno != ENOENT) problem = "cannot open the folder " + path + ": " + reason();
    return std::nullopt;
  }
  problem = refusal(path, info);
  if (!problem.empty()) return std::nullopt;
  return CacheFolder(path, folder.release());
}

CacheFolder::CacheFolder(CacheFolder&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

CacheFolder& CacheFolder::operator=(CacheFolder&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

CacheFolder::~CacheFolder() {
  if (descriptor_ >= 0) close(descriptor_);
}

CacheFolder::Content CacheFolder::read(const std::string& entry, Use use) const {
  const std::string path = shard_of(entry) + "/" + entry;
  const Descriptor file(openat(descriptor_, path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) {
    if (errno == ENOENT) return {};
    return {Status::failed, {}, reason()};
  }
  Content content = read_all(file.get());
  const timespec now[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
  if (use == Use::use) static_cast<void>(futimens(file.get(), now));  // in a read-only folder nothing is evicted either
  return content;
}

std::string CacheFolder::write(const std::string& entry, std::span<const std::byte> bytes) const {
  const std::string shard = shard_of(entry);
  if (mkdirat(descriptor_, shard.c_str(), 0700) != 0 && errno != EEXIST) return reason();
  const Descriptor folder(openat(descriptor_, shard.c_str(), kFolderFlags | O_NOFOLLOW));
  if (!folder) return reason();
  return write_file(folder.get(), entry, bytes);
}

std::string CacheFolder::write_file(int folder, const std::string& name, std::span<const std::byte> bytes) const {
  const std::string temporary = kTemporary + unique_suffix();
  Descriptor file(openat(folder, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) return reason();
  std::string problem;
  for (size_t done = 0; done < bytes.size() && problem.empty();) {
    const ssize_t count = ::write(file.get(), bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno != EINTR) problem = reason();
    if (count > 0) done += static_cast<size_t>(count);
  }
  if (close(file.release()) != 0 && problem.empty()) problem = reason();
  if (problem.empty() && renameat(folder, temporary.c_str(), folder, name.c_str()) != 0) problem = reason();
  if (!problem.empty()) unlinkat(folder, temporary.c_str(), 0);
  return problem;
}

bool CacheFolder::remove(const std::string& entry) const {
  return unlinkat(descriptor_, (shard_of(entry) + "/" + entry).c_str(), 0) == 0;
}

void CacheFolder::for_each_shard(const std::function<void(const std::string& shard)>& visit) const {
  for_each_name(descriptor_, ".", [&](const std::string& name) {
    if (name.size() == 2 && is_hex(name)) visit(name);
  });
}

std::vector<CacheFolder::File> CacheFolder::list(const std::string& prefix) const {
  std::vector<File> files;
  const auto add = [&](const std::string& shard) {
    for_each_name(descriptor_, shard.c_str(), [&](const std::string& name) {
      struct stat info;
      if (!name.starts_with(shard) || !name.starts_with(prefix)) return;
      if (fstatat(descriptor_, (shard + "/" + name).c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode)) return;
      files.push_back({name, info.st_size, info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec});
    });
  };
  if (prefix.empty()) for_each_shard(add);
  else add(shard_of(prefix));
  return files;
}

void CacheFolder::remove_abandoned() const {
  const int64_t now = std::time(nullptr);
  const auto clean = [&](const std::string& folder) {
    for_each_name(descriptor_, folder.c_str(), [&](const std::string& name) {
      const std::string path = folder + "/" + name;
      struct stat info;
      if (name.starts_with(kTemporary) && fstatat(descriptor_, path.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
          now - info.st_mtim.tv_sec > kAbandonedSeconds)
        unlinkat(descriptor_, path.c_str(), 0);
    });
  };
  clean(".");
  for_each_shard(clean);
}

std::string CacheFolder::read_text(const char* name) const {
  const Descriptor file(openat(descriptor_, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return "";
  const Content content = read_all(file.get());
  return {reinterpret_cast<const char*>(content.bytes.data()), content.bytes.size()};
}

std::string CacheFolder::write_text(const char* name, const std::string& text) const {
  return write_file(descriptor_, name, bytes_of(text));
}

void CacheFolder::remove_text(const char* name) const { unlinkat(descriptor_, name, 0); }

CacheFolder::Lock::Lock(Lock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

CacheFolder::Lock::~Lock() {
  if (descriptor_ >= 0) close(descriptor_);
}

CacheFolder::Lock CacheFolder::lock(bool wait) const {
  Descriptor file(openat(descriptor_, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return {};
  while (flock(file.get(), LOCK_EX | (wait ? 0 : LOCK_NB)) != 0)
    if (errno != EINTR) return {};
  return Lock(file.release());
}

}  // namespace netc
