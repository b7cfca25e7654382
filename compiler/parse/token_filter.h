// Between the lexer and the parser: makes the token stream that grammar/NetParser.g4 expects.
//
//  1. Newlines. An NL remains where it ends a statement: not inside `()` and `[]`, not before
//     `-> as then else shortcut`, not after a comma or an operator, not after `{`; one is added
//     before `}` and the end of the file, `;` becomes one, and several become one.
//  2. Words. `stem:` at a statement's head is a LABEL, `batch =` a KEY, `stride =` in a call's
//     parentheses an ARG_NAME, a word after `.` an ID: so no word is reserved in these places.
//  3. Brackets. What is open is closed at its line's end, or before a declaration in column 1.
//  4. Bounds. Brackets and operators nest at most ParseLimits::max_nesting deep, so that neither
//     the parser's recursion nor any later one over the tree can overflow the stack.
//
//   f(a,          ID f, LPAREN, ARG_NAME.. -> one statement
//     b = 2)      RPAREN, NL
#pragma once

#include <optional>

#include "compiler/parse/repair.h"

namespace netc::syntax {

struct FilteredTokens {
  Tokens tokens;  // the last one is EOF
  Docs docs;
};

// nullopt: there is too much of something to parse at all; `report` says of what.
std::optional<FilteredTokens> filter_tokens(const Tokens& tokens, int max_nesting, Report& report);

}  // namespace netc::syntax
