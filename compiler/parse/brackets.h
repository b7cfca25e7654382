// Finds the brackets that nothing closes and the closers that close nothing, before parsing, so
// that a forgotten bracket spoils one line or one declaration and not the rest of the file.
//
// Braces: a declaration in column 1 ends whatever is open. Where a declaration does not balance,
// indentation decides which brace is the wrong one; where it does, indentation means nothing.
// Parentheses and square brackets: no `{`, `}` or `;` can stand inside.
//
//   network n() {
//       for i in 0..3 {        <- unclosed: the `}` below stands in the column of `network`
//       relu
//   }
#pragma once

#include "compiler/parse/report.h"
#include "compiler/parse/tokens.h"

namespace netc::syntax {

struct BracketPlan {
  enum class Fate : uint8_t { keep, drop, unclosed, becomes_paren, becomes_bracket, becomes_comma };
  std::vector<Fate> fate;  // by token: what to do with it; `unclosed` only for openers
  // Braces to close before token i, innermost first.
  struct Insertion {
    size_t before;  // index of a token
    size_t opener;  // index of the unclosed `{`
  };
  std::vector<Insertion> closing_braces;  // sorted by `before`
};

// Reports stray closers and unclosed braces; unclosed `(` and `[` are reported by the token filter,
// which knows the line's end where they are closed.
BracketPlan plan_brackets(const Tokens& tokens, Report& report);

// True at the `block` of `block f(...)` in column 1: nothing that was open before goes on.
bool is_declaration_start(const Tokens& tokens, size_t index);

}  // namespace netc::syntax
