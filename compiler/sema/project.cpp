#include "compiler/sema/project.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "compiler/sema/primitive_names.h"
#include "stdlib/stdlib_sources.h"

namespace netc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrelude = "std.prelude";

Diagnostic import_error(std::string code, Span span, std::string message, std::string label = {}) {
  Diagnostic diagnostic;
  diagnostic.code = std::move(code);
  diagnostic.message = std::move(message);
  diagnostic.primary = {span, std::move(label)};
  return diagnostic;
}

const StdlibSource* find_stdlib(const std::string& name) {
  for (const StdlibSource* source = stdlib_sources(); source->name; ++source)
    if (name == source->name) return source;
  return nullptr;
}

std::vector<std::string> stdlib_names() {
  std::vector<std::string> names;
  for (const StdlibSource* source = stdlib_sources(); source->name; ++source)
    names.push_back(std::string("std.") + source->name);
  return names;
}

// Why the system does not give the text of `path`: ": No such file or directory".
std::string why_unreadable(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return ": it is a folder";
  if (fs::exists(path, error) && !fs::is_regular_file(path, error)) return ": it is no regular file";
  errno = 0;
  const std::ifstream in(path, std::ios::binary);
  return in || errno == 0 ? "" : std::string(": ") + std::strerror(errno);
}

// A `.net` file beside `path` with a name like it.
std::optional<std::string> similar_file(const fs::path& path) {
  std::error_code error;
  const fs::path folder = path.parent_path().empty() ? fs::path(".") : path.parent_path();
  std::vector<std::string> names;
  for (fs::directory_iterator it(folder, error), end; !error && it != end && names.size() < 10000; it.increment(error))
    if (it->path().extension() == ".net") names.push_back(it->path().stem().string());
  std::sort(names.begin(), names.end());
  const std::string stem = path.extension() == ".net" ? path.stem().string() : path.filename().string();
  const bool only_ending = std::find(names.begin(), names.end(), stem) != names.end();  // `net.nett`
  const std::optional<std::string> close = only_ending ? stem : nearest(stem, names);
  return close ? std::optional((path.parent_path() / (*close + ".net")).string()) : std::nullopt;
}

// The standard library's module that declares a network of that name; empty if none does.
std::string stdlib_home(Project& project, const std::string& network) {
  DiagnosticSink ignored;
  for (const std::string& name : stdlib_names()) {
    const Module* module = project.load(name, ignored);
    const auto found = module ? module->names.find(network) : std::map<std::string, NameTarget>::const_iterator{};
    if (module && found != module->names.end() && found->second.declaration && found->second.declaration->as<NetworkDecl>()) return name;
  }
  return "";
}

bool starts_with(const std::string& text, const std::string& prefix) { return text.rfind(prefix, 0) == 0; }

// Whether `path` lies in the folder `root`; both canonical.
bool is_inside(const fs::path& path, const fs::path& root) {
  const auto [end, _] = std::mismatch(root.begin(), root.end(), path.begin(), path.end());
  return end == root.end();
}

// The text of a file, at most one byte more than `max_bytes` (the parser reports the excess).
std::optional<std::string> read_text(const std::string& path, int64_t max_bytes) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return std::nullopt;
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  const auto size = static_cast<int64_t>(fs::file_size(path, error));
  if (error) return std::nullopt;
  std::string text(static_cast<size_t>(std::min(size, max_bytes + 1)), '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  return text;
}

// What a name means everywhere: "a block of the prelude", "an operator", "a function". Empty for a name that is free.
std::string built_in_meaning(const std::string& name, const Module* prelude) {
  if (prelude && prelude->names.count(name)) return "a block of the prelude";
  if (is_direct_operator(name)) return "an operator";
  const std::vector<std::string>& functions = function_names();
  return std::find(functions.begin(), functions.end(), name) != functions.end() ? "a function" : "";
}

// Whether it reported that `name` means something everywhere.
bool refuse_built_in(const Name& name, const Module* prelude, DiagnosticSink& sink) {
  const std::string meaning = built_in_meaning(name.text, prelude);
  if (meaning.empty()) return false;
  Diagnostic d = import_error("E0103", name.span, "`" + name.text + "` is the name of " + meaning, "names are not shadowed");
  d.fixes.push_back({"another name, such as `my_" + name.text + "`", "", {}});
  sink.add(std::move(d));
  return true;
}

}  // namespace

Reference parse_reference(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || text.find('/', colon) != std::string::npos) return {text, ""};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

Project::Project(ParseLimits limits) : limits_(limits) {}
Project::~Project() = default;

const Module& Project::prelude(DiagnosticSink& sink) { return *import_std("prelude", {}, sink); }

