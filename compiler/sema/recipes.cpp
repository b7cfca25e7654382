// Recipes: the keys of `recipe` and `train`, checked one by one.
//
//   train run = resnet20(classes = 10) on cifar { use base; epochs = 30 }
//
// `use NAME` brings the keys of a recipe; a key written later replaces one that came before.
#include "compiler/sema/recipes.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "compiler/ir/op_def.h"
#include "compiler/sema/config_reader.h"
#include "compiler/sema/ensembles.h"
#include "compiler/sema/names_map.h"
#include "compiler/sema/primitive_names.h"
#include "compiler/sema/recipe_values.h"
#include "stdlib/stdlib_sources.h"

namespace netc {
namespace {

const std::vector<std::string> kKeys = {"loss", "optimizer", "schedule", "augment", "copies", "batch", "epochs", "seed",
                                        "precision", "weights", "freeze", "groups", "clip", "ema", "swa", "early_stop",
                                        "accumulate", "loss_scale", "distill"};
const std::vector<std::string> kLaterKeys = {"devices"};

struct Setting {
  const Module* module;  // where it is written
  const Entry* entry;
};
using Settings = std::map<std::string, Setting>;

class RecipeBuilder {
 public:
  RecipeBuilder(Project& project, DiagnosticSink& sink)
      : project_(project), sink_(sink), elaborator_(project, config_, sink) {}

  // Adds the settings of a body; `open` are the recipes in use around it.
  void collect(const Module& module, const ConfigBody& body, Settings& settings, std::vector<const RecipeDecl*>& open);
  void apply(const Settings& settings, Recipe& recipe);
  void check_averaging(const Settings& settings, Recipe& recipe);
  void apply_key(const std::string& key, const Setting& setting, Recipe& recipe);
  void report(Diagnostic d) { elaborator_.report(std::move(d)); }
  Diagnostic error(const char* code, Span span, std::string message, std::string label = {}) {
    return elaborator_.error(code, span, std::move(message), std::move(label));
  }
  Elaborator& elaborator() { return elaborator_; }
  Project& project() { return project_; }

 private:
  void use(const Module& module, const Use& use, Settings& settings, std::vector<const RecipeDecl*>& open);
  PrecisionSpec precision(ConfigReader& reader, const Expression& value);

  Project& project_;
  DiagnosticSink& sink_;
  ElaborateConfig config_;
  Elaborator elaborator_;
};

void RecipeBuilder::use(const Module& module, const Use& use, Settings& settings, std::vector<const RecipeDecl*>& open) {
  const auto found = module.names.find(use.name.text);
  const RecipeDecl* recipe =
      found != module.names.end() && found->second.declaration ? found->second.declaration->as<RecipeDecl>() : nullptr;
  if (found != module.names.end() && !found->second.declaration) return;  // an import that failed
  if (!recipe) {
    Diagnostic d = error("E0509", use.name.span, "no recipe `" + use.name.text + "`");
    std::vector<std::string> names;
    for (const auto& [name, target] : module.names)
      if (target.declaration && target.declaration->as<RecipeDecl>()) names.push_back(name);
    if (const std::optional<std::string> close = nearest(use.name.text, names))
      d.fixes.push_back({*close, "", {{use.name.span, *close}}});
    return report(std::move(d));
  }
  if (std::find(open.begin(), open.end(), recipe) != open.end())
    return report(error("E0509", use.name.span, "`" + use.name.text + "` uses itself"));
  open.push_back(recipe);
  collect(*found->second.module, recipe->body, settings, open);
  open.pop_back();
}

void RecipeBuilder::collect(const Module& module, const ConfigBody& body, Settings& settings,
                            std::vector<const RecipeDecl*>& open) {
  std::map<std::string, Span> here;
  for (const auto& item : body.items) {
    if (const Use* used = std::get_if<Use>(&item)) {
      use(module, *used, settings, open);
      continue;
    }
    const Entry& entry = std::get<Entry>(item);
    const std::string& key = entry.key.text;
    if (std::find(kLaterKeys.begin(), kLaterKeys.end(), key) != kLaterKeys.end()) {
      report(error("E0506", entry.key.span, "`" + key + "` is not supported yet"));
      continue;
    }
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) {
      Diagnostic d = error("E0502", entry.key.span, "a recipe has no key `" + key + "`");
      if (key == "lr" || key == "learning_rate") {
        d.fixes.push_back({"schedule = constant(0.1)", "", {}});
      } else if (const std::optional<std::string> close = nearest(key, kKeys)) {
        d.fixes.push_back({*close, "", {{entry.key.span, *close}}});
      } else {
        std::string all;
        for (const std::string& each : kKeys) all += (all.empty() ? "" : ", ") + each;
        d.notes.push_back("it has " + all);
      }
      report(std::move(d));
      continue;
    }
    if (const auto [previous, fresh] = here.emplace(key, entry.key.span); !fresh) {
      Diagnostic d = error("E0505", entry.key.span, "`" + key + "` is given twice");
      d.secondary.push_back({previous->second, "first here"});
      report(std::move(d));
      continue;
    }
    settings[key] = {&module, &entry};
  }
}

void RecipeBuilder::apply(const Settings& settings, Recipe& recipe) {
  std::vector<std::pair<std::string, Setting>> ordered(settings.begin(), settings.end());
  std::sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) {
    const Span x = a.second.entry->span, y = b.second.entry->span;
    return std::pair(x.file, x.begin) < std::pair(y.file, y.begin);
  });
  for (const auto& [key, setting] : ordered) {
    try {
      apply_key(key, setting, recipe);
    } catch (const Failed&) {
      // Reported; the other keys are worth checking too.
    }
  }
}

