// `weights = load("r50.safetensors", names = torchvision_resnet, except = ["fc.**"])`: what a training begins with.
#include <algorithm>

#include "compiler/sema/recipe_values.h"

namespace netc {
namespace {

// "std.names:torchvision_resnet", from the name of a map that the file declares or imports.
std::string read_names(ConfigReader& reader, const Expression& value) {
  const NameRef* ref = value.as<NameRef>();
  const Module& module = reader.module();
  const auto found = ref ? module.names.find(ref->name) : module.names.end();
  if (found != module.names.end() && !found->second.declaration) throw Failed{};  // an import that failed
  if (found != module.names.end() && found->second.declaration->as<NamesDecl>())
    return found->second.module->name + ":" + found->second.declaration->declared_name()->text;
  Diagnostic d = reader.error("E0504", value.span, "`names` of `load` is a name map");
  std::vector<std::string> names;
  for (const auto& [name, target] : module.names)
    if (target.declaration && target.declaration->as<NamesDecl>()) names.push_back(name);
  const std::vector<std::string> library = reader.names_maps("std.names");
  const bool is_library = ref && std::find(library.begin(), library.end(), ref->name) != library.end();
  const std::optional<std::string> like_library = ref && names.empty() ? nearest(ref->name, library) : std::nullopt;
  if (is_library || like_library) d.fixes.push_back({"import std.names { " + (is_library ? ref->name : *like_library) + " }", "", {}});
  else if (const std::optional<std::string> close = ref ? nearest(ref->name, names) : std::nullopt)
    d.fixes.push_back({*close, "", {{value.span, *close}}});
  reader.fail(std::move(d));
}

}  // namespace

WeightsSpec read_weights(ConfigReader& reader, const Expression& value) {
  const Constructor c = reader.constructor(value, {{"load", {"file", "names", "except", "strict"}}}, "weights to begin with");
  reader.require(c, "file");
  WeightsSpec spec;
  spec.path = reader.text(*c.fields.at("file"), "`file` of `load`");
  spec.base_dir = reader.module().directory;
  if (reader.has(c, "names")) spec.names = read_names(reader, *c.fields.at("names"));
  if (reader.has(c, "except")) spec.except = reader.texts(*c.fields.at("except"), "`except` of `load`");
  spec.strict = reader.boolean(c, "strict", true);
  return spec;
}

WeightsSpec read_weights_or_path(ConfigReader& reader, const Expression& value, const std::string& what) {
  if (value.as<Call>()) return read_weights(reader, value);
  WeightsSpec spec;
  spec.path = reader.text(value, what);
  spec.base_dir = reader.module().directory;
  return spec;
}

Constructor teacher_constructor(ConfigReader& reader, const Expression& value) {
  Constructor c = reader.constructor(value, {{"teacher", {"network", "weights", "temperature", "share"}}}, "a teacher such as teacher(resnet56, weights = \"r56.safetensors\")");
  reader.require(c, "network");
  return c;
}

DistillSpec read_distill(ConfigReader& reader, const Expression& value) {
  const Constructor c = teacher_constructor(reader, value);
  DistillSpec spec;
  spec.network = reader.source_text(*c.fields.at("network"));
  if (reader.has(c, "weights")) spec.weights = read_weights_or_path(reader, *c.fields.at("weights"), "`weights` of `teacher`");
  spec.temperature = reader.real(c, "temperature", spec.temperature, {0.01, 1000});
  if (reader.has(c, "share")) spec.share = reader.percent(*c.fields.at("share"), "`share` of `teacher`");
  return spec;
}

}  // namespace netc
