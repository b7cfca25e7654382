#include "compiler/parse/token_filter.h"

#include "compiler/parse/brackets.h"

namespace netc::syntax {
namespace {

using Fate = BracketPlan::Fate;

constexpr size_t kMaxFixText = 100;  // bytes; a longer line is not repeated in a fix

// After these at a line's end the statement goes on. `=` and `:` are not among them: a value begins
// on the line of its name, so that a forgotten one does not swallow the next line.
bool continues_after(size_t type) {
  if (type == T::DOT) return false;  // `1.` is a mistake of its own line
  return type == T::COMMA || is_operator(type) || type == T::THEN || type == T::ELSE || type == T::WITH ||
         type == T::IN || type == T::AS;
}

// Before these the statement of the line above goes on.
bool continues_before(size_t type) {
  return type == T::ARROW || type == T::AS || type == T::THEN || type == T::ELSE || type == T::SHORTCUT;
}

bool is_closer(size_t type) { return type == T::RPAREN || type == T::RBRACK; }

bool is_boundary(size_t type) { return type == T::NL || type == T::LBRACE || type == T::RBRACE; }

// No value can begin so, whatever bracket is open.
bool starts_only_statements(size_t type) {
  return type == T::LET || type == T::FOR || type == T::REPEAT || (type >= T::RESIDUAL && type <= T::SHARE);
}

class Filter {
 public:
  Filter(const Tokens& tokens, int max_nesting, Report& report)
      : in_(tokens), max_nesting_(max_nesting), report_(report), plan_(plan_brackets(tokens, report)) {}

  // False: nested too deep.
  bool run(Tokens& out) {
    out_.reserve(in_.size() + in_.size() / 8);
    size_t next_brace = 0;
    for (at_ = 0; at_ < in_.size() && !too_deep_; ++at_) {
      while (next_brace < plan_.closing_braces.size() && plan_.closing_braces[next_brace].before <= at_) {
        close_parentheses();
        put_statement_end();
        put(inserted(T::RBRACE));
        ++next_brace;
      }
      if (plan_.fate[at_] != Fate::drop) take(in_[at_]);
    }
    out = std::move(out_);
    return !too_deep_;
  }

 private:
  struct Open {
    size_t index;        // of the opener in in_; a brace's is not needed
    bool is_brace;
    bool holds_branches = false;  // a brace of an inception, or of a loop or an `if` in one
    int operators = 0;            // that are pending at this level
  };

  void take(SourceToken token) {
    switch (plan_.fate[at_]) {
      case Fate::keep:
      case Fate::unclosed:
      case Fate::drop: break;
      case Fate::becomes_paren: token.type = T::RPAREN; break;
      case Fate::becomes_bracket: token.type = T::RBRACK; break;
      case Fate::becomes_comma: token.type = T::COMMA; break;
    }
    switch (token.type) {
      case T::NL: take_newline(); return;
      case T::SEMI:
        close_parentheses();
        put_statement_end();
        return;
      case T::LBRACE:
        close_parentheses();
        if (in_inception() && statement_begin() == out_.size()) put_branch(token);
        put(token);
        return;
      case T::RBRACE:
        close_parentheses();
        put_statement_end();
        put(token);
        return;
      case antlr4::Token::EOF:
        close_parentheses();
        put_statement_end();
        put(token);
        return;
      case T::COMMA: {  // a trailing comma means nothing, except after nothing
        const size_t next = next_word();
        if ((is_closer(next) || next == T::RBRACE) && !out_.empty() && out_.back().type != T::COMMA &&
            out_.back().type != T::LPAREN && out_.back().type != T::LBRACK && out_.back().type != T::LBRACE)
          return;
        put(token);
        return;
      }
      default:
        if (is_closer(token.type)) close_unclosed();
        if (is_word(token.type)) token.type = type_of_word(token);
        put(token);
        return;
    }
  }

