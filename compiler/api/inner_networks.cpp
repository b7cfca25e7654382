#include "compiler/api/inner_networks.h"

#include <algorithm>

#include "compiler/base/error.h"
#include "runtime/data/find_files.h"
#include "runtime/train/checksum.h"

namespace netc {
namespace {

constexpr const char* kShared = "shared.";

bool loadable(const StateSlot& slot) { return slot.kind == StateKind::parameter || slot.kind == StateKind::buffer; }

// Where the file of a member has a slot's tensor: "fc.weight" for "teacher.small.fc.weight" and "teacher.shared.fc.weight".
class MemberPaths {
 public:
  MemberPaths(const std::string& prefix, const std::string& name) : own_(prefix + (name.empty() ? "" : name + ".")), shared_(prefix + kShared) {}
  bool shared(const std::string& path) const { return path.starts_with(shared_) && own_ != shared_; }
  bool has(const std::string& path) const { return path.starts_with(own_) || shared(path); }
  std::string of(const std::string& path) const { return path.substr((shared(path) ? shared_ : own_).size()); }

 private:
  std::string own_, shared_;
};

// What the first member brought must be what this one has too, byte for byte.
void require_same(const State& state, const TensorFile& file, const MemberPaths& paths, const LoadWeightsOptions& options) {
  for (const StateSlot& slot : state.slots()) {
    if (!loadable(slot) || !paths.shared(slot.path)) continue;
    const TensorEntry* entry = file.find(options.file_name(slot.path));
    std::vector<std::byte> theirs(entry && entry->type == slot.type ? static_cast<size_t>(slot.type.bytes()) : 0);
    if (!theirs.empty()) file.read(*entry, theirs);
    if (theirs != state.read(slot))
      throw RuntimeError("E0610", file.path() + ": `" + paths.of(slot.path) + "` is shared, and differs from the first member's",
                         "freeze it when the members are trained, or leave it out of `shared`");
  }
}

// Scores are combined by the classes' numbers, and pictures are prepared once for all: members that record other classes or
// another preprocessing than those before them do not fit. What a file does not record is not compared.
void require_same_model(ModelInfo& known, const ModelInfo& member, const std::string& path) {
  const auto compare = [&](auto& ours, const auto& theirs, const char* what) {
    if (ours.empty()) ours = theirs;
    if (theirs.empty() || ours == theirs) return;
    throw RuntimeError("E0611", path + " was trained with " + what + " than the members before it",
                       "train the members on one data set, whose `classes` gives the order");
  };
  compare(known.class_names, member.class_names, "other classes, or in another order,");
  compare(known.preprocess, member.preprocess, "another preprocessing");
}

ModelInfo load_member(State& state, const MemberPaths& paths, bool first, const WeightsSpec& weights, Project& project) {
  const std::unique_ptr<TensorFile> file = open_tensor_file(resolve_path(weights.base_dir, weights.path));
  require_undamaged(*file);
  LoadWeightsOptions options = weights_options(weights, project);
  const auto library = options.file_name;
  const auto except = options.except;
  options.file_name = [&paths, library](const std::string& path) { return library ? library(paths.of(path)) : paths.of(path); };
  options.except = [&paths, except](const std::string& path) { return except(paths.of(path)); };
  options.of_recipe = false;  // `member` and `teacher` take whole files
  load_selected(state, *file, options, [&](const StateSlot& slot) {
    return loadable(slot) && paths.has(slot.path) && (first || !paths.shared(slot.path));
  });
  if (!first) require_same(state, *file, paths, options);
  return read_model_info(*file);
}

}  // namespace

void load_inner_networks(State& state, const std::string& prefix, const std::vector<InnerNetwork>& networks,
                         const WeightsSpec* together, Project& project) {
  if (together) {
    load_member(state, {prefix, ""}, true, *together, project);
    return;
  }
  ModelInfo known;
  for (size_t i = 0; i < networks.size(); ++i) {
    if (!networks[i].weights)
      throw RuntimeError("E0601", networks[i].name.empty() ? "the teacher has no weights" : "`" + networks[i].name + "` has no weights",
                         networks[i].name.empty() ? "teacher(..., weights = \"FILE\")" : "--weights FILE of the whole ensemble, or member(..., weights = \"FILE\")");
    const ModelInfo member = load_member(state, {prefix, networks[i].name}, i == 0, *networks[i].weights, project);
    require_same_model(known, member, networks[i].weights->path);
  }
}

ModelInfo load_member_weights(Model& model, Project& project, Executor& executor) {
  const ElaboratedNetwork& network = model.compilation.network;
  load_inner_networks(*model.state, "", network.members, nullptr, project);
  prepare(model, executor);
  const WeightsSpec& first = *network.members.front().weights;
  ModelInfo info = read_model_info(*open_tensor_file(resolve_path(first.base_dir, first.path)));
  info.network = network.reference;
  return info;
}

}  // namespace netc
