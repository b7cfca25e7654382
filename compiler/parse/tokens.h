// Tokens between the lexer and the parser, as plain values, and how text becomes them.
//
//   `a: relu`  ->  ID a, COLON, ID relu, EOF
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "NetLexer.h"
#include "compiler/support/source.h"

namespace netc::syntax {

using T = netc_grammar::NetLexer;  // T::COMMA and so on: the token types of both grammars

struct SourceToken {
  size_t type = 0;
  uint32_t begin = 0, end = 0;  // bytes; an inserted token is empty
  bool first_on_line = false;
  uint32_t column = 0;  // bytes from the start of the line

  Span span(int32_t file) const { return {file, begin, end}; }
};

using Tokens = std::vector<SourceToken>;

// Every token of the text, NL and BAD_... included, ending with one of type antlr4::Token::EOF. Stops early,
// still with the EOF, when there are more than `max_tokens`.
Tokens lex(std::string_view text, int64_t max_tokens);

// The same tokens as ANTLR's parser wants them. They carry positions only: text comes from the source.
std::vector<std::unique_ptr<antlr4::Token>> to_antlr(const Tokens& tokens);

// A keyword or an identifier: what may stand where the language wants a word.
bool is_word(size_t type);
// What a value may begin with: `64`, `(`, `-`, `conv`.
bool starts_value(size_t type);
// `import`, `block`, ... but not `let`, which is a statement as well.
bool is_declaration_word(size_t type);
// `+`, `and`, `->`, ...: at a line's end they say that the statement goes on.
bool is_operator(size_t type);

}  // namespace netc::syntax