  void take_newline() {
    const size_t next = next_word();
    const bool declaration = next_word_at_ < in_.size() && is_declaration_start(in_, next_word_at_);
    const size_t last = last_type();
    if (in_parentheses()) {
      const bool goes_on = last == T::LPAREN || last == T::LBRACK || continues_after(last) || is_closer(next) ||
                           next == T::COMMA || is_operator(next) || continues_before(next);
      const bool is_statement = starts_only_statements(next) && type_at(next_word_at_ + 1) != T::ASSIGN;
      if (!declaration && !is_statement && goes_on) return;
      close_unclosed();
      if (in_parentheses()) return;
    }
    if (declaration) {
      put_statement_end();
    } else if (next == T::LBRACE && statement_is_open() && !(in_inception() && statement_is_complete())) {
      Diagnostic d = error("E0013", "`{` belongs at the end of the line before",
                           in_[next_word_at_].span(report_.file()));
      d.fixes.push_back(replacement({report_.file(), out_.back().end, in_[next_word_at_].begin}, " ",
                                    std::string(report_.text({report_.file(), line_begin(), out_.back().end})) + " {"));
      report_.add(std::move(d));
    } else if (!continues_after(last) && !continues_before(next)) {
      put_statement_end();
    }
  }

  // Where a brace stands alone in an inception a branch was meant.
  void put_branch(const SourceToken& brace) {
    put_statement_end();
    Diagnostic d = error("E0020", "a branch of an `inception` begins with `branch`", brace.span(report_.file()));
    d.fixes.push_back(replacement({report_.file(), brace.begin, brace.begin}, "branch ", "branch {"));
    if (!report_.has_line(brace.begin)) report_.add(std::move(d));
    put(SourceToken{T::BRANCH, brace.begin, brace.begin, false, 0});
  }

  // The index in out_ of the first token since the last statement or brace ended.
  size_t statement_begin() const {
    size_t begin = out_.size();
    while (begin > 0 && !is_boundary(out_[begin - 1].type)) --begin;
    return begin;
  }

  bool in_inception() const { return !open_.empty() && open_.back().holds_branches; }

  // Whether the open statement has its body already, or is a call, which has none.
  bool statement_is_complete() const {
    const size_t begin = statement_begin();
    return begin == out_.size() || (out_.back().type == T::RPAREN && (out_[begin].type == T::ID || out_[begin].type == T::LABEL));
  }

  // Whether the body that now begins holds branches.
  bool opens_branches() const {
    const size_t begin = statement_begin();
    if (begin == out_.size()) return false;
    for (size_t i = begin; i < out_.size(); ++i) {
      if (out_[i].type == T::INCEPTION) return true;
      if (out_[i].type == T::BRANCH || out_[i].type == T::RESIDUAL) return false;
    }
    const size_t head = out_[out_[begin].type == T::LABEL ? std::min(begin + 2, out_.size() - 1) : begin].type;
    return in_inception() && (head == T::FOR || head == T::REPEAT || head == T::IF || head == T::ELSE);
  }

  uint32_t line_begin() const {
    size_t first = out_.size() - 1;
    while (first > 0 && !out_[first].first_on_line && out_[first - 1].type != T::NL) --first;
    return out_[first].begin;
  }

  // What a word is here; see point 2 above.
  size_t type_of_word(const SourceToken& token) const {
    const size_t next = type_at(at_ + 1);
    const size_t last = last_type();
    if (last == T::DOT) return T::ID;
    if (in_parentheses()) {
      const bool in_call = in_[open_.back().index].type == T::LPAREN;
      const bool named = next == T::ASSIGN && (last == T::LPAREN || last == T::COMMA);
      return in_call && named ? size_t{T::ARG_NAME} : token.type;
    }
    const bool at_head = !statement_is_open();
    if (at_head && next == T::ASSIGN) return T::KEY;
    const bool may_be_label = token.type != T::BRANCH && token.type != T::SHORTCUT;
    if (next == T::COLON && may_be_label && (at_head || last == T::ARROW || last == T::BRANCH)) return T::LABEL;
    return token.type;
  }

  void close_unclosed() {
    while (in_parentheses() && plan_.fate[open_.back().index] == Fate::unclosed) close_parenthesis();
  }

  void close_parentheses() {
    while (in_parentheses()) close_parenthesis();
  }