void RecipeBuilder::apply_key(const std::string& key, const Setting& setting, Recipe& recipe) {
  ConfigReader reader(project_, *setting.module, elaborator_);
  const Expression& value = setting.entry->value;
  constexpr int64_t kMax = int64_t{1} << 31;
  if (key == "loss") recipe.loss = read_loss(reader, value);
  else if (key == "optimizer") read_optimizer(reader, value, recipe.optimizer);
  else if (key == "groups") recipe.groups = read_groups(reader, value);
  else if (key == "clip") read_clip(reader, value, recipe.optimizer);
  else if (key == "ema") recipe.optimizer.ema = reader.real(value, "`ema`", {.low = 0, .high = 1, .high_excluded = true});
  else if (key == "swa") recipe.optimizer.swa = read_swa(reader, value);
  else if (key == "weights") recipe.weights = read_weights(reader, value);
  else if (key == "distill") recipe.distill = read_distill(reader, value);
  else if (key == "freeze") recipe.freeze = reader.texts(value, "`freeze`");
  else if (key == "schedule") recipe.schedule = read_schedule(reader, value);
  else if (key == "augment") read_augment(reader, value, recipe.augment_preprocess, recipe.augment);
  else if (key == "copies") recipe.copies = reader.integer(value, "`copies`", 1, 10000);
  else if (key == "early_stop") {
    const Duration patience = reader.duration(value, "`early_stop`");
    if (!patience.in_epochs || patience.count < 1 || patience.count != std::floor(patience.count))
      reader.fail(reader.error("E0507", value.span, "`early_stop` is a whole number of epochs"));
    recipe.early_stop = static_cast<int64_t>(patience.count);
  }
  else if (key == "accumulate") recipe.optimizer.accumulate = reader.integer(value, "`accumulate`", 1, 1 << 20);
  else if (key == "batch") recipe.batch = reader.integer(value, "`batch`", 1, 1 << 20);
  else if (key == "epochs") recipe.epochs = reader.integer(value, "`epochs`", 1, kMax);
  else if (key == "seed") recipe.seed = static_cast<uint64_t>(reader.integer(value, "`seed`", 0, INT64_MAX));
  else if (key == "loss_scale") recipe.loss_scale = read_loss_scale(reader, value);
  else if (key == "precision") recipe.precision = precision(reader, value);
}

// `swa` with what else the recipe says; the schedule gets its learning rate.
void RecipeBuilder::check_averaging(const Settings& settings, Recipe& recipe) {
  if (!recipe.optimizer.swa) return;  // wrong, and reported
  const SwaSpec& swa = *recipe.optimizer.swa;
  const Span span = settings.at("swa").entry->value.span;
  if (const auto ema = settings.find("ema"); ema != settings.end()) {
    Diagnostic d = error("E0505", span, "a recipe has one of `ema` and `swa`");
    d.secondary.push_back({ema->second.entry->span, "the other one"});
    report(std::move(d));
  }
  if (swa.start.in_epochs && settings.count("epochs") && swa.start.count > static_cast<double>(recipe.epochs))
    report(error("E0507", span, "averaging starts after the training's end, of " + std::to_string(recipe.epochs) + (recipe.epochs == 1 ? " epoch" : " epochs")));
  recipe.schedule.averaging_rate = swa.rate;
  recipe.schedule.averaging_from = swa.start;
  recipe.schedule.anneal = swa.anneal;
}

