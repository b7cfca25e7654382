#include "compiler/api/convert_weights.h"

#include <set>

#include "compiler/api/model.h"
#include "compiler/base/error.h"
#include "runtime/data/safetensors.h"
#include "runtime/train/checksum.h"

namespace netc {
namespace {

// A tensor on its way: where it is read, and what it will be called.
struct Chosen {
  const TensorEntry* entry;
  std::string name;
};

// The file under other names, so that a network finds its tensors in it.
class RenamedFile final : public TensorFile {
 public:
  RenamedFile(const TensorFile& file, const NamesMap& rules) : TensorFile(file.path()), file_(file) {
    metadata_ = file.metadata();
    std::set<std::string> names;
    for (const TensorEntry& entry : file.entries()) {
      TensorEntry renamed = entry;
      renamed.name = map_name(rules, entry.name).value_or(entry.name);
      if (!names.insert(renamed.name).second)
        throw RuntimeError("E0608", "two tensors of " + file.path() + " would be called " + renamed.name);
      entries_.push_back(std::move(renamed));
    }
    index_names();
  }
  const char* format() const override { return file_.format(); }
  void read(const TensorEntry& entry, std::span<std::byte> to) const override { file_.read(original(entry), to); }
  const TensorEntry& original(const TensorEntry& entry) const { return file_.entries()[number(entry)]; }

 private:
  const TensorFile& file_;
};

NamesMap rename_rules(const ConvertRequest& request) {
  NamesMap map;
  for (const auto& [from, to] : request.rename) {
    map.rules.push_back({from, to});
    if (const std::string why = names_rule_error(map.rules.back()); !why.empty())
      throw RuntimeError("E0608", "`" + from + "=" + to + "`: " + why, "--rename 'layer{s}.**=stage.{s-1}.**'");
  }
  return map;
}

// Parameters and buffers by path; those of auxiliary heads are optional, since a network for inference has none.
std::vector<WantedTensor> tensors_of(Project& project, const NetworkRequest& network) {
  std::set<std::string> needed;
  for (const StateVariable& state : elaborate_network(project, network, Purpose::predict, 1).graph.states) needed.insert(state.path);
  std::vector<WantedTensor> wanted;
  for (const StateVariable& state : elaborate_network(project, network, Purpose::train, 1).graph.states)
    wanted.push_back({state.path, state.type, !needed.count(state.path)});
  return wanted;
}

bool is_torch_name(const std::string& path) { return path.ends_with(".pt") || path.ends_with(".pth"); }

void write(const std::string& path, const std::vector<TensorToWrite>& tensors, Metadata metadata) {
  if (is_torch_name(path)) return write_torch(path, tensors);
  if (path.ends_with(".npz")) return write_npz(path, tensors);
  // Weights are no checkpoint of a training any more; what belongs to the model stays.
  std::erase_if(metadata, [](const auto& item) { return item.first.starts_with("netc.training."); });
  add_checksum(metadata, tensors);
  write_safetensors(path, tensors, metadata);
}

}  // namespace

bool is_weights_name(const std::string& path) {
  return path.ends_with(".safetensors") || path.ends_with(".npz") || is_torch_name(path);
}

ConvertResult convert_weights(Project& project, const ConvertRequest& request) {
  const std::unique_ptr<TensorFile> input = open_tensor_file(request.input);
  require_undamaged(*input);
  const RenamedFile file(*input, rename_rules(request));
  const std::function<std::string(const std::string&)> mapped = mapped_names(project, request.names);
  ConvertResult result;
  result.format = file.format();
  std::vector<Chosen> chosen;
  if (request.network) {
    const std::vector<WantedTensor> wanted = tensors_of(project, *request.network);
    WeightsMatch match = match_weights(wanted, file, {.file_name = mapped, .strict = !request.partial});
    for (const auto& [number, entry] : match.pairs) chosen.push_back({entry, wanted[number].path});
    result.report = std::move(match.report);
  } else {
    std::set<std::string> names;
    for (const TensorEntry& entry : file.entries()) {
      chosen.push_back({&entry, mapped ? mapped(entry.name) : entry.name});
      if (!names.insert(chosen.back().name).second)
        throw RuntimeError("E0608", "two tensors of " + request.input + " would be called " + chosen.back().name);
    }
  }

  if (chosen.empty())
    throw RuntimeError("E0601", file.entries().empty() ? request.input + " has no tensors"
                                                       : "weights do not fit: none of the " + std::to_string(file.entries().size()) +
                                                             " tensors of " + request.input + " belongs to the network",
                       file.entries().empty() ? "" : "--names or --rename, where the file has other names");

  std::vector<std::vector<std::byte>> values;
  std::vector<TensorToWrite> tensors;
  for (const Chosen& tensor : chosen) {
    values.emplace_back(static_cast<size_t>(tensor.entry->type.bytes()));
    file.read(*tensor.entry, values.back());
    result.bytes += tensor.entry->type.bytes();
    const std::string& original = file.original(*tensor.entry).name;
    if (original != tensor.name) result.renamed.emplace_back(original, tensor.name);
  }
  for (size_t i = 0; i < chosen.size(); ++i) tensors.push_back({chosen[i].name, chosen[i].entry->type, values[i].data()});
  result.tensors = static_cast<int64_t>(tensors.size());
  write(request.output, tensors, file.metadata());
  return result;
}

}  // namespace netc