  void close_parenthesis() {
    const SourceToken& opener = in_[open_.back().index];
    const bool round = opener.type == T::LPAREN;
    const SourceToken closer = inserted(round ? T::RPAREN : T::RBRACK);
    const char* written = round ? ")" : "]";
    if (!report_.has_line(opener.begin)) {
      Diagnostic d = error("E0006", std::string("nothing closes this `") + (round ? "(" : "[") + "`",
                           opener.span(report_.file()));
      d.secondary.push_back({closer.span(report_.file()), std::string("`") + written + "` expected"});
      d.fixes.push_back(replacement(closer.span(report_.file()), written, closed_line(closer.begin, written)));
      report_.add(std::move(d));
    }
    report_.mark_line(closer.begin);
    put(closer);
  }

  // The line that ends at `offset`, with the closer.
  std::string closed_line(uint32_t offset, const char* closer) const {
    const SourceMap& sources = report_.sources();
    const std::string_view line = sources.line_text(report_.file(), report_.line(offset));
    const auto column = static_cast<size_t>(sources.position(report_.file(), offset).column - 1);
    const size_t first = std::min(line.find_first_not_of(" \t"), column);
    std::string shown = std::string(line.substr(first, column - first)) + closer + std::string(line.substr(column));
    return shown.size() <= kMaxFixText ? shown : closer;
  }

  void put_statement_end() {
    if (statement_is_open()) put(inserted(T::NL));
  }

  // An empty token at the end of what was read last.
  SourceToken inserted(size_t type) const {
    const uint32_t end = out_.empty() ? 0 : out_.back().end;
    return {type, end, end, false, 0};
  }

  void put(const SourceToken& token) {
    bound_nesting(token);
    out_.push_back(token);
  }

  // depth_ is the number of open brackets plus the operators pending in each of them: what a
  // recursion over the tree can reach.
  void bound_nesting(const SourceToken& token) {
    switch (token.type) {
      case T::LPAREN:
      case T::LBRACK:
        if (is_closer(last_type())) add_operator();  // f()() nests to the left
        open_.push_back({at_, false});
        ++depth_;
        break;
      case T::LBRACE:
        reset_operators();
        open_.push_back({at_, true, opens_branches()});
        ++depth_;
        break;
      case T::RPAREN:
      case T::RBRACK:
      case T::RBRACE:
        if (open_.empty()) break;
        reset_operators();
        open_.pop_back();
        --depth_;
        break;
      case T::COMMA:
      case T::NL:
      case T::ARROW: reset_operators(); break;
      case T::IF:
      case T::WITH: add_operator(); break;
      default:
        if (is_operator(token.type)) add_operator();
        break;
    }
    if (depth_ <= max_nesting_ || too_deep_) return;
    too_deep_ = true;
    Diagnostic d = error("E0032", "nested too deep", token.span(report_.file()),
                         "more than " + std::to_string(max_nesting_) + " brackets and operators are open here");
    report_.add(std::move(d));
  }

  int& pending() { return open_.empty() ? top_operators_ : open_.back().operators; }
  void add_operator() {
    ++pending();
    ++depth_;
  }
  void reset_operators() {
    depth_ -= pending();
    pending() = 0;
  }

  size_t type_at(size_t index) const { return index < in_.size() ? in_[index].type : antlr4::Token::EOF; }
  size_t last_type() const { return out_.empty() ? size_t{T::NL} : out_.back().type; }
  bool statement_is_open() const { return last_type() != T::NL && last_type() != T::LBRACE; }
  bool in_parentheses() const { return !open_.empty() && !open_.back().is_brace; }

  // The type of the next token that is not an NL, and its index in next_word_at_.
  size_t next_word() {
    if (next_word_at_ <= at_) next_word_at_ = at_ + 1;
    while (next_word_at_ < in_.size() && in_[next_word_at_].type == T::NL) ++next_word_at_;
    return type_at(next_word_at_);
  }

  const Tokens& in_;
  int max_nesting_;
  Report& report_;
  BracketPlan plan_;
  Tokens out_;
  std::vector<Open> open_;
  size_t at_ = 0, next_word_at_ = 0;
  int depth_ = 0, top_operators_ = 0;
  bool too_deep_ = false;
};

}  // namespace

std::optional<FilteredTokens> filter_tokens(const Tokens& tokens, int max_nesting, Report& report) {
  FilteredTokens result;
  const Tokens repaired = repair(tokens, report, result.docs);
  Filter filter(repaired, max_nesting, report);
  if (!filter.run(result.tokens)) return std::nullopt;
  return result;
}

}  // namespace netc::syntax
