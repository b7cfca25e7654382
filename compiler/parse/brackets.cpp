#include "compiler/parse/brackets.h"

#include <algorithm>

namespace netc::syntax {
namespace {

using Fate = BracketPlan::Fate;

constexpr size_t kMaxLookBack = 256;  // keeps the search for a partner, and so the whole pass, linear

class BracketPlanner {
 public:
  BracketPlanner(const Tokens& tokens, Report& report) : tokens_(tokens), report_(report) {
    plan_.fate.assign(tokens.size(), Fate::keep);
  }

  BracketPlan run() {
    plan_braces();
    plan_parentheses();
    return std::move(plan_);
  }

 private:
  struct OpenBrace {
    size_t index;
    uint32_t indent;  // of the line that it stands on
  };

  // ---- braces, one declaration after another ----
  void plan_braces() {
    size_t begin = 0;
    for (size_t i = 1; i <= tokens_.size(); ++i) {
      if (i < tokens_.size() && !is_declaration_start(tokens_, i)) continue;
      plan_segment(begin, i);
      begin = i;
    }
  }

  void plan_segment(size_t begin, size_t end) {
    int depth = 0, stray = 0;
    for (size_t i = begin; i < end; ++i) {
      if (tokens_[i].type == T::LBRACE) ++depth;
      if (tokens_[i].type != T::RBRACE) continue;
      if (depth > 0) {
        --depth;
      } else {
        ++stray;
      }
    }
    match_segment(begin, end, depth > 0, stray);
  }

  void match_segment(size_t begin, size_t end, bool has_unclosed, int stray) {
    const bool is_declaration = is_declaration_start(tokens_, begin);
    std::vector<OpenBrace> open;
    size_t own_brace = end;  // the declaration's
    uint32_t indent = 0;
    for (size_t i = begin; i < end; ++i) {
      const SourceToken& token = tokens_[i];
      if (token.first_on_line) indent = token.column;
      if (token.type == T::LBRACE) {
        if (is_declaration && own_brace == end) own_brace = i;
        open.push_back({i, indent});
      }
      if (token.type != T::RBRACE) continue;
      if (has_unclosed && token.first_on_line) close_deeper(open, token.column, i);
      const bool would_end_declaration = open.size() == 1 && open[0].index == own_brace && token.column > 0;
      if (open.empty() || (stray > 0 && would_end_declaration)) {
        --stray;
        drop_brace(i);
      } else {
        open.pop_back();
      }
    }
    // The declaration's end: before the newlines (and nothing else) that precede the next one.
    size_t last = end;
    while (last > begin && (tokens_[last - 1].type == T::NL || tokens_[last - 1].type == antlr4::Token::EOF)) --last;
    while (!open.empty()) {
      insert_brace(last, open.back().index);
      open.pop_back();
    }
  }

  // A `}` at the head of its line belongs to the brace whose line has the same indentation.
  void close_deeper(std::vector<OpenBrace>& open, uint32_t column, size_t at) {
    const bool has_partner =
        std::any_of(open.begin(), open.end(), [&](const OpenBrace& brace) { return brace.indent == column; });
    if (!has_partner) return;
    while (open.back().indent > column) {
      insert_brace(at, open.back().index);
      open.pop_back();
    }
  }

  void insert_brace(size_t before, size_t opener) {
    plan_.fate[opener] = Fate::unclosed;
    plan_.closing_braces.push_back({before, opener});
    size_t last = before;
    while (last > 0 && tokens_[last - 1].type == T::NL) --last;
    const uint32_t end = last > 0 ? tokens_[last - 1].end : 0;
    Diagnostic d = error("E0006", "nothing closes this `{`", span(opener));
    d.secondary.push_back({{report_.file(), end, end}, "`}` expected after this"});
    d.fixes.push_back(replacement({report_.file(), end, end}, "\n}",
                                  "a line with `}` after line " + std::to_string(report_.line(end))));
    report_.add(std::move(d));
  }

  void drop_brace(size_t index) {
    plan_.fate[index] = Fate::drop;
    report_.add(error("E0007", "this `}` closes nothing", span(index)));
  }

