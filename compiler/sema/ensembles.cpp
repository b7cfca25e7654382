#include "compiler/sema/ensembles.h"

#include <algorithm>

#include "compiler/sema/config_reader.h"
#include "compiler/sema/recipe_values.h"
#include "compiler/sema/recipes.h"

namespace netc {
namespace {

constexpr size_t kMaxMembers = 64;
const std::vector<std::string> kCombinations = {"mean_logits", "mean_probabilities", "vote"};

// One entry of an ensemble: a member, or several that differ in their weights or seeds.
void read_members(Project& project, ConfigReader& reader, const Entry& entry, DiagnosticSink& sink, std::vector<EnsembleMember>& members) {
  const Constructor c = reader.constructor(entry.value, {{"member", {"network", "weights", "count"}}}, "a member such as member(resnet20)");
  reader.require(c, "network");
  const std::optional<TrainedNetwork> found = find_network(project, reader.module(), *c.fields.at("network"), sink);
  if (!found) throw Failed{};
  if (found->ensemble)
    reader.fail(reader.error("E0516", c.fields.at("network")->span, "a member is a network, `" + found->ensemble->name.text + "` is an ensemble"));
  EnsembleMember member{entry.key.text, found->module, found->network, &reader.module(), found->args, c.fields.at("network")->span, {}};
  std::vector<WeightsSpec> weights;
  if (reader.has(c, "weights"))
    for (const Expression* item : reader.items(*c.fields.at("weights"))) weights.push_back(read_weights_or_path(reader, *item, "`weights` of `member`"));
  size_t count = std::max<size_t>(weights.size(), 1);
  if (reader.has(c, "count")) {
    if (!weights.empty()) reader.fail(reader.error("E0505", c.fields.at("count")->span, "`weights` say how many members there are"));
    count = static_cast<size_t>(reader.integer(*c.fields.at("count"), "`count` of `member`", 1, kMaxMembers));
  }
  const bool several = reader.has(c, "count") || weights.size() > 1;
  for (size_t i = 0; i < count; ++i) {
    member.name = several ? entry.key.text + "." + std::to_string(i) : entry.key.text;
    member.weights = weights.empty() ? std::nullopt : std::optional(weights[i]);
    members.push_back(member);
  }
}

}  // namespace

std::optional<Ensemble> find_ensemble(Project& project, const Module& module, const EnsembleDecl& declaration, DiagnosticSink& sink) {
  const int errors = sink.error_count();
  const ElaborateConfig config;
  Elaborator elaborator(project, config, sink);
  ConfigReader reader(project, module, elaborator);
  Ensemble ensemble;
  ensemble.name = declaration.name;
  reader.entries(declaration.body, "ensembles", [&](const Entry& entry) {
    const std::string& key = entry.key.text;
    if (key == "combine") {
      const std::string word = reader.word(entry.value, "`combine`", kCombinations);
      ensemble.combine = word == "vote"          ? Ensemble::Combine::vote
                         : word == "mean_logits" ? Ensemble::Combine::mean_logits
                                                 : Ensemble::Combine::mean_probabilities;
    } else if (key == "shared") {
      ensemble.shared = reader.texts(entry.value, "`shared`");
      for (const Expression* item : reader.items(entry.value)) ensemble.shared_spans.push_back(item->span);
    } else {
      read_members(project, reader, entry, sink, ensemble.members);
    }
  });
  if (sink.error_count() == errors && (ensemble.members.size() < 2 || ensemble.members.size() > kMaxMembers)) {
    Diagnostic d = elaborator.error("E0516", declaration.name.span,
                                    "`" + ensemble.name.text + "` has " + std::to_string(ensemble.members.size()) +
                                        (ensemble.members.size() == 1 ? " member" : " members") + ", an ensemble has 2 to " + std::to_string(kMaxMembers));
    if (ensemble.members.size() < 2) d.fixes.push_back({"runs = member(resnet20, count = 3)", "", {}});
    elaborator.report(std::move(d));
  }
  return sink.error_count() > errors ? std::nullopt : std::optional(std::move(ensemble));
}

std::optional<Ensemble> find_networks(Project& project, const Module& module, const Expression& value, DiagnosticSink& sink) {
  const std::optional<TrainedNetwork> found = find_network(project, module, value, sink);
  if (!found) return std::nullopt;
  if (found->ensemble) return find_ensemble(project, *found->module, *found->ensemble, sink);
  Ensemble alone;
  alone.name = {found->network->name.text, value.span};
  alone.members.push_back({"", found->module, found->network, &module, found->args, value.span, {}});
  return alone;
}

std::optional<size_t> find_member(const Ensemble& ensemble, const std::string& name, DiagnosticSink& sink) {
  std::vector<std::string> names;
  for (size_t i = 0; i < ensemble.members.size(); ++i) {
    if (ensemble.members[i].name == name) return i;
    names.push_back(ensemble.members[i].name);
  }
  Diagnostic d;
  d.code = "E0516";
  d.message = "`" + ensemble.name.text + "` has no member `" + name + "`";
  d.primary.span = ensemble.name.span;
  std::string all;
  for (const std::string& each : names) all += (all.empty() ? "" : ", ") + each;
  d.notes.push_back("it has " + all);
  sink.add(std::move(d));
  return std::nullopt;
}

}  // namespace netc