// `bf16`, or `[bf16, f32("fc.**")]`: the network's, then that of layers by patterns of their paths.
PrecisionSpec RecipeBuilder::precision(ConfigReader& reader, const Expression& value) {
  const std::vector<ConstructorDef> known = {
      {"f32", {"layers"}}, {"tf32", {"layers"}}, {"bf16", {"layers"}}, {"f16", {"layers"}}};
  PrecisionSpec spec;
  bool has_main = false;
  for (const Expression* item : reader.items(value)) {
    const Constructor c = reader.constructor(*item, known, "a precision");
    const Precision type = *precision_from_name(c.name);
    if (reader.has(c, "layers")) {
      for (const std::string& pattern : reader.texts(*c.fields.at("layers"), "`layers` of `" + c.name + "`"))
        spec.layers.push_back({pattern, type});
    } else if (has_main) {
      reader.fail(reader.error("E0505", item->span, "the precision of the network is one"));
    } else {
      has_main = true;
      spec.type = type;
    }
  }
  if (!has_main) {
    Diagnostic d = reader.error("E0503", value.span, "the precision of the other layers has to be said");
    d.fixes.push_back({"[bf16, f32(\"fc.**\")]", "", {}});
    reader.fail(std::move(d));
  }
  return spec;
}

// The stdlib module that declares a network of that name; empty if none does.
std::string stdlib_module_of(Project& project, const std::string& network, DiagnosticSink& sink) {
  for (const StdlibSource* source = stdlib_sources(); source->name; ++source) {
    const std::string name = std::string("std.") + source->name;
    const Module* module = project.load(name, sink);
    if (!module) continue;
    const auto found = module->names.find(network);
    if (found != module->names.end() && found->second.declaration && found->second.declaration->as<NetworkDecl>()) return name;
  }
  return "";
}

}  // namespace

std::optional<TrainedNetwork> find_network(Project& project, const Module& module, const Expression& value, DiagnosticSink& sink) {
  const Call* call = value.as<Call>();
  const NameRef* ref = call ? call->callee->as<NameRef>() : value.as<NameRef>();
  RecipeBuilder builder(project, sink);
  const Span span = call ? call->callee->span : value.span;
  if (!ref) {
    builder.report(builder.error("E0512", span, "expected a network, with its arguments", "resnet20(classes = 10)"));
    return std::nullopt;
  }
  const auto found = module.names.find(ref->name);
  if (found != module.names.end() && !found->second.declaration) return std::nullopt;
  if (found == module.names.end()) {
    DiagnosticSink ignored;
    const Module& prelude = project.prelude(ignored);
    const bool is_block = is_direct_operator(ref->name) || prelude.names.count(ref->name);
    Diagnostic d = builder.error("E0512", span, is_block ? "`" + ref->name + "` is a layer, not a network" : "no network `" + ref->name + "`");
    std::vector<std::string> names;
    for (const auto& [name, target] : module.names)
      if (target.declaration && (target.declaration->as<NetworkDecl>() || target.declaration->as<EnsembleDecl>()))
        names.push_back(name);
    if (const std::string home = stdlib_module_of(project, ref->name, sink); !home.empty())
      d.fixes.push_back({"import " + home + " { " + ref->name + " }", "", {}});
    else if (const std::optional<std::string> close = nearest(ref->name, names))
      d.fixes.push_back({*close, "", {{span, *close}}});
    builder.report(std::move(d));
    return std::nullopt;
  }
  if (const EnsembleDecl* ensemble = found->second.declaration->as<EnsembleDecl>()) {
    if (!call || call->args.empty()) return TrainedNetwork{found->second.module, nullptr, ensemble, nullptr};
    builder.report(builder.error("E0516", call->args.front().span, "an ensemble takes no arguments, its members do"));
    return std::nullopt;
  }
  const NetworkDecl* network = found->second.declaration->as<NetworkDecl>();
  if (!network) {
    Diagnostic d = builder.error("E0512", span, "`" + ref->name + "` is not a network");
    d.secondary.push_back({found->second.span, "declared here"});
    builder.report(std::move(d));
    return std::nullopt;
  }
  return TrainedNetwork{found->second.module, network, nullptr, call ? &call->args : nullptr};
}

