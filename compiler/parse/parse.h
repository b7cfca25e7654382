// Text of one `.net` file to its syntax tree. The only folder that knows ANTLR.
//
// Every error becomes a diagnostic in `sink`, several in one run: an error is confined to its
// line, or to the braces it broke. Declarations and statements without an error are in the Ast
// that is returned, so that later stages may go on looking for errors of their own when asked to;
// a caller that wants only a correct tree checks `sink.has_errors()`.
//
// Never throws for any bytes, and its time is linear in their number: source bytes, tokens and
// nesting are bounded by `limits`, each with a diagnostic of its own.
#pragma once

#include "compiler/ast/ast.h"
#include "compiler/support/diagnostic.h"

namespace netc {

struct ParseLimits {
  int64_t max_source_bytes = int64_t{4} << 20;
  int64_t max_tokens = 500'000;
  int max_nesting = 200;  // of brackets, braces and operators
  int max_errors = 100;   // further ones are counted, not reported
};

Ast parse(const SourceMap& sources, int32_t file, DiagnosticSink& sink, const ParseLimits& limits = {});

}  // namespace netc
