// Replaces a file at once: at every moment, also after a crash or a power cut, the path names either
// the whole old file or the whole new one.
//
//   AtomicFile file("best.safetensors");
//   file.write(header.data(), header.size());
//   file.commit();          // without it, the destructor removes what was written
//
// The bytes go to a temporary file in the same folder, then fsync, rename, fsync of the folder.
#pragma once

#include <cstddef>
#include <string>

namespace netc {

class AtomicFile {
 public:
  // THROWS RuntimeError E0604, as all members, if the system refuses (no such folder, disk full, …).
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t count);
  void commit();

 private:
  [[noreturn]] void fail(const char* action) const;

  std::string path_, temporary_;
  int descriptor_ = -1;
};

}  // namespace netc
