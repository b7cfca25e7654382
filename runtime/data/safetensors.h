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

#include <span>
#include <string>
#include <vector>

#include "runtime/data/tensor_file.h"

namespace netc {

class SafetensorsFile final : public TensorFile {
 public:
  // THROWS RuntimeError E0602 if the file cannot be read, E0603 if it is not a valid safetensors file.
  explicit SafetensorsFile(const std::string& path);
  ~SafetensorsFile() override;

  const char* format() const override { return "safetensors"; }
  // THROWS RuntimeError E0602.
  void read(const TensorEntry& entry, std::span<std::byte> to) const override;

 private:
  void read_at(int64_t offset, std::span<std::byte> to) const;
  void check_layout(int64_t data_bytes);

  int descriptor_ = -1;
  int64_t data_start_ = 0;
};

// Replaces `path` at once (atomic_file.h). The same input gives the same bytes. Wider elements come first, so
// that every tensor is aligned. THROWS RuntimeError E0604.
void write_safetensors(const std::string& path, std::vector<TensorToWrite> tensors, const Metadata& metadata);

}  // namespace netc
