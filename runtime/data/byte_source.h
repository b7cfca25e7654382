// Reads a file from its start, through gzip or xz if its first bytes say so (its name does not matter).
//
//   ByteSource source("train-images-idx3-ubyte.gz");
//   uint32_t magic = source.big_endian_32("the magic number");   // truncated: RuntimeError E0704
//   std::vector<std::byte> pixels = source.take(count, "the pixels");
//   source.expect_end();                                         // trailing bytes: RuntimeError E0705
//
// Memory grows with what the file really holds, never with what its header claims.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace netc {

class ByteSource {
 public:
  // THROWS RuntimeError E0702 if `path` is no readable regular file.
  explicit ByteSource(const std::string& path);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  const std::string& path() const { return path_; }
  int64_t offset() const { return offset_; }  // of the next byte, decompressed
  bool compressed() const { return decoder_ != nullptr; }

  // Fills `to` as far as the file goes; returns the bytes read.
  // THROWS RuntimeError E0704 if compressed data are corrupt or cut off.
  size_t read(std::span<std::byte> to);

  // Exactly `count` bytes, or RuntimeError E0704 that names `what`.
  std::vector<std::byte> take(int64_t count, const std::string& what);
  uint32_t big_endian_32(const std::string& what);

  // All that is left. THROWS RuntimeError E0709 if it is more than `limit` bytes.
  std::vector<std::byte> take_rest(int64_t limit);

  // THROWS RuntimeError E0705 if anything is left.
  void expect_end();

 private:
  struct Decoder;
  struct GzipDecoder;
  struct XzDecoder;
  size_t read_raw(std::byte* to, size_t count);
  [[noreturn]] void truncated(const std::string& what, int64_t wanted, int64_t got) const;

  std::string path_;
  int descriptor_ = -1;
  int64_t file_bytes_ = 0;
  int64_t offset_ = 0;
  std::unique_ptr<Decoder> decoder_;  // null: the file is read as it is
};

// A whole file, decompressed. The limit bounds what a small malicious file can expand to.
std::vector<std::byte> read_file(const std::string& path, int64_t limit);

// Bytes of memory that this machine has.
int64_t physical_memory();

// THROWS RuntimeError E0709 if `bytes` is more than this machine can hold; `what` is named in the message.
void require_memory(int64_t bytes, const std::string& what);

}  // namespace netc