  // ---- parentheses and square brackets ----
  void plan_parentheses() {
    std::vector<size_t> open;
    for (size_t i = 0; i < tokens_.size(); ++i) {
      switch (tokens_[i].type) {
        case T::LPAREN:
        case T::LBRACK: open.push_back(i); break;
        case T::RPAREN:
        case T::RBRACK: close(open, i); break;
        case T::SEMI:
          if (closes_on_this_line(open, i)) take_for_comma(i);
          else abandon(open, 0);
          break;
        case T::LBRACE:
        case T::RBRACE:
        case antlr4::Token::EOF: abandon(open, 0); break;
        default:
          if (is_declaration_start(tokens_, i)) abandon(open, 0);
          break;
      }
    }
  }

  // `conv(64; 3x3)`: a `;` that parentheses surround on its line.
  bool closes_on_this_line(const std::vector<size_t>& open, size_t semicolon) const {
    if (open.empty()) return false;
    int depth = 0;
    for (size_t i = semicolon + 1; i < tokens_.size(); ++i) {
      const SourceToken& token = tokens_[i];
      if (token.first_on_line || token.type == T::NL || token.type == T::SEMI || token.type == T::LBRACE ||
          token.type == T::RBRACE)
        return false;
      if (token.type == T::LPAREN || token.type == T::LBRACK) ++depth;
      if ((token.type == T::RPAREN || token.type == T::RBRACK) && depth-- == 0) return true;
    }
    return false;
  }

  void take_for_comma(size_t index) {
    Diagnostic d = error("E0014", "expected `,`, found `;`", span(index));
    d.fixes.push_back(replacement(span(index), ",", ","));
    report_.add(std::move(d));
    plan_.fate[index] = Fate::becomes_comma;
  }

  void abandon(std::vector<size_t>& open, size_t keep) {
    for (; open.size() > keep; open.pop_back()) plan_.fate[open.back()] = Fate::unclosed;
  }

  void close(std::vector<size_t>& open, size_t closer) {
    const size_t wanted = tokens_[closer].type == T::RPAREN ? T::LPAREN : T::LBRACK;
    if (!open.empty() && tokens_[open.back()].type == wanted) {
      open.pop_back();
      return;
    }
    const char* written = wanted == T::LPAREN ? ")" : "]";
    size_t partner = open.size();
    const size_t lowest = partner - std::min(partner, kMaxLookBack);
    while (partner > lowest && tokens_[open[partner - 1]].type != wanted) --partner;
    if (partner > lowest) {  // what is open inside is what lacks its closer
      abandon(open, partner);
      open.pop_back();
    } else if (!open.empty()) {
      const char* other = wanted == T::LPAREN ? "]" : ")";
      Diagnostic d = error("E0007", std::string("`") + written + "` cannot close this",
                           span(closer), std::string("`") + other + "` expected");
      d.secondary.push_back({span(open.back()), ""});
      d.fixes.push_back(replacement(span(closer), other, other));
      report_.add(std::move(d));
      plan_.fate[closer] = wanted == T::LPAREN ? Fate::becomes_bracket : Fate::becomes_paren;
      open.pop_back();
    } else {
      report_.add(error("E0007", std::string("this `") + written + "` closes nothing", span(closer)));
      plan_.fate[closer] = Fate::drop;
    }
  }

  Span span(size_t index) const { return tokens_[index].span(report_.file()); }

  const Tokens& tokens_;
  Report& report_;
  BracketPlan plan_;
};

}  // namespace

bool is_declaration_start(const Tokens& tokens, size_t index) {
  const SourceToken& token = tokens[index];
  if (!token.first_on_line || token.column != 0 || !is_declaration_word(token.type)) return false;
  const size_t next = index + 1 < tokens.size() ? tokens[index + 1].type : antlr4::Token::EOF;
  return next == T::ID || (token.type == T::IMPORT && next == T::STRING);
}

BracketPlan plan_brackets(const Tokens& tokens, Report& report) { return BracketPlanner(tokens, report).run(); }

}  // namespace netc::syntax
