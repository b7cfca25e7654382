// Weights in PyTorch's zip format (torch.save since 1.6): a pickle that describes tensors, and their storages beside it.
//
//   TorchFile file("resnet18.pt");
//   file.find("layer1.0.conv1.weight");       // nested dicts join their keys: "state_dict.fc.weight"
//
// Every tensor within dicts is an entry; whatever else is there (epochs, learning rates) is passed over. Tensors may share a
// storage and be strided; each is read dense. Nothing of the pickle is executed (pickle.h).
#pragma once

#include <set>
#include <string>
#include <vector>

#include "runtime/data/pickle.h"
#include "runtime/data/tensor_file.h"
#include "runtime/data/zip_archive.h"

namespace netc {

class TorchFile final : public TensorFile {
 public:
  // THROWS RuntimeError E0607 if it is no state dict, E0702 to E0709 for a broken archive.
  explicit TorchFile(const std::string& path);

  const char* format() const override { return "pt"; }
  // THROWS RuntimeError E0704 to E0709.
  void read(const TensorEntry& entry, std::span<std::byte> to) const override;

 private:
  struct StridedTensor {
    size_t type = 0;                      // of its elements in the file
    const ZipArchive::Member* storage = nullptr;
    int64_t offset = 0;                   // in elements
    std::vector<int64_t> strides;
  };
  void add_tensors(const Pickle& pickle, int32_t node, const std::string& prefix);
  void add_tensor(const Pickle& pickle, const Pickle::Node& tensor, const std::string& name);

  ZipArchive archive_;
  std::string folder_;              // of the archive: "archive/"
  std::vector<StridedTensor> tensors_;
  std::set<int32_t> open_;          // the dicts around a tensor: one in itself is a cycle
  std::set<std::string> names_;
  int64_t visited_ = 0;
};

// Whether a zip file is one of PyTorch's.
bool is_torch_archive(const ZipArchive& archive);

}  // namespace netc
