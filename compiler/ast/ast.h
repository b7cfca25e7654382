// The abstract syntax tree of one `.net` file: its declarations in textual order.
//
// Made by `parse` (compiler/parse/parse.h) only. Every node has a span into the file; names,
// argument names and keywords have spans of their own, so that a diagnostic can underline exactly
// the word it means. The tree says what was written: nothing in it has been looked up or computed.
//
//   block twice(width: int) { conv(width, 3x3); relu }
//     Decl{BlockDecl{name twice, params [width: int], body [ChainStmt, ChainStmt]}}
#pragma once

#include "compiler/ast/expr.h"
#include "compiler/ast/stmt.h"

namespace netc {

struct Parameter;

// `int`, `[int]` (a list), `block(width: int, stride: int)`.
struct TypeExpr {
  enum class Kind : uint8_t { named, list, block };
  Kind kind = Kind::named;
  Name name;                            // named: "int", "float", "bool", "size", "string", ...
  std::vector<TypeExpr> element;        // list: exactly one
  std::vector<Parameter> block_params;  // block
  Span span;
};

// `stride: int = 1`
struct Parameter {
  Name name;
  TypeExpr type;
  std::optional<Expression> default_value;
  Span span;
};

struct ImportedName {
  Name name;
  std::optional<Name> alias;  // `resnet50 as r50`
};

// `import std.resnet { resnet50 }`, `import "blocks/mine.net" { unit }`
struct ImportDecl {
  std::string module;     // "std.resnet", or the text of the string
  bool is_path = false;   // true for the string form
  Span module_span;
  std::vector<ImportedName> names;
};

struct LetDecl {
  Name name;
  Expression value;
};

struct BlockDecl {
  Name name;
  std::vector<Parameter> params;
  Body body;
};

struct NetworkDecl {
  Name name;
  std::vector<Parameter> params;
  Body body;
};

// `key = value`
struct Entry {
  Name key;
  Expression value;
  Span span;
};

// `use base`
struct Use {
  Name name;
  Span span;
};

// The body of a dataset, a recipe, a train or an ensemble, in textual order.
struct ConfigBody {
  std::vector<std::variant<Entry, Use>> items;
  Span span;  // with the braces
};

struct DatasetDecl {
  Name name;
  ConfigBody body;
};

struct RecipeDecl {
  Name name;
  ConfigBody body;
};

// `train NAME = network on data { ... }`
struct TrainDecl {
  Name name;
  Expression network;  // `resnet50`, `resnet50(classes = 102)`
  Name data;
  ConfigBody body;
};

struct EnsembleDecl {
  Name name;
  ConfigBody body;
};

// `"stage.{s}.**" = "layer{s+1}.**"`
struct NamesRule {
  Expression from;  // a StringLit: the network's path
  Expression to;    // a StringLit: the path in the file
  Span span;
};

// `names m { rules; ignore = ["**.num_batches_tracked"] }`
struct NamesDecl {
  Name name;
  std::vector<NamesRule> rules;
  std::vector<Entry> entries;  // the `key = value` ones
  Span body_span;
};

struct Decl {
  using Node = std::variant<ImportDecl, LetDecl, BlockDecl, NetworkDecl, DatasetDecl, RecipeDecl, TrainDecl,
                            EnsembleDecl, NamesDecl>;
  Node node;
  Span keyword_span;
  Span span;
  std::string doc;  // the `///` lines before it, without the slashes, joined by newlines

  template <class T>
  const T* as() const {
    return std::get_if<T>(&node);
  }
  // What it declares; null for an import.
  const Name* declared_name() const;
};

struct Ast {
  int32_t file = -1;
  std::vector<Decl> declarations;
};

}  // namespace netc
