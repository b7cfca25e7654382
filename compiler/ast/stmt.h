// Statements: what stands in the body of a block, a network, a loop or a branch.
//
// A chain is one or more links joined by `->`; each link maps the value before it to a new one.
//
//   stem: conv_bn(64, 7x7) -> relu as s
//     ChainStmt{[Link{label stem, CallLink{conv_bn, (64, 7x7)}}, Link{CallLink{relu}, as s}]}
//
// The syntax does not tell a value from a block: in `x -> relu`, `x` is a CallLink without
// parentheses, and elaboration knows that it names a tensor.
#pragma once

#include "compiler/ast/expr.h"

namespace netc {

struct Stmt;

// `{ ... }`; the span includes the braces.
struct Body {
  std::vector<Stmt> statements;
  Span span;
};

// `relu`, `conv(64, 3x3)`, and as the first link also `x` (a value).
struct CallLink {
  Expression callee;  // mostly a NameRef
  std::vector<Arg> args;
  bool has_parentheses = false;
  Span args_span;  // of the parentheses; invalid without them
};

// `[a, b] -> concat`: only ever the first link.
struct ListLink {
  std::vector<Expression> values;
};

struct Shortcut {
  Span keyword_span;
  Body body;
};

// `residual(shortcut = project) { ... } shortcut { ... }`
struct ResidualLink {
  Span keyword_span;
  std::vector<Arg> args;
  Span args_span;  // invalid without parentheses
  Body body;
  std::optional<Shortcut> shortcut;
};

// `inception(merge = concat) { branch { ... } ... }`
struct InceptionLink {
  Span keyword_span;
  std::vector<Arg> args;
  Span args_span;  // invalid without parentheses
  Body body;       // branches, also within `for` and `if`: elaboration checks it
};

struct Link {
  using Node = std::variant<CallLink, ListLink, ResidualLink, InceptionLink>;
  std::optional<Name> label;  // `stem:`
  Node node;
  std::optional<Name> as_name;  // `as skip`
  Span span;                    // label and `as` included

  template <class T>
  const T* as() const {
    return std::get_if<T>(&node);
  }
};

struct Chain {
  std::vector<Link> links;  // at least one
  Span span;
};

struct ChainStmt {
  Chain chain;
};

// `let n = 4 * width`
struct LetStmt {
  Name name;
  Expression value;
};

// `param w: [64] = normal(0.02)`
struct ParamStmt {
  Name name;
  Expression shape;                // a ListExpr
  std::optional<Expression> init;  // absent: the default
};

// `stage: for i, x in xs { }`: `index` is i, absent in `for x in xs`.
struct ForStmt {
  std::optional<Name> label;
  Span keyword_span;
  std::optional<Name> index;
  Name variable;
  Expression range;  // a list or a range
  Body body;
};

struct RepeatStmt {
  std::optional<Name> label;
  Span keyword_span;
  Expression count;
  Body body;
};

// `if c { } else if d { } else { }`: one arm per condition, then the last body.
struct IfArm {
  Expression condition;
  Body body;
};
struct IfStmt {
  Span keyword_span;
  std::vector<IfArm> arms;
  std::optional<Body> else_body;
};

// `input image: [3, 224, 224]`, `input image: u8 [3, 224, 224]`
struct InputStmt {
  Span keyword_span;
  Name name;
  std::optional<Name> dtype;
  Expression shape;  // a ListExpr
};

// `output logits`, `output mask = x -> sigmoid`
struct OutputStmt {
  Span keyword_span;
  Name name;
  std::optional<Chain> value;
};

// `require width > 0, "text"`
struct RequireStmt {
  Span keyword_span;
  Expression condition;
  std::optional<Expression> text;  // a StringLit
};

// `share tower = embed(128)`
struct ShareStmt {
  Span keyword_span;
  Name name;
  CallLink value;
  Span value_span;
};

// `aux_head aux1(weight = 0.3) { ... }`
struct AuxHeadStmt {
  Span keyword_span;
  Name name;
  std::vector<Arg> args;
  Span args_span;  // invalid without parentheses
  Body body;
};

// `branch { }`, `branch pool: { }`; stands for itself so that `for` and `if` may hold branches.
struct BranchStmt {
  Span keyword_span;
  std::optional<Name> label;
  Body body;
};

struct Stmt {
  using Node = std::variant<ChainStmt, LetStmt, ParamStmt, ForStmt, RepeatStmt, IfStmt, InputStmt, OutputStmt,
                            RequireStmt, ShareStmt, AuxHeadStmt, BranchStmt>;
  Node node;
  Span span;

  template <class T>
  const T* as() const {
    return std::get_if<T>(&node);
  }
};

}  // namespace netc
