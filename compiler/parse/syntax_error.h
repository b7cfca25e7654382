// What to tell about a token that the grammar does not allow where it stands.
//
// The grammar rule in which the parser stopped, the token it found and those it would have taken
// decide the message; the commonest mistakes have messages and fixes of their own (E0004, E0011 to
// E0025), everything else is E0003, "expected X, found Y".
#pragma once

#include "NetParser.h"
#include "compiler/parse/report.h"

namespace netc::syntax {

struct Situation {
  antlr4::Parser& parser;
  const antlr4::Token& found;
  const antlr4::misc::IntervalSet& expected;
};

Diagnostic explain_syntax_error(const Situation& situation, const Report& report);

Span span_of(const antlr4::Token& token, int32_t file);

}  // namespace netc::syntax
