// The first half of the token filter: wrong tokens are reported and replaced by what was probably
// meant, so that one wrong character gives one message and the rest of its line is still read.
//
//   dropout(0.5%%)      BAD_OPERATOR `%` is reported and dropped
//   rotate(15dge)       BAD_NUMBER is reported ("`deg`?") and becomes an INT
//   /// A tower.        DOC lines are taken out; docs[position of the next token] = "A tower."
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "compiler/parse/report.h"
#include "compiler/parse/tokens.h"

namespace netc::syntax {

using Docs = std::map<uint32_t, std::string>;

// Result: no BAD_..., DOC or lexer-only tokens remain.
Tokens repair(const Tokens& tokens, Report& report, Docs& docs);

// True of `epochs`, `deg`, `%` ...
bool is_unit(std::string_view word);

}  // namespace netc::syntax