const Module* Project::load(const std::string& module, DiagnosticSink& sink) {
  prelude(sink);
  if (starts_with(module, "std.")) return import_std(module.substr(4), {}, sink);
  if (const auto found = modules_.find("text:" + module); found != modules_.end()) return found->second.get();
  std::error_code error;
  const fs::path canonical = fs::canonical(module, error);
  const std::optional<std::string> text = error ? std::nullopt : read_text(canonical.string(), limits_.max_source_bytes);
  if (!text) {
    Diagnostic d = import_error("E0110", {}, "cannot read `" + module + "`" + why_unreadable(module));
    const std::string with_ending = module + ".net";
    if (fs::is_regular_file(with_ending, error)) d.fixes.push_back({with_ending, "", {}});
    else if (const std::string home = stdlib_home(*this, module); !home.empty()) d.fixes.push_back({home + ":" + module, "", {}});
    else if (const std::optional<std::string> file = similar_file(module)) d.fixes.push_back({*file, "", {}});
    else if (const std::optional<std::string> close = nearest(module, stdlib_names())) d.fixes.push_back({*close, "", {}});
    sink.add(std::move(d));
    return nullptr;
  }
  if (root_.empty()) root_ = canonical.parent_path().string();
  if (const auto found = modules_.find(canonical.string()); found != modules_.end()) return found->second.get();
  return parse_module(canonical.string(), module, canonical.parent_path().string(), *text, false, sink);
}

const Module* Project::load_text(const std::string& path, std::string text, DiagnosticSink& sink) {
  prelude(sink);
  std::error_code error;
  const fs::path folder = fs::weakly_canonical(fs::path(path).parent_path().empty() ? "." : fs::path(path).parent_path(), error);
  if (root_.empty()) root_ = folder.string();
  return parse_module("text:" + path, path, folder.string(), std::move(text), false, sink);
}

Module* Project::parse_module(const std::string& key, std::string path, std::string directory, std::string text,
                              bool is_stdlib, DiagnosticSink& sink) {
  auto owned = std::make_unique<Module>();
  Module& module = *owned;
  module.name = path;
  module.directory = std::move(directory);
  module.is_stdlib = is_stdlib;
  module.is_prelude = key == kPrelude;
  module.file = sources_.add(std::move(path), std::move(text), is_stdlib);
  module.ast = parse(sources_, module.file, sink, limits_);
  modules_[key] = std::move(owned);
  loading_.push_back(&module);
  resolve_names(module, sink);
  loading_.pop_back();
  return &module;
}

Module* Project::import_std(const std::string& name, Span span, DiagnosticSink& sink) {
  const std::string key = "std." + name;
  if (const auto found = modules_.find(key); found != modules_.end()) return found->second.get();
  const StdlibSource* source = find_stdlib(name);
  if (!source) {
    Diagnostic d = import_error("E0110", span, "the standard library has no module `" + key + "`");
    if (const std::optional<std::string> close = nearest(key, stdlib_names())) d.fixes.push_back({*close, "", {}});
    else {
      std::string all;
      for (const std::string& each : stdlib_names()) all += (all.empty() ? "" : ", ") + each;
      d.notes.push_back("it has " + all);
    }
    sink.add(std::move(d));
    return nullptr;
  }
  return parse_module(key, key, "", source->text, true, sink);
}

Module* Project::import_file(Module& module, const ImportDecl& import, DiagnosticSink& sink) {
  if (module.is_stdlib) return nullptr;
  std::error_code error;
  const fs::path written = fs::path(module.directory) / import.module;
  const fs::path canonical = fs::canonical(written, error);
  const fs::path lexical = fs::path(import.module).is_absolute() ? fs::path(import.module) : written.lexically_normal();
  // Decided before it is said whether the file exists: a program may not probe what is outside.
  const fs::path root = fs::weakly_canonical(root_);
  if (!is_inside(error ? lexical : canonical, root)) {
    Diagnostic d = import_error("E0112", import.module_span, "an import may not leave the project's folder",
                                "leads out of it");
    d.notes.push_back("imports are relative to their file and stay inside the folder of the main file");
    sink.add(std::move(d));
    return nullptr;
  }
  const std::optional<std::string> text = error ? std::nullopt : read_text(canonical.string(), limits_.max_source_bytes);
  if (!text) {
    Diagnostic d = import_error("E0110", import.module_span, "cannot read `" + import.module + "`" + why_unreadable(written),
                                "relative to the folder of this file");
    if (const std::optional<std::string> file = similar_file(written)) {
      const std::string name = (fs::path(import.module).parent_path() / fs::path(*file).filename()).string();
      d.fixes.push_back({"\"" + name + "\"", "", {{import.module_span, "\"" + name + "\""}}});
    }
    sink.add(std::move(d));
    return nullptr;
  }
  if (const auto found = modules_.find(canonical.string()); found != modules_.end()) return found->second.get();
  return parse_module(canonical.string(), fs::path(module.name).parent_path() / import.module,
                      canonical.parent_path().string(), *text, false, sink);
}

