// How the parser goes on after an error: at the next line.
//
// A grammar rule that fails hands the failure up to the line it belongs to (`topLine`, `line`,
// `entryLine`, `namesLine`), which skips to its NL, or stops before the `}` of the body around it.
// Bodies that are skipped on the way are read as bodies, so that errors in them are found too. No
// token is ever inserted or dropped inside a line: a guess there gives a second, wrong message.
#pragma once

#include "NetParser.h"
#include "compiler/parse/report.h"

namespace netc::syntax {

class LineRecovery : public antlr4::DefaultErrorStrategy {
 public:
  explicit LineRecovery(Report& report) : report_(report) {}

  // Called by the parser; see ANTLRErrorStrategy.
  void reportError(antlr4::Parser* parser, const antlr4::RecognitionException& e) override;
  void recover(antlr4::Parser* parser, std::exception_ptr e) override;
  antlr4::Token* recoverInline(antlr4::Parser* parser) override;
  void sync(antlr4::Parser* parser) override;

 private:
  void add(antlr4::Parser& parser, const antlr4::Token& found, const antlr4::misc::IntervalSet& expected);
  // `head`: the type of the line's first token.
  void skip_line(antlr4::Parser& parser, size_t head);

  Report& report_;
};

}  // namespace netc::syntax
