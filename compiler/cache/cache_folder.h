// The folder that holds the cache's entries, opened once and checked: it is the user's own and nobody else may write
// to it, because what it holds is machine code. All files are reached from the open folder, so nobody can put
// another one in its place afterwards.
//
//   FOLDER/7f/7f…-<target>-<compiler>    an entry; its name begins with the digest of the kernel
//   FOLDER/evicted                       names of entries that had to make room, the newest last
//   FOLDER/lock                          held while entries are evicted
//
// Writing is atomic: a temporary file is renamed. Nothing is flushed to the disk, because every entry carries a
// checksum and a lost one is compiled again.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace netc {

class CacheFolder {
 public:
  // Makes the folder (mode 0700) and its parents where they are missing and `create` is set.
  // nullopt: it is not there or cannot be used; `problem` says why, and is empty if it is only not there.
  static std::optional<CacheFolder> open(const std::string& path, bool create, std::string& problem);
  CacheFolder(CacheFolder&& other) noexcept;
  CacheFolder& operator=(CacheFolder&& other) noexcept;
  ~CacheFolder();

  const std::string& path() const { return path_; }

  enum class Status : uint8_t { ok, missing, failed };
  struct Content {
    Status status = Status::missing;
    std::vector<std::byte> bytes;
    std::string problem;  // where it failed
  };
  enum class Use : uint8_t { use, look };  // whether the entry's time of last use becomes now
  Content read(const std::string& entry, Use use) const;
  // Writes an entry in one piece. Thread-safe. Gives what went wrong, or an empty text.
  std::string write(const std::string& entry, std::span<const std::byte> bytes) const;
  // Gives whether it was there.
  bool remove(const std::string& entry) const;

  struct File {
    std::string name;
    int64_t bytes = 0;
    int64_t used = 0;  // nanoseconds since 1970
  };
  // Every entry whose name begins with `prefix`, of at least two digits or empty, in no order.
  std::vector<File> list(const std::string& prefix = "") const;
  // Removes temporary files that writers left behind more than an hour ago.
  void remove_abandoned() const;

  // Small files of the folder itself, "evicted".
  std::string read_text(const char* name) const;
  std::string write_text(const char* name, const std::string& text) const;
  void remove_text(const char* name) const;

  // One process at a time; false if another has it and `wait` is not set, or locking is impossible. Held until
  // the guard is destroyed.
  class Lock {
   public:
    Lock() = default;
    explicit Lock(int descriptor) : descriptor_(descriptor) {}
    Lock(Lock&& other) noexcept;
    Lock& operator=(Lock&&) = delete;
    ~Lock();
    explicit operator bool() const { return descriptor_ >= 0; }

   private:
    int descriptor_ = -1;
  };
  Lock lock(bool wait) const;

 private:
  CacheFolder(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  void for_each_shard(const std::function<void(const std::string& shard)>& visit) const;
  std::string write_file(int folder, const std::string& name, std::span<const std::byte> bytes) const;

  std::string path_;
  int descriptor_ = -1;
};

}  // namespace netc