void Project::resolve_import(Module& module, const Decl& declaration, DiagnosticSink& sink) {
  const ImportDecl& import = *declaration.as<ImportDecl>();
  Module* imported = nullptr;
  if (import.is_path) {
    imported = import_file(module, import, sink);
  } else if (starts_with(import.module, "std.")) {
    imported = import_std(import.module.substr(4), import.module_span, sink);
  } else {
    Diagnostic d = import_error("E0110", import.module_span, "no module `" + import.module + "`");
    d.fixes.push_back({"std." + import.module + " for the standard library, or \"" + import.module +
                           ".net\" for a file", "", {}});
    sink.add(std::move(d));
  }
  if (imported && std::find(loading_.begin(), loading_.end(), imported) != loading_.end()) {
    std::string cycle;
    bool in_cycle = false;
    for (const Module* each : loading_) {
      in_cycle |= each == imported;
      if (in_cycle) cycle += each->name + " -> ";
    }
    sink.add(import_error("E0114", import.module_span, "imports form a circle: " + cycle + imported->name));
    imported = nullptr;
  }
  for (const ImportedName& item : import.names) {
    const Name& visible = item.alias ? *item.alias : item.name;
    if (!imported) {
      // Known to be wrong already; the name stays known so that its uses are not reported too.
      module.names.emplace(visible.text, NameTarget{nullptr, nullptr, visible.span});
      continue;
    }
    const auto found = imported->names.find(item.name.text);
    if (starts_with(item.name.text, "_") && found != imported->names.end()) {
      sink.add(import_error("E0113", item.name.span, "`" + item.name.text + "` is private to " + imported->name,
                            "names that begin with `_` are not imported"));
    } else if (found == imported->names.end() || found->second.module != imported) {
      Diagnostic d = import_error("E0111", item.name.span, imported->name + " has no `" + item.name.text + "`");
      std::vector<std::string> candidates;
      for (const auto& [name, target] : imported->names)
        if (target.module == imported && name[0] != '_') candidates.push_back(name);
      if (const std::optional<std::string> close = nearest(item.name.text, candidates))
        d.fixes.push_back({*close, "", {{item.name.span, *close}}});
      sink.add(std::move(d));
    } else {
      const auto [previous, fresh] =
          module.names.emplace(visible.text, NameTarget{imported, found->second.declaration, visible.span});
      if (!fresh && previous->second.declaration != found->second.declaration) {
        // Names of the file itself are known before its imports are: what comes first in the text is the first.
        const bool import_is_first = visible.span.begin < previous->second.span.begin;
        Diagnostic d = import_error("E0103", import_is_first ? previous->second.span : visible.span,
                                    "`" + visible.text + "` is declared twice");
        d.secondary.push_back({import_is_first ? visible.span : previous->second.span, "first here"});
        sink.add(std::move(d));
      } else if (fresh && !module.is_stdlib) {
        const auto prelude_module = modules_.find(kPrelude);
        // Its uses mean what they mean everywhere.
        if (refuse_built_in(visible, prelude_module == modules_.end() ? nullptr : prelude_module->second.get(), sink))
          module.names.erase(visible.text);
      }
      continue;
    }
    module.names.emplace(visible.text, NameTarget{nullptr, nullptr, visible.span});
  }
}

void Project::resolve_names(Module& module, DiagnosticSink& sink) {
  const auto prelude_module = modules_.find(kPrelude);
  // Own names first, so that modules that import this one later find them.
  for (const Decl& declaration : module.ast.declarations) {
    const Name* name = declaration.declared_name();
    if (!name) continue;
    const auto [previous, fresh] = module.names.emplace(name->text, NameTarget{&module, &declaration, name->span});
    if (!fresh) {
      Diagnostic d = import_error("E0103", name->span, "`" + name->text + "` is declared twice");
      d.secondary.push_back({previous->second.span, "first here"});
      sink.add(std::move(d));
    } else if (!module.is_prelude) {
      refuse_built_in(*name, prelude_module == modules_.end() ? nullptr : prelude_module->second.get(), sink);
    }
  }
  for (const Decl& declaration : module.ast.declarations)
    if (declaration.as<ImportDecl>()) resolve_import(module, declaration, sink);
}

}  // namespace netc
