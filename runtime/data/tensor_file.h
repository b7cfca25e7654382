// A file of named tensors, whatever its format: what weights are loaded from.
//
//   std::unique_ptr<TensorFile> file = open_tensor_file("resnet18.pt");   // told apart by its first bytes
//   if (const TensorEntry* w = file->find("fc.weight")) file->read(*w, bytes);
//
// GUARANTEES: names are unique, every shape's bytes were computed without overflow, and read() gives exactly them, dense
// and row-major. A file from a stranger is data: nothing in it is executed, and memory is bounded by what it really holds.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "compiler/base/shape.h"

namespace netc {

struct TensorEntry {
  std::string name;
  TensorType type;
  int64_t begin = 0, end = 0;  // safetensors: bytes within the data; other formats: not used
};

using Metadata = std::map<std::string, std::string>;

class TensorFile {
 public:
  explicit TensorFile(std::string path) : path_(std::move(path)) {}
  virtual ~TensorFile() = default;
  TensorFile(const TensorFile&) = delete;
  TensorFile& operator=(const TensorFile&) = delete;

  virtual const char* format() const = 0;  // "safetensors", "npz", "pt"
  const std::string& path() const { return path_; }
  const std::vector<TensorEntry>& entries() const { return entries_; }
  const Metadata& metadata() const { return metadata_; }       // empty but for safetensors
  const TensorEntry* find(const std::string& name) const;      // null where there is none

  // Reads a tensor. REQUIRES: to.size() is the tensor's size. THROWS RuntimeError E0602, E0704.
  virtual void read(const TensorEntry& entry, std::span<std::byte> to) const = 0;

 protected:
  size_t number(const TensorEntry& entry) const { return static_cast<size_t>(&entry - entries_.data()); }
  void index_names();  // after the last change of entries_

  std::vector<TensorEntry> entries_;
  Metadata metadata_;

 private:
  std::string path_;
  std::unordered_map<std::string, size_t> index_;
};

// safetensors, PyTorch's zip format, or .npz, told apart by content. THROWS RuntimeError E0602, E0603 (safetensors),
// E0607 (PyTorch), E0703 to E0709 (zip and .npy).
std::unique_ptr<TensorFile> open_tensor_file(const std::string& path);

struct TensorToWrite {
  std::string name;
  TensorType type;
  const std::byte* data;
};

// Each replaces `path` at once (atomic_file.h). The same input gives the same bytes. THROWS RuntimeError E0604; E0708 for
// a type that the format has not.
void write_npz(const std::string& path, const std::vector<TensorToWrite>& tensors);
void write_torch(const std::string& path, const std::vector<TensorToWrite>& tensors);

}  // namespace netc
