#include "compiler/parse/tokens.h"

#include <algorithm>

namespace netc::syntax {
namespace {

// The text as ANTLR reads it. One byte is one character: positions are byte offsets without a
// table, and bytes that are not UTF-8 are no special case.
class ByteStream : public antlr4::CharStream {
 public:
  explicit ByteStream(std::string_view text) : text_(text) {}

  void consume() override { ++at_; }
  size_t LA(ssize_t offset) override {
    const size_t position = offset > 0 ? at_ + static_cast<size_t>(offset) - 1 : at_ - static_cast<size_t>(-offset);
    return position < text_.size() ? static_cast<unsigned char>(text_[position]) : IntStream::EOF;
  }
  ssize_t mark() override { return -1; }  // everything stays in memory
  void release(ssize_t) override {}
  size_t index() override { return at_; }
  void seek(size_t index) override { at_ = std::min(index, text_.size()); }
  size_t size() override { return text_.size(); }
  std::string getSourceName() const override { return {}; }
  std::string getText(const antlr4::misc::Interval& range) override {
    if (range.b < range.a || range.a < 0) return {};
    return std::string(text_.substr(static_cast<size_t>(range.a), static_cast<size_t>(range.b - range.a + 1)));
  }
  std::string toString() const override { return std::string(text_); }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Tokens lex(std::string_view text, int64_t max_tokens) {
  ByteStream stream(text);
  netc_grammar::NetLexer lexer(&stream);
  lexer.removeErrorListeners();  // BAD_CHAR matches any byte: there are no errors
  Tokens tokens;
  uint32_t line_begin = 0;
  bool first_on_line = true;
  while (true) {
    const std::unique_ptr<antlr4::Token> token = lexer.nextToken();
    SourceToken here{token->getType(), static_cast<uint32_t>(token->getStartIndex()),
                     static_cast<uint32_t>(token->getStopIndex() + 1), first_on_line, 0};
    const bool full = static_cast<int64_t>(tokens.size()) > max_tokens;
    if (here.type == antlr4::Token::EOF || full) {
      here = {antlr4::Token::EOF, here.begin, here.begin, true, 0};
      tokens.push_back(here);
      return tokens;
    }
    here.column = here.begin - line_begin;
    tokens.push_back(here);
    first_on_line = here.type == T::NL;
    if (here.type == T::NL) line_begin = here.end;
  }
}

std::vector<std::unique_ptr<antlr4::Token>> to_antlr(const Tokens& tokens) {
  std::vector<std::unique_ptr<antlr4::Token>> result;
  result.reserve(tokens.size());
  for (const SourceToken& token : tokens)
    result.push_back(std::make_unique<antlr4::CommonToken>(
        std::pair<antlr4::TokenSource*, antlr4::CharStream*>{}, token.type, antlr4::Token::DEFAULT_CHANNEL,
        token.begin, static_cast<size_t>(token.end) - 1));
  return result;
}

bool is_word(size_t type) {
  return type == T::ID || type == T::LABEL || type == T::KEY || type == T::ARG_NAME ||
         (type >= T::IMPORT && type <= T::SHARE);
}

bool starts_value(size_t type) {
  switch (type) {
    case T::SIZE:
    case T::FLOAT:
    case T::INT:
    case T::QUANTITY:
    case T::STRING:
    case T::ID:
    case T::TRUE:
    case T::FALSE:
    case T::NOT:
    case T::IF:
    case T::MINUS:
    case T::LPAREN:
    case T::LBRACK: return true;
    default: return false;  // token types are ANTLR's integers, not an enumeration
  }
}

bool is_declaration_word(size_t type) {
  return type == T::IMPORT || (type >= T::BLOCK && type <= T::NAMES);
}

bool is_operator(size_t type) {
  return (type >= T::ARROW && type <= T::GT) || (type >= T::PLUS && type <= T::DOT) || type == T::AND ||
         type == T::OR || type == T::NOT;
}

}  // namespace netc::syntax
