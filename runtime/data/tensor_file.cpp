#include "runtime/data/tensor_file.h"

#include <array>
#include <filesystem>
#include <fstream>

#include "compiler/base/error.h"
#include "runtime/data/npz.h"
#include "runtime/data/safetensors.h"
#include "runtime/data/torch_file.h"

namespace netc {

const TensorEntry* TensorFile::find(const std::string& name) const {
  const auto it = index_.find(name);
  return it == index_.end() ? nullptr : &entries_[it->second];
}

void TensorFile::index_names() {
  index_.clear();
  for (size_t i = 0; i < entries_.size(); ++i) index_.emplace(entries_[i].name, i);
}

std::unique_ptr<TensorFile> open_tensor_file(const std::string& path) {
  std::error_code ignored;
  std::array<char, 2> head{};
  if (std::filesystem::is_regular_file(path, ignored)) std::ifstream(path, std::ios::binary).read(head.data(), head.size());
  if (head[0] == 'P' && head[1] == 'K') {
    if (is_torch_archive(ZipArchive(path))) return std::make_unique<TorchFile>(path);
    return std::make_unique<NpzFile>(path);
  }
  // A pickle that is not packed: torch.save before 1.6, or pickle.dump. Read as a size it would be some exabytes.
  if (head[0] == '\x80' && (head[1] == 2 || head[1] == 3 || head[1] == 4))
    if (path.ends_with(".pt") || path.ends_with(".pth") || path.ends_with(".pkl"))
      throw RuntimeError("E0607", path + " is a pickle of another kind than PyTorch's zip files",
                         "load it with PyTorch, then torch.save(model.state_dict(), path)");
  return std::make_unique<SafetensorsFile>(path);
}

}  // namespace netc
