// The public entry points: from a reference to what it names.
#include "compiler/sema/sema.h"

#include <algorithm>
#include <tuple>

#include "compiler/sema/elaborator.h"
#include "compiler/sema/ensembles.h"
#include "compiler/sema/recipes.h"

namespace netc {
namespace {

// A syntax error leaves holes that would only give misleading messages.
bool has_syntax_errors(const DiagnosticSink& sink) {
  return std::any_of(sink.all().begin(), sink.all().end(), [](const Diagnostic& d) {
    return d.severity == Severity::error && d.code.rfind("E00", 0) == 0;
  });
}

Diagnostic plain_error(std::string code, std::string message) {
  Diagnostic d;
  d.code = std::move(code);
  d.message = std::move(message);
  return d;
}

struct Named {
  const Module* module = nullptr;
  const NetworkDecl* network = nullptr;
  const TrainDecl* train = nullptr;
  const EnsembleDecl* ensemble = nullptr;
  std::string member;  // of the ensemble that a `train` names: "small" of "file.net:run.small"
};

std::string listed(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  return all;
}

// What a reference names. Null pointers after errors.
Named find_named(Project& project, const std::string& text, bool want_train, DiagnosticSink& sink) {
  const Reference reference = parse_reference(text);
  const Module* module = project.load(reference.module, sink);
  if (!module || has_syntax_errors(sink)) return {};
  const size_t dot = reference.name.find('.');
  const std::string wanted = reference.name.substr(0, dot), member = dot == std::string::npos ? "" : reference.name.substr(dot + 1);
  std::vector<std::string> networks, trains;
  Named last_network, last_train;
  for (const Decl& declaration : module->ast.declarations) {
    const Name* name = declaration.declared_name();
    const NetworkDecl* network = declaration.as<NetworkDecl>();
    const TrainDecl* train = declaration.as<TrainDecl>();
    const EnsembleDecl* ensemble = declaration.as<EnsembleDecl>();
    if (!network && !train && !ensemble) continue;
    const Named named{module, network, train, ensemble, member};
    if (!wanted.empty() && name->text == wanted && (member.empty() || train)) return named;
    (train ? trains : networks).push_back(name->text);
    (train ? last_train : last_network) = named;
  }
  if (reference.name.empty()) {
    if (trains.size() == 1) return last_train;
    if (!want_train && networks.size() == 1) return last_network;
  }
  std::vector<std::string> all = networks;
  all.insert(all.end(), trains.begin(), trains.end());
  if (want_train) all = trains;
  Diagnostic d = plain_error("E0118", reference.name.empty()
                                          ? (all.empty() ? reference.module + " declares no " + (want_train ? "training run" : "network")
                                                         : reference.module + " declares several " + (want_train ? "training runs" : "networks") + ", choose one")
                                          : reference.module + " has no " + (want_train ? "training run" : "network") + " `" + reference.name + "`");
  if (want_train && all.empty() && !networks.empty()) {
    d.notes.push_back("a training run says on which data a network is trained and tested, and by which loss");
    d.fixes.push_back({"train NAME = " + networks.back() + " on DATA { ... }", "", {}});
  } else if (const std::optional<std::string> close = nearest(reference.name, all); close && !reference.name.empty()) {
    d.fixes.push_back({reference.module + ":" + *close, "", {}});
  } else if (!all.empty()) {
    d.notes.push_back("it has " + listed(all));
    if (reference.name.empty()) d.fixes.push_back({reference.module + ":" + all.front(), "", {}});
  }
  sink.add(std::move(d));
  return {};
}

std::optional<ElaboratedNetwork> elaborate_named(Project& project, const Named& named, const Recipe* recipe,
                                                 const ElaborateConfig& config, DiagnosticSink& sink) {
  Elaborator elaborator(project, config, sink);
  Elaborator::Request request;
  request.module = named.module;
  request.network = named.network;
  request.recipe = recipe;
  std::optional<Ensemble> networks, teacher;
  if (named.ensemble) {
    networks = find_ensemble(project, *named.module, *named.ensemble, sink);
    if (!networks) return std::nullopt;
    request.ensemble = &*networks;
  }
  if (named.train) {
    networks = find_networks(project, *named.module, named.train->network, sink);
    if (!networks) return std::nullopt;
    request.train = named.train;
    request.train_module = named.module;
    request.reference_span = named.train->network.span;
    const std::optional<size_t> number = named.member.empty() ? 0 : find_member(*networks, named.member, sink);
    if (!number) return std::nullopt;
    if (networks->members.size() > 1 && named.member.empty()) {
      request.module = named.module;
      request.ensemble = &*networks;
    } else {
      const EnsembleMember& member = networks->members[*number];
      request.module = member.module;
      request.network = member.network;
      request.args = member.args;
      request.args_module = member.args_module;
      if (!named.member.empty()) request.reference_span = member.span;
    }
    if (recipe && recipe->distill && config.purpose == Purpose::train) {
      teacher = find_teacher(project, *named.module, *named.train, sink);
      if (!teacher) return std::nullopt;
      request.teacher = &*teacher;
    }
  }
  std::optional<ElaboratedNetwork> net = elaborator.run(request);
  if (net && named.train && recipe && config.purpose == Purpose::train)
    check_layer_patterns(project, *named.module, *named.train, net->graph, sink);
  return sink.has_errors() ? std::nullopt : std::move(net);
}

// The recipe of a `train`; a member of an ensemble is trained by it with a seed of its own.
std::optional<Recipe> recipe_of(Project& project, const Named& named, DiagnosticSink& sink) {
  std::optional<Recipe> recipe = build_recipe(project, *named.module, *named.train, sink);
  if (!recipe || named.member.empty()) return recipe;
  const std::optional<Ensemble> networks = find_networks(project, *named.module, named.train->network, sink);
  const std::optional<size_t> number = networks ? find_member(*networks, named.member, sink) : std::nullopt;
  if (!number) return std::nullopt;
  recipe->name += "." + named.member;
  recipe->network = std::string(project.sources().text(networks->members[*number].span));
  recipe->seed += *number;
  return recipe;
}

}  // namespace

std::optional<ElaboratedNetwork> elaborate(Project& project, const std::string& reference,
                                           const ElaborateConfig& config, DiagnosticSink& sink) {
  const Named named = find_named(project, reference, false, sink);
  if (!named.module) return std::nullopt;
  if (!named.train) return elaborate_named(project, named, nullptr, config, sink);
  const std::optional<Recipe> recipe = recipe_of(project, named, sink);
  return recipe ? elaborate_named(project, named, &*recipe, config, sink) : std::nullopt;
}

std::optional<ElaboratedNetwork> elaborate(Project& project, const std::string& reference, const Recipe& recipe,
                                           const ElaborateConfig& config, DiagnosticSink& sink) {
  const Named named = find_named(project, reference, false, sink);
  return named.module ? elaborate_named(project, named, &recipe, config, sink) : std::nullopt;
}

std::optional<Recipe> resolve_recipe(Project& project, const std::string& reference, DiagnosticSink& sink) {
  const Named named = find_named(project, reference, true, sink);
  if (!named.module) return std::nullopt;
  if (named.train) return recipe_of(project, named, sink);
  const std::string& name = named.ensemble ? named.ensemble->name.text : named.network->name.text;
  Diagnostic d = plain_error("E0118", "`" + name + "` is " + (named.ensemble ? "an ensemble" : "a network") + ", not a training run");
  d.notes.push_back("a training run says on which data a network is trained and tested, and by which loss");
  std::string data = "DATA";
  for (const auto& [each, target] : named.module->names)
    if (target.declaration && target.declaration->as<DatasetDecl>()) data = each;
  d.fixes.push_back({"train NAME = " + name + " on " + data + " { ... }", "", {}});
  sink.add(std::move(d));
  return std::nullopt;
}

namespace {

// Blocks that are too large to expand are so from each of them on.
bool exceeds_a_limit(const DiagnosticSink& sink) {
  return std::any_of(sink.all().begin(), sink.all().end(), [](const Diagnostic& d) { return d.code == "E0801"; });
}

// The values of a file, whether something uses them or not.
void check_lets(Project& project, const Module& module, const ElaborateConfig& config, DiagnosticSink& sink) {
  Elaborator elaborator(project, config, sink);
  for (const Decl& declaration : module.ast.declarations)
    if (const LetDecl* let = declaration.as<LetDecl>()) elaborator.check_let(module, *let);
}

// A teacher knows something: it, or each member of an ensemble that teaches, has weights.
void check_teacher(Project& project, const Module& module, const TrainDecl& train, const Recipe& recipe, const ElaborateConfig& config,
                   DiagnosticSink& sink) {
  DiagnosticSink said_later;  // by the elaboration
  const std::optional<Ensemble> teacher = recipe.distill->weights ? std::nullopt : find_teacher(project, module, train, said_later);
  if (!teacher || std::all_of(teacher->members.begin(), teacher->members.end(), [](const EnsembleMember& m) { return m.weights.has_value(); })) return;
  Elaborator elaborator(project, config, sink);
  Diagnostic d = elaborator.error("E0503", setting_span(project, module, train, "distill", 0), "the teacher has no weights");
  d.fixes.push_back({"teacher(" + recipe.distill->network + ", weights = \"FILE\")", "", {}});
  elaborator.report(std::move(d));
}

bool check_module(Project& project, const std::string& reference, const ElaborateConfig& config, DiagnosticSink& sink) {
  const Reference parts = parse_reference(reference);
  if (!parts.name.empty()) return elaborate(project, reference, config, sink).has_value();
  const Module* module = project.load(parts.module, sink);
  if (!module || has_syntax_errors(sink)) return false;
  check_configurations(project, *module, sink);
  check_lets(project, *module, config, sink);
  ElaborateConfig training = config;
  training.purpose = Purpose::train;  // auxiliary heads are checked too
  for (const Decl& declaration : module->ast.declarations) {
    const NetworkDecl* network = declaration.as<NetworkDecl>();
    if (!network) continue;
    const bool complete = std::all_of(network->params.begin(), network->params.end(), [&](const Parameter& p) {
      return p.default_value || config.set.count(p.name.text);
    });
    if (!complete) continue;  // checked where a `train` gives its arguments
    Elaborator elaborator(project, config, sink);
    Elaborator::Request request;
    request.module = module;
    request.network = network;
    elaborator.run(request);
  }
  for (const Decl& declaration : module->ast.declarations) {
    const EnsembleDecl* ensemble = declaration.as<EnsembleDecl>();
    DiagnosticSink said_before;  // by check_configurations
    if (ensemble && find_ensemble(project, *module, *ensemble, said_before))
      elaborate_named(project, {module, nullptr, nullptr, ensemble, ""}, nullptr, config, sink);
  }
  for (const Decl& declaration : module->ast.declarations)
    if (const BlockDecl* block = declaration.as<BlockDecl>(); block && !module->is_prelude && !exceeds_a_limit(sink))
      Elaborator(project, config, sink).check_block(*module, *block);
  for (const Decl& declaration : module->ast.declarations) {
    const TrainDecl* train = declaration.as<TrainDecl>();
    if (!train) continue;
    const std::optional<Recipe> recipe = build_recipe(project, *module, *train, sink);
    if (!recipe) continue;
    if (recipe->distill) check_teacher(project, *module, *train, *recipe, config, sink);
    const std::optional<Ensemble> networks = find_networks(project, *module, train->network, sink);
    if (networks->members.size() == 1) elaborate_named(project, {module, nullptr, train, nullptr, ""}, &*recipe, training, sink);
    else for (const EnsembleMember& member : networks->members)
      elaborate_named(project, {module, nullptr, train, nullptr, member.name}, &*recipe, training, sink);
  }
  return !sink.has_errors();
}

}  // namespace

bool check(Project& project, const std::string& reference, const ElaborateConfig& config, DiagnosticSink& sink) {
  DiagnosticSink found;
  const bool right = check_module(project, reference, config, found);
  // In the order of the text, whatever the order of the checks.
  std::vector<Diagnostic> all = found.all();
  std::stable_sort(all.begin(), all.end(), [](const Diagnostic& a, const Diagnostic& b) {
    const Span x = a.primary.span, y = b.primary.span;
    const bool last = a.code == "E0033", other_last = b.code == "E0033";  // "too many errors"
    return std::tuple(last, x.file, x.begin) < std::tuple(other_last, y.file, y.begin);
  });
  for (Diagnostic& d : all) sink.add(std::move(d));
  return right;
}

std::optional<Listing> list_declarations(Project& project, const std::string& module_name, DiagnosticSink& sink) {
  const Module* module = project.load(module_name, sink);
  if (!module) return std::nullopt;
  Listing listing;
  for (const Decl& declaration : module->ast.declarations) {
    if (declaration.as<NetworkDecl>()) listing.networks.push_back(declaration.declared_name()->text);
    if (declaration.as<TrainDecl>()) listing.trains.push_back(declaration.declared_name()->text);
    if (declaration.as<NamesDecl>()) listing.names_maps.push_back(declaration.declared_name()->text);
  }
  return listing;
}

}  // namespace netc
