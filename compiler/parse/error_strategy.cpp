#include "compiler/parse/error_strategy.h"

#include "compiler/parse/syntax_error.h"
#include "compiler/parse/tokens.h"

namespace netc::syntax {
namespace {

using P = netc_grammar::NetParser;

bool is_line_rule(size_t rule) {
  return rule == P::RuleTopLine || rule == P::RuleLine || rule == P::RuleEntryLine || rule == P::RuleNamesLine;
}

bool is_body_rule(size_t rule) {
  return rule == P::RuleFile || rule == P::RuleBody || rule == P::RuleConfigBody || rule == P::RuleNamesBody;
}

// `import m { a b }`: its newline stands before the `}`, inside what has to be skipped.
bool inside_import_braces(antlr4::TokenStream& input) {
  for (ssize_t back = -1;; --back) {
    const antlr4::Token* token = input.LT(back);
    if (token == nullptr || token->getType() == T::IMPORT || token->getType() == T::RBRACE) return false;
    if (token->getType() == T::LBRACE) return true;
  }
}

// From inside braces to behind them.
void skip_to_closing_brace(P& parser) {
  antlr4::TokenStream& input = *parser.getTokenStream();
  for (int depth = 1; depth > 0 && input.LA(1) != antlr4::Token::EOF; parser.consume()) {
    if (input.LA(1) == T::LBRACE) ++depth;
    if (input.LA(1) == T::RBRACE) --depth;
  }
}

// Reads the braces ahead, for the errors in them, as what the head of their line says they are.
void skip_body(P& parser, size_t head) {
  antlr4::TokenStream& input = *parser.getTokenStream();
  const size_t first = input.LA(2);
  if (head == T::IMPORT) {
    parser.consume();
    skip_to_closing_brace(parser);
  } else if (head == T::DATASET || head == T::RECIPE || head == T::TRAIN || head == T::ENSEMBLE || first == T::KEY ||
             first == T::USE) {
    parser.configBody();
  } else if (head == T::NAMES || first == T::STRING) {
    parser.namesBody();
  } else {
    parser.body();
  }
}

}  // namespace

void LineRecovery::add(antlr4::Parser& parser, const antlr4::Token& found,
                       const antlr4::misc::IntervalSet& expected) {
  // A line with a wrong token or bracket has its message already.
  if (report_.has_line(static_cast<uint32_t>(found.getStartIndex()))) return;
  if (report_.full()) {
    report_.stop();
    throw antlr4::ParseCancellationException("too many errors");
  }
  report_.add(explain_syntax_error({parser, found, expected}, report_));
}

void LineRecovery::reportError(antlr4::Parser* parser, const antlr4::RecognitionException& e) {
  if (inErrorRecoveryMode(parser)) return;  // on its way up to the line
  beginErrorCondition(parser);
  add(*parser, *e.getOffendingToken(), e.getExpectedTokens());
}

void LineRecovery::recover(antlr4::Parser* parser, std::exception_ptr e) {
  antlr4::ParserRuleContext* context = parser->getContext();
  const size_t rule = context->getRuleIndex();
  if (!is_line_rule(rule)) std::rethrow_exception(e);
  endErrorCondition(parser);
  auto& net = static_cast<P&>(*parser);
  const size_t head = context->getStart()->getType();
  if (head == T::IMPORT && inside_import_braces(*net.getTokenStream())) skip_to_closing_brace(net);
  skip_line(*parser, head);
}

antlr4::Token* LineRecovery::recoverInline(antlr4::Parser* parser) { throw antlr4::InputMismatchException(parser); }

void LineRecovery::sync(antlr4::Parser* parser) {
  if (!is_body_rule(parser->getContext()->getRuleIndex())) return;
  const antlr4::atn::ATNState* state = parser->getATN().states[parser->getState()];
  const antlr4::misc::IntervalSet expected = parser->getATN().nextTokens(const_cast<antlr4::atn::ATNState*>(state));
  while (true) {
    const antlr4::Token* next = parser->getCurrentToken();
    const size_t type = next->getType();
    if (type == antlr4::Token::EOF || type == T::RBRACE || expected.contains(type)) return;
    add(*parser, *next, expected);
    skip_line(*parser, type);
  }
}

void LineRecovery::skip_line(antlr4::Parser& parser, size_t head) {
  auto& net = static_cast<P&>(parser);
  antlr4::TokenStream& input = *net.getTokenStream();
  while (true) {
    switch (input.LA(1)) {
      case T::NL: parser.consume(); return;
      case T::RBRACE:
      case antlr4::Token::EOF: return;
      case T::LBRACE:
        skip_body(net, head);
        break;
      default: parser.consume(); break;
    }
  }
}

}  // namespace netc::syntax
