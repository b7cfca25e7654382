// Reads as the stages: bounds, lexer, token filter, parser, tree.
#include "compiler/parse/parse.h"

#include "compiler/parse/build_ast.h"
#include "compiler/parse/error_strategy.h"
#include "compiler/parse/token_filter.h"
#include "compiler/support/unicode.h"

namespace netc {
namespace {

using namespace syntax;

// Reports an oversized or undecodable file. Bytes that are not text would give one error a byte.
bool is_readable(std::string_view text, const ParseLimits& limits, Report& report) {
  const int32_t file = report.file();
  if (static_cast<int64_t>(text.size()) > limits.max_source_bytes) {
    report.add(error("E0030",
                     "the file has " + std::to_string(text.size()) + " bytes, more than the limit of " +
                         std::to_string(limits.max_source_bytes),
                     {file, 0, 0}));
    return false;
  }
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = decode_utf8(text, i);
    const auto at = static_cast<uint32_t>(i);
    if (c.value == 0 && c.valid) {
      report.add(error("E0001", "a program has no zero bytes", {file, at, at + 1}, "byte 0"));
      return false;
    }
    if (!c.valid) {
      report.add(error("E0001", "this is not UTF-8 text", {file, at, at + 1},
                       "byte " + std::to_string(static_cast<unsigned char>(text[i]))));
      return false;
    }
    i += static_cast<size_t>(c.bytes);
  }
  return true;
}

Ast parse_text(std::string_view text, const ParseLimits& limits, Report& report) {
  Ast nothing;
  nothing.file = report.file();
  if (!is_readable(text, limits, report)) return nothing;
  const Tokens raw = lex(text, limits.max_tokens);
  if (static_cast<int64_t>(raw.size()) > limits.max_tokens + 1) {
    report.add(error("E0031", "the file has more than " + std::to_string(limits.max_tokens) + " tokens",
                     raw.back().span(report.file())));
    return nothing;
  }
  const std::optional<FilteredTokens> filtered = filter_tokens(raw, limits.max_nesting, report);
  if (!filtered) return nothing;

  antlr4::ListTokenSource source(to_antlr(filtered->tokens));
  antlr4::CommonTokenStream stream(&source);
  netc_grammar::NetParser parser(&stream);
  parser.removeErrorListeners();  // LineRecovery reports
  parser.setErrorHandler(std::make_shared<LineRecovery>(report));
  parser.getInterpreter<antlr4::atn::ParserATNSimulator>()->setPredictionMode(antlr4::atn::PredictionMode::SLL);
  try {
    return build_ast(*parser.file(), filtered->docs, report);
  } catch (const antlr4::ParseCancellationException&) {  // more errors than are reported
    return nothing;
  }
}

}  // namespace

Ast parse(const SourceMap& sources, int32_t file, DiagnosticSink& sink, const ParseLimits& limits) {
  Report report(sources, file, limits.max_errors);
  Ast ast = parse_text(sources.file(file).text, limits, report);
  report.flush(sink);
  return ast;
}

}  // namespace netc