std::optional<Recipe> build_recipe(Project& project, const Module& module, const TrainDecl& train, DiagnosticSink& sink) {
  const int errors = sink.error_count();
  RecipeBuilder builder(project, sink);
  Recipe recipe;
  recipe.name = train.name.text;
  recipe.network = std::string(project.sources().text(train.network.span));
  find_networks(project, module, train.network, sink);
  if (const std::optional<DatasetSpec> dataset = find_dataset(project, module, train.data, sink)) recipe.dataset = *dataset;

  Settings settings;
  std::vector<const RecipeDecl*> open;
  builder.collect(module, train.body, settings, open);
  builder.apply(settings, recipe);
  if (settings.count("swa")) builder.check_averaging(settings, recipe);
  const std::pair<const char*, const char*> required[] = {
      {"optimizer", "optimizer = sgd(momentum = 0.9)"}, {"schedule", "schedule = cosine(peak = 0.1)"},
      {"batch", "batch = 128"}, {"epochs", "epochs = 10"}};
  std::string missing;
  std::vector<Fix> fixes;
  for (const auto& [key, example] : required) {
    if (settings.count(key)) continue;
    missing += (missing.empty() ? "`" : ", `") + std::string(key) + "`";
    fixes.push_back({example, "", {}});
  }
  if (!missing.empty() && sink.error_count() == errors) {
    Diagnostic d = builder.error("E0503", train.name.span, "`" + train.name.text + "` has no " + missing);
    d.fixes = std::move(fixes);
    builder.report(std::move(d));
  }
  return sink.error_count() > errors ? std::nullopt : std::optional(std::move(recipe));
}

Span setting_span(Project& project, const Module& module, const TrainDecl& train, const std::string& key, size_t index) {
  DiagnosticSink said_before;
  RecipeBuilder builder(project, said_before);
  Settings settings;
  std::vector<const RecipeDecl*> open;
  builder.collect(module, train.body, settings, open);
  const auto found = settings.find(key);
  if (found == settings.end()) return train.network.span;
  const Expression& value = found->second.entry->value;
  const ListExpr* list = value.as<ListExpr>();
  return !list ? value.span : index < list->items.size() ? list->items[index].span : train.network.span;
}

std::optional<Ensemble> find_teacher(Project& project, const Module& module, const TrainDecl& train, DiagnosticSink& sink) {
  DiagnosticSink said_before;
  RecipeBuilder builder(project, said_before);
  Settings settings;
  std::vector<const RecipeDecl*> open;
  builder.collect(module, train.body, settings, open);
  const auto setting = settings.find("distill");
  if (setting == settings.end()) return std::nullopt;
  ConfigReader reader(project, *setting->second.module, builder.elaborator());
  const Constructor c = teacher_constructor(reader, setting->second.entry->value);
  return find_networks(project, *setting->second.module, *c.fields.at("network"), sink);
}

void check_layer_patterns(Project& project, const Module& module, const TrainDecl& train, const Graph& graph,
                          DiagnosticSink& sink) {
  RecipeBuilder builder(project, sink);
  Settings settings;
  std::vector<const RecipeDecl*> open;
  builder.collect(module, train.body, settings, open);
  const auto setting = settings.find("precision");
  if (setting == settings.end()) return;
  std::set<std::string> paths;
  for (const Node& node : graph.nodes)
    if (!node.op->leaf) paths.insert(node.origin.path);
  ConfigReader reader(project, *setting->second.module, builder.elaborator());
  for (const Expression* item : reader.items(setting->second.entry->value)) {
    const Call* call = item->as<Call>();
    if (!call) continue;
    for (const Arg& arg : call->args)
      for (const Expression* pattern : reader.items(*arg.value)) {
        const std::string glob = reader.text(*pattern, "a pattern");
        const bool matches = std::any_of(paths.begin(), paths.end(), [&](const auto& p) { return glob_matches(glob, p); });
        if (matches) continue;
        Diagnostic d = builder.error("E0515", pattern->span, "no layer matches `" + glob + "`");
        if (const std::optional<std::string> close = nearest(glob, {paths.begin(), paths.end()}))
          d.fixes.push_back({"\"" + *close + "\"", "", {{pattern->span, "\"" + *close + "\""}}});
        else
          d.notes.push_back("`netc explain` lists the layers");
        builder.report(std::move(d));
      }
  }
}

void check_configurations(Project& project, const Module& module, DiagnosticSink& sink) {
  RecipeBuilder builder(project, sink);
  for (const Decl& declaration : module.ast.declarations) {
    if (const RecipeDecl* recipe = declaration.as<RecipeDecl>()) {
      Settings settings;
      std::vector<const RecipeDecl*> open{recipe};
      builder.collect(module, recipe->body, settings, open);
      Recipe ignored;
      builder.apply(settings, ignored);
    } else if (const DatasetDecl* dataset = declaration.as<DatasetDecl>()) {
      find_dataset(project, module, dataset->name, sink);
    } else if (const NamesDecl* names = declaration.as<NamesDecl>()) {
      build_names_map(project, module, *names, sink);
    } else if (const EnsembleDecl* ensemble = declaration.as<EnsembleDecl>()) {
      find_ensemble(project, module, *ensemble, sink);
    }
  }
}

}  // namespace netc
