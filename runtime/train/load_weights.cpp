#include "runtime/train/load_weights.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include "compiler/base/error.h"
#include "runtime/train/checksum.h"

namespace netc {
namespace {

constexpr size_t kNamedInMessage = 3;  // tensors that an error lists of each kind

std::string first_label(const std::string& path) {
  return path.substr(0, path.find('.'));
}

// "3 missing: a, b, c, …"
template <class List, class Text>
void list_some(std::string& message, const char* what, const List& list, Text text) {
  if (list.empty()) return;
  message += ", " + std::to_string(list.size()) + " " + what + ": ";
  const char* separator = what == std::string("mismatched") ? "; " : ", ";
  for (size_t i = 0; i < std::min(list.size(), kNamedInMessage); ++i)
    message += (i ? separator : "") + text(list[i]);
  if (list.size() > kNamedInMessage) message += std::string(separator) + "…";
}

[[noreturn]] void do_not_fit(const LoadReport& report, bool of_recipe) {
  std::string message = "weights do not fit: " + std::to_string(report.loaded.size()) + " loaded";
  auto same = [](const std::string& path) { return path; };
  list_some(message, "mismatched", report.mismatched, [](const TensorMismatch& m) {
    bool shapes_only = m.file.dtype == m.network.dtype;
    return m.path + " file " + (shapes_only ? to_string(m.file.shape) : to_string(m.file)) + ", network " +
           (shapes_only ? to_string(m.network.shape) : to_string(m.network));
  });
  list_some(message, "missing", report.missing, same);
  list_some(message, "unexpected", report.unexpected, same);
  std::set<std::string> labels;
  for (const TensorMismatch& m : report.mismatched) labels.insert(first_label(m.path));
  for (const std::string& path : report.missing) labels.insert(first_label(path));
  std::string fix;
  if (of_recipe && !report.loaded.empty() && labels.size() <= 2) {
    for (const std::string& label : labels) fix += (fix.empty() ? "\"" : ", \"") + label + ".**\"";
    fix = "except = [" + fix + "]";
  }
  throw RuntimeError("E0601", message, fix);
}

}  // namespace

WeightsMatch match_weights(const std::vector<WantedTensor>& wanted, const TensorFile& file, const LoadWeightsOptions& options) {
  WeightsMatch match;
  LoadReport& report = match.report;
  std::unordered_set<std::string> used;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const WantedTensor& tensor = wanted[i];
    const std::string name = options.file_name ? options.file_name(tensor.path) : tensor.path;
    const TensorEntry* entry = file.find(name);
    if (options.except && options.except(tensor.path)) {
      report.excepted.push_back(tensor.path);
    } else if (!entry) {
      if (!tensor.optional) report.missing.push_back(tensor.path);
    } else if (entry->type != tensor.type) {
      report.mismatched.push_back({tensor.path, entry->type, tensor.type});
    } else {
      report.loaded.push_back(tensor.path);
      match.pairs.emplace_back(i, entry);
    }
    used.insert(name);
  }
  for (const TensorEntry& entry : file.entries())
    if (!used.count(entry.name)) report.unexpected.push_back(entry.name);
  if (options.strict && (!report.missing.empty() || !report.mismatched.empty())) do_not_fit(report, options.of_recipe);
  return match;
}

LoadReport load_selected(State& state, const TensorFile& file, const LoadWeightsOptions& options,
                         const std::function<bool(const StateSlot&)>& slots) {
  std::vector<const StateSlot*> chosen;
  std::vector<WantedTensor> wanted;
  for (const StateSlot& slot : state.slots()) {
    if (!slots(slot)) continue;
    chosen.push_back(&slot);
    wanted.push_back({slot.path, slot.type});
  }
  WeightsMatch match = match_weights(wanted, file, options);
  std::vector<std::byte> values;
  for (const auto& [number, entry] : match.pairs) {
    values.resize(static_cast<size_t>(entry->type.bytes()));
    file.read(*entry, values);
    state.write(*chosen[number], values);
  }
  return std::move(match.report);
}

LoadReport load_slots(State& state, const TensorFile& file, const LoadWeightsOptions& options,
                      const std::function<bool(StateKind)>& kinds) {
  return load_selected(state, file, options, [&](const StateSlot& slot) { return kinds(slot.kind); });
}

LoadReport load_weights(State& state, const TensorFile& file, const LoadWeightsOptions& options) {
  require_undamaged(file);
  return load_slots(state, file, options,
                    [](StateKind kind) { return kind == StateKind::parameter || kind == StateKind::buffer; });
}

}  // namespace netc
