// Replaces a file at once: at every moment, also after a crash or a power cut, the path names either
// the whole old file or the whole new one.
//
//   AtomicFile file("best.safetensors");
//   file.write(header.data(), header.size());
//   file.commit();          // without it, the destructor removes what was written
//
// The bytes go to a temporary file in the same folder, then fsync, rename, fsync of the folder. A symbolic link stays, and
// what it points to is replaced. Devices, pipes and the process's own output (/dev/null, /dev/stdout, a FIFO) are never
// replaced: they are opened and written as the bytes come.
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
  // In place of write and commit: the path names the same file as `path` does, or a copy of it.
  void become_link_to(const std::string& path);

 private:
  void open_temporary();
  void copy_from(int source);
  void put_in_place();
  void flush_folder() const;
  [[noreturn]] void fail(const char* action) const;

  std::string path_, temporary_;  // temporary_: empty where the path is written directly
  int descriptor_ = -1;
};

// Removes from a folder what processes that were killed while writing files with this extension there have left.
void remove_abandoned_files(const std::string& folder, const std::string& extension);

// A whole file. THROWS RuntimeError E0604.
void write_file(const std::string& path, const std::string& content);

// Gives a file a second name, replacing what has it, at once: afterwards both names are the same bytes, also after a power
// cut. On a file system without links the second one is a copy. THROWS RuntimeError E0604.
void link_file(const std::string& path, const std::string& name);

}  // namespace netc
