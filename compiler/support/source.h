// Source text and positions in it.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace netc {

// A half-open byte range of one file of a SourceMap. file < 0 is "nowhere" (generated code).
struct Span {
  int32_t file = -1;
  uint32_t begin = 0, end = 0;
  bool valid() const { return file >= 0; }
  bool operator==(const Span&) const = default;
};

// The smallest span that covers both; the valid one if the other is not.
Span join(Span a, Span b);

struct SourceFile {
  std::string path;     // as the user named it; "std.resnet" for the embedded library
  std::string text;     // UTF-8
  bool is_stdlib = false;
  std::vector<uint32_t> line_starts;  // byte offset of each line's first byte
};

struct LineColumn {
  int line = 1;    // from 1
  int column = 1;  // from 1, in bytes
};

// Owns every source file of a compilation. References stay valid while it lives.
class SourceMap {
 public:
  // Returns the file's id.
  int32_t add(std::string path, std::string text, bool is_stdlib = false);
  const SourceFile& file(int32_t id) const { return files_.at(static_cast<size_t>(id)); }
  int32_t size() const { return static_cast<int32_t>(files_.size()); }
  LineColumn position(int32_t file, uint32_t offset) const;
  std::string_view line_text(int32_t file, int line) const;  // without its newline
  std::string_view text(Span span) const;

 private:
  std::deque<SourceFile> files_;
};

}  // namespace netc
