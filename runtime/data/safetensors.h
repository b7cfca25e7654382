// Safetensors files (https://github.com/huggingface/safetensors): an 8-byte header size, a JSON header of
// names, types, shapes and offsets, then the tensors, without gaps.
//
//   SafetensorsFile file("best.safetensors");
//   if (const TensorEntry* w = file.find("fc.weight")) file.read(*w, bytes);
//   write_safetensors("out.safetensors", {{"fc.weight", type, data}}, {{"netc.step", "100"}});
//
// A reader of hostile files: the header is bounded, parsed as a stream, and refused if it has a duplicate
// name, a size that is not its shape's, tensors that overlap, leave gaps or end outside the file.
#pragma once

#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "compiler/base/shape.h"

namespace netc {

struct TensorEntry {
  std::string name;
  TensorType type;
  int64_t begin = 0, end = 0;  // bytes within the data
};

using Metadata = std::map<std::string, std::string>;

class SafetensorsFile {
 public:
  // THROWS RuntimeError E0602 if the file cannot be read, E0603 if it is not a valid safetensors file.
  explicit SafetensorsFile(const std::string& path);
  ~SafetensorsFile();
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  const std::string& path() const { return path_; }
  const std::vector<TensorEntry>& entries() const { return entries_; }  // in the order of the data
  const Metadata& metadata() const { return metadata_; }
  const TensorEntry* find(const std::string& name) const;  // null where there is none

  // Reads a tensor. REQUIRES: to.size() is the tensor's size. THROWS RuntimeError E0602.
  void read(const TensorEntry& entry, std::span<std::byte> to) const;

 private:
  void read_at(int64_t offset, std::span<std::byte> to) const;
  void check_layout(int64_t data_bytes);

  std::string path_;
  int descriptor_ = -1;
  int64_t data_start_ = 0;
  std::vector<TensorEntry> entries_;
  std::unordered_map<std::string, size_t> index_;
  Metadata metadata_;
};

struct TensorToWrite {
  std::string name;
  TensorType type;
  const std::byte* data;
};

// Replaces `path` at once (atomic_file.h). The same input gives the same bytes. Wider elements come first, so
// that every tensor is aligned. THROWS RuntimeError E0604.
void write_safetensors(const std::string& path, std::vector<TensorToWrite> tensors, const Metadata& metadata);

}  // namespace netc
