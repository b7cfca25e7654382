// .npz archives: zip files whose members are .npy files.
#include <cstring>

#include "compiler/base/error.h"
#include "runtime/data/npy.h"
#include "runtime/data/npz.h"
#include "runtime/data/zip_archive.h"

namespace netc {

std::map<std::string, Array> read_npz(const std::string& path) {
  const ZipArchive archive(path);
  std::map<std::string, Array> arrays;
  for (const ZipArchive::Member& member : archive.members()) {
    const std::string name = member.name.ends_with(".npy") ? member.name.substr(0, member.name.size() - 4) : member.name;
    const std::string label = path + ":" + name;
    if (!arrays.emplace(name, parse_npy(archive.read(member, label), label)).second)
      throw RuntimeError("E0703", label + " is in the archive twice");
  }
  return arrays;
}

NpzFile::NpzFile(const std::string& path) : TensorFile(path) {
  for (auto& [name, array] : read_npz(path)) {
    entries_.push_back({name, array.type});
    arrays_.push_back(std::move(array.bytes));
  }
  index_names();
}

void NpzFile::read(const TensorEntry& entry, std::span<std::byte> to) const {
  const std::vector<std::byte>& bytes = arrays_[number(entry)];
  NETC_CHECK(to.size() == bytes.size(), "tensor's size");
  std::copy(bytes.begin(), bytes.end(), to.begin());
}

void write_npz(const std::string& path, const std::vector<TensorToWrite>& tensors) {
  std::vector<MemberToWrite> members;
  for (const TensorToWrite& tensor : tensors) {
    if (tensor.type.dtype == DType::bf16)
      throw RuntimeError("E0708", path + ": NumPy has no bf16, the type of " + tensor.name, "write .safetensors or .pt");
    members.push_back({tensor.name + ".npy", npy_header(tensor.type), tensor.data, static_cast<size_t>(tensor.type.bytes())});
  }
  write_zip(path, members);
}

}  // namespace netc
