// A file that grows as things happen: each write is in the system's hands when it returns, so a process that is killed
// loses nothing of it. Logs, tables and event files are such files.
//
//   AppendFile log("run.jsonl", 0);                          // a new one; what was there is gone
//   AppendFile same("run.jsonl", bytes_before("run.jsonl"));   // goes on behind what is kept
//   log.write("{...}\n");
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace netc {

class AppendFile {
 public:
  AppendFile() = default;  // writes nothing
  // Cuts an existing file to its first `kept` bytes. THROWS RuntimeError E0604, as all members.
  AppendFile(const std::string& path, int64_t kept);
  ~AppendFile();
  AppendFile(AppendFile&& other) noexcept;
  AppendFile& operator=(AppendFile&& other) noexcept;

  explicit operator bool() const { return descriptor_ >= 0; }
  void write(std::string_view bytes);

 private:
  std::string path_;
  int descriptor_ = -1;
};

}  // namespace netc
