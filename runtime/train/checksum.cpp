#include "runtime/train/checksum.h"

#include <set>
#include <string>

#include "compiler/base/digest.h"
#include "compiler/base/error.h"

namespace netc {
namespace {

constexpr const char* kChecksum = "netc.checksum";

bool has_checksum(const Metadata& metadata) {
  const auto version = metadata.find("netc.version");
  return version != metadata.end() && version->second != "1" && version->second != "2";
}

// The same for any order of the tensors.
class Checksum {
 public:
  explicit Checksum(const Metadata& metadata) {
    for (const auto& [key, value] : metadata)
      if (key != kChecksum) parts_.insert(digest(key).hex() + digest(value).hex());
  }
  void add(const std::string& name, const TensorType& type, const std::byte* values) {
    parts_.insert(digest(name + " " + to_string(type)).hex() + digest(values, static_cast<size_t>(type.bytes())).hex());
  }
  std::string text() const {
    std::string all;
    for (const std::string& part : parts_) all += part;
    return digest(all).hex();
  }

 private:
  std::set<std::string> parts_;
};

}  // namespace

void add_checksum(Metadata& metadata, const std::vector<TensorToWrite>& tensors) {
  if (!has_checksum(metadata)) return;
  Checksum sum(metadata);
  for (const TensorToWrite& tensor : tensors) sum.add(tensor.name, tensor.type, tensor.data);
  metadata[kChecksum] = sum.text();
}

void require_undamaged(const TensorFile& file) {
  if (!has_checksum(file.metadata())) return;
  Checksum sum(file.metadata());
  std::vector<std::byte> values;
  for (const TensorEntry& entry : file.entries()) {
    values.resize(static_cast<size_t>(entry.type.bytes()));
    file.read(entry, values);
    sum.add(entry.name, entry.type, values.data());
  }
  const auto written = file.metadata().find(kChecksum);
  if (written == file.metadata().end() || written->second != sum.text())
    throw RuntimeError("E0609", file.path() + " is damaged: its checksum is not that of what it holds",
                       "an older checkpoint, which `--keep` leaves beside it, or a copy");
}

}  // namespace netc
