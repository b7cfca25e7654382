// Which bytes of global memory a launch reads and writes, each counted once: what a kernel has to move if its caches
// lose nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace netc {

class UniqueBytes {
 public:
  // Bytes of [at, at + count) that have not been touched in this way since `clear`. REQUIRES: count <= 64.
  uint64_t touch(const void* at, int count, bool write) {
    const auto address = reinterpret_cast<uintptr_t>(at);
    const auto in_line = static_cast<int>(address % kLine);
    const int first = count < kLine - in_line ? count : kLine - in_line;
    return mark(address / kLine, in_line, first, write) +
           (count > first ? mark(address / kLine + 1, 0, count - first, write) : 0);
  }
  void clear() { lines_.clear(); }

 private:
  static constexpr int kLine = 64;
  struct Line {
    uint64_t touched[2] = {0, 0};  // a bit a byte: read, written
  };

  uint64_t mark(uintptr_t line, int from, int count, bool write) {
    const uint64_t wanted = (count == kLine ? ~uint64_t{0} : (uint64_t{1} << count) - 1) << from;
    uint64_t& touched = lines_[line].touched[write ? 1 : 0];
    const uint64_t added = wanted & ~touched;
    touched |= wanted;
    return static_cast<uint64_t>(__builtin_popcountll(added));
  }

  std::unordered_map<uintptr_t, Line> lines_;
};

}  // namespace netc
