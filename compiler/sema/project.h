// The source files of one compilation: a main file or a module of the standard library, and
// everything that they import, parsed, with the names that each file can see.
//
// An import is relative to the importing file and must stay inside the project's root (by default
// the main file's folder): neither `..` nor a symbolic link leads out of it (rule 24). `std.NAME`
// is the embedded standard library. Every module implicitly sees the prelude.
//
//   Project project;
//   const Module* module = project.load("nets/small.net", sink);   // null after errors
//   if (module) for (const Decl& d : module->ast.declarations) ...
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "compiler/ast/ast.h"
#include "compiler/parse/parse.h"
#include "compiler/support/diagnostic.h"

namespace netc {

struct Module;

// What a name of a file stands for: a declaration, of this file or of an imported one.
struct NameTarget {
  const Module* module = nullptr;  // where it is declared
  const Decl* declaration = nullptr;
  Span span;                       // of the name where it is declared or imported
};

struct Module {
  int32_t file = -1;
  std::string name;       // "std.resnet", or the path as the user named it
  std::string directory;  // of the file; imports and data paths start there
  bool is_stdlib = false;
  bool is_prelude = false;
  Ast ast;
  std::map<std::string, NameTarget> names;  // its own and its imported ones
};

// "file.net:name" or "std.resnet:resnet50", taken apart. `name` is empty where none is given.
struct Reference {
  std::string module;
  std::string name;
};
Reference parse_reference(const std::string& text);

class Project {
 public:
  explicit Project(ParseLimits limits = {});
  ~Project();
  Project(const Project&) = delete;
  Project& operator=(const Project&) = delete;

  // The folder that imports may not leave. Default: the folder of the first file loaded.
  void set_root(std::string folder) { root_ = std::move(folder); }

  // Loads a file, or "std.NAME", with its imports. Null if the module itself cannot be read; a
  // module with errors inside is returned, and the errors are in `sink`.
  const Module* load(const std::string& module, DiagnosticSink& sink);
  // The same for a text that is not in a file; `path` names it (also
  // in references), its folder is where imports start.
  const Module* load_text(const std::string& path, std::string text, DiagnosticSink& sink);
  const Module& prelude(DiagnosticSink& sink);

  SourceMap& sources() { return sources_; }
  const SourceMap& sources() const { return sources_; }
  const ParseLimits& limits() const { return limits_; }

 private:
  Module* parse_module(const std::string& key, std::string path, std::string directory, std::string text,
                       bool is_stdlib, DiagnosticSink& sink);
  void resolve_names(Module& module, DiagnosticSink& sink);
  void resolve_import(Module& module, const Decl& declaration, DiagnosticSink& sink);
  Module* import_file(Module& module, const ImportDecl& import, DiagnosticSink& sink);
  Module* import_std(const std::string& name, Span span, DiagnosticSink& sink);

  SourceMap sources_;
  ParseLimits limits_;
  std::string root_;
  std::map<std::string, std::unique_ptr<Module>> modules_;  // by canonical path or "std.NAME"
  std::vector<const Module*> loading_;                      // the imports in progress, outermost first
};

}  // namespace netc
