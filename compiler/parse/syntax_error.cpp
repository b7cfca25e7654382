#include "compiler/parse/syntax_error.h"

#include <algorithm>
#include <optional>

#include "compiler/parse/repair.h"
#include "compiler/parse/tokens.h"

namespace netc::syntax {
namespace {

using P = netc_grammar::NetParser;
using antlr4::Token;

constexpr size_t kMaxQuoted = 48;  // bytes of a line that a message repeats
constexpr const char* kTypes = "types: int, float, bool, size, string, a list as [int], block(width: int)";

// Statements of other languages.
constexpr std::pair<const char*, const char*> kForeignWords[] = {
    {"return", "the last value of a block is its result; a network names its own by `output`"},
    {"while", "a network is static: `repeat n { }` and `for x in xs { }` say how often"},
    {"const", "`let n = 3` names a compile-time value"},
    {"var", "`let n = 3` names a compile-time value"},
    {"def", "what is repeated is a block: `block name(width: int) { }` at the top of a file"},
    {"fn", "what is repeated is a block: `block name(width: int) { }` at the top of a file"},
    {"function", "what is repeated is a block: `block name(width: int) { }` at the top of a file"},
    {"class", "what is repeated is a block: `block name(width: int) { }` at the top of a file"},
};

std::string in_backticks(std::string_view text) { return "`" + std::string(text) + "`"; }

const char* article(std::string_view noun) { return std::string_view("aeiou").find(noun[0]) != std::string_view::npos ? "an " : "a "; }

// One reading of the parser's state, from which each kind of mistake is recognised.
class Explainer {
 public:
  Explainer(const Situation& situation, const Report& report)
      : situation_(situation), report_(report), found_(situation.found),
        type_(situation.found.getType()), rule_(situation.parser.getContext()->getRuleIndex()),
        input_(*dynamic_cast<antlr4::TokenStream*>(situation.parser.getInputStream())),
        before_(input_.LT(-1)), after_(input_.LT(2)) {}

  Diagnostic explain() const {
    if (is_body_rule(rule_) && !expects(T::LBRACE)) return at_head();
    if (auto d = missing_then_else()) return *d;
    if (auto d = reserved_word()) return *d;
    if (auto d = missing_type()) return *d;
    if (auto d = divided_token()) return *d;
    if (auto d = argument_without_equals()) return *d;
    if (auto d = missing_comma()) return *d;
    if (auto d = missing_assign()) return *d;
    if (auto d = unwanted_rest()) return *d;
    if (auto d = body_without_braces()) return *d;
    if (auto d = missing_colon()) return *d;
    if (auto d = missing_brackets()) return *d;
    return expected_but_found();
  }

 private:
  // ---- at the head of a line ----
  Diagnostic at_head() const {
    if (type_ == T::SHORTCUT) return shortcut_alone();
    if (is_operator(type_) && type_ != T::MINUS && type_ != T::NOT)
      return with_note(make("E0018", "a line cannot begin with " + in_backticks(text(found_))),
                       "a statement goes on if its line ends with an operator or a comma");
    switch (rule_) {
      case P::RuleFile: return at_file_head();
      case P::RuleConfigBody: return at_config_head();
      case P::RuleNamesBody:
        return with_note(make("E0015", "a line of `names` is `\"path\" = \"path\"` or `key = value`"), "");
      default: return at_body_head();
    }
  }

  Diagnostic shortcut_alone() const {
    return with_note(make("E0017", "`shortcut` without its `residual`"),
                     "it follows the body: `residual { ... } shortcut { ... }`");
  }

  Diagnostic at_file_head() const {
    if (type_ == T::KEY) return assignment();
    if (type_ == T::ID && after_ != nullptr && (after_->getType() == T::ID)) {
      const std::vector<std::string> words{"import", "let",    "block", "network", "dataset",
                                           "recipe", "train", "ensemble", "names"};
      const auto meant = nearest(text(found_), words);
      Diagnostic d = make("E0003", "no declaration " + in_backticks(text(found_)));
      if (meant) d.fixes.push_back(replacement(span(found_), *meant, *meant));
      return d;
    }
    Diagnostic d = make("E0016", starts_statement(type_) ? "a statement stands in a block or a network"
                                                         : "expected a declaration, found " + found());
    d.notes.emplace_back("a file holds import, let, block, network, dataset, recipe, train, ensemble and names");
    return d;
  }

  Diagnostic at_config_head() const {
    const std::string kind = enclosing_kind();
    const bool value_follows =
        after_ != nullptr && starts_value(after_->getType()) && after_->getType() != T::LPAREN;
    const bool colon_follows = type_ == T::LABEL;
    const bool may_be_key = type_ == T::ID || type_ == T::LABEL || is_declaration_word(type_);
    if (may_be_key && (value_follows || colon_follows)) {
      const Span line = line_span();
      Diagnostic d = make("E0004", "expected `=` in " + in_backticks(shortened(line)));
      const Token& value = colon_follows ? *input_.LT(3) : *after_;
      const Span gap{line.file, span(found_).end, span(value).begin};
      d.primary.span = {line.file, line.begin, std::max(line.begin, line.end)};
      d.fixes.push_back(replacement(gap, " = ", text(found_) + " = " +
                                                    shortened({line.file, gap.end, std::max(line.end, gap.end)})));
      return d;
    }
    return with_note(make("E0015", article(kind) + kind + " holds only `key = value` and `use NAME`"), "");
  }

  Diagnostic at_body_head() const {
    if (type_ == T::KEY) return assignment();
    if (is_declaration_word(type_))
      return with_note(make("E0016", article(text(found_)) + text(found_) + " is declared at the top of a file"),
                       "the " + enclosing_kind() + " around it begins at line " +
                           std::to_string(enclosing_line()) + "; is its `}` missing?");
    if (type_ == T::USE)
      return with_note(make("E0003", "`use` stands in a recipe or a train"), "");
    if (type_ == T::ELSE) return make("E0003", "`else` without its `if`");
    return make("E0003", "a statement cannot begin with " + found());
  }

  // `x = 3` where a statement or a declaration is expected.
  Diagnostic assignment() const {
    const std::string word = text(found_);
    if (word == "let" || word == "share" || word == "param" || word == "output" || word == "train") {
      const Span sign = span(*after_);
      return error("E0003", "expected a name after " + in_backticks(word) + ", found `=`", sign);
    }
    const Span line = line_span();
    const Token* value = input_.LT(3);
    Diagnostic d = make("E0022", in_backticks(text(found_) + " = ...") + " is not a statement");
    d.notes.emplace_back("`let` names a compile-time value, `as` names a tensor");
    const std::string name = is_reserved(word) ? word + "_" : word;
    const bool is_call = rule_ == P::RuleBody && value != nullptr && value->getType() == T::ID;
    if (is_call) {
      const Span call{line.file, span(*value).begin, std::max(line.end, span(*value).begin)};
      if (const Token* tensor = tensor_argument()) {  // `y = relu(x)` is `x -> relu as y`
        const Token& next = *input_.LT(6);
        const Span rest{line.file, next.getType() == T::COMMA ? span(*input_.LT(7)).begin : span(next).begin, call.end};
        const std::string arguments = next.getType() == T::COMMA ? "(" + std::string(report_.text(rest)) : "";
        const std::string statement = text(*tensor) + " -> " + text(*value) + arguments + " as " + name;
        d.fixes.push_back(replacement(line, statement, statement));
        return d;
      }
      Fix fix = replacement({line.file, line.begin, call.begin}, "", shortened(call) + " as " + name);
      fix.edits.push_back({{line.file, call.end, call.end}, " as " + name});
      d.fixes.push_back(std::move(fix));
    } else {
      const Span key = span(found_);
      d.fixes.push_back(replacement(key, "let " + name, "let " + name + shortened({line.file, key.end, line.end})));
    }
    return d;
  }

  // The first argument of the call in `y = f(x, ...)`, if it names a tensor: an input, what `as` named or what a line
  // such as this one was meant to name. Null otherwise.
  const Token* tensor_argument() const {
    const Token *open = input_.LT(4), *argument = input_.LT(5), *next = input_.LT(6);
    if (open == nullptr || argument == nullptr || next == nullptr || open->getType() != T::LPAREN ||
        argument->getType() != T::ID)
      return nullptr;
    if (next->getType() != T::RPAREN && next->getType() != T::COMMA) return nullptr;
    const std::string name = text(*argument);
    const Token* after = &found_;
    for (ssize_t back = 1; back < 4096; ++back) {
      const Token* token = input_.LT(-back);
      if (token == nullptr) break;
      const bool is_name = text(*token) == name;
      if (is_name && token->getType() == T::KEY) return argument;
      if (after != nullptr && text(*after) == name && (token->getType() == T::INPUT || token->getType() == T::AS))
        return argument;
      after = token;
    }
    return nullptr;
  }

  // ---- inside a line ----
  std::optional<Diagnostic> missing_then_else() const {
    if (rule_ != P::RuleExpr || !(expects(T::THEN) || expects(T::ELSE))) return std::nullopt;
    const char* word = expects(T::THEN) ? "then" : "else";
    return with_note(make("E0023", "expected `" + std::string(word) + "`, found " + found()),
                     "a value's `if` is `if condition then a else b`");
  }

  std::optional<Diagnostic> reserved_word() const {
    const bool wants_name = expects(T::ID) && (rule_ == P::RuleName || rule_ == P::RuleAtom || is_value_rule());
    const bool takes_items = rule_ == P::RuleCallArgs || rule_ == P::RuleList || rule_ == P::RuleParams;
    const bool first_item = takes_items && opens_or_separates(before_);
    const bool declares = rule_ == P::RuleName || rule_ == P::RuleParams;
    const bool is_keyword = type_ >= T::IMPORT && type_ <= T::SHARE;
    if (!(wants_name || first_item) || !is_keyword || type_ == T::TRUE || type_ == T::FALSE) return std::nullopt;
    if (!declares && is_connective(type_)) return std::nullopt;
    const std::string word = text(found_);
    Diagnostic d = make("E0011", in_backticks(word) + " is a word of the language");
    d.primary.text = declares ? "a name is expected" : "a value is expected";
    if (declares) d.fixes.push_back(replacement(span(found_), word + "_", word + "_"));
    return d;
  }

  static bool is_connective(size_t type) {
    return (type >= T::ON && type <= T::NOT) && type != T::ON && type != T::USE;
  }

  std::optional<Diagnostic> missing_type() const {
    const bool no_colon = rule_ == P::RuleParameter && expects(T::COLON);
    const bool named = type_ == T::ARG_NAME && inside(P::RuleParameter);
    if (!no_colon && !named) return std::nullopt;
    const Token& name = named ? found_ : *before_;
    Diagnostic d = error("E0024", "parameter " + in_backticks(text(name)) + " has no type", span(name));
    const Span end{report_.file(), span(name).end, span(name).end};
    d.fixes.push_back(replacement(end, ": int", text(name) + ": int"));
    d.notes.emplace_back(kTypes);
    return d;
  }

  // What is one token, written with blanks: `5 epochs`, `3 x 3`; and `k x k`, which is computed.
  std::optional<Diagnostic> divided_token() const {
    if (before_ == nullptr || type_ != T::ID) return std::nullopt;
    const bool after_number = before_->getType() == T::INT || before_->getType() == T::FLOAT;
    if (after_number && is_unit(text(found_))) {
      const std::string joined = text(*before_) + text(found_);
      Diagnostic d = make("E0012", "a quantity is written without a blank");
      d.primary.span.begin = span(*before_).begin;
      d.fixes.push_back(replacement(d.primary.span, joined, joined));
      return d;
    }
    const bool is_operand = after_ != nullptr && (after_->getType() == T::INT || after_->getType() == T::ID);
    if (text(found_) != "x" || !is_operand || (!after_number && before_->getType() != T::ID)) return std::nullopt;
    if (before_->getType() == T::FLOAT || &line_head() == before_) return std::nullopt;
    const bool literal = before_->getType() == T::INT && after_->getType() == T::INT;
    const std::string size = literal ? text(*before_) + "x" + text(*after_)
                                     : "size(" + text(*before_) + ", " + text(*after_) + ")";
    Diagnostic d = make("E0012", literal ? "a size is written without blanks" : "a computed size is `size(height, width)`");
    d.primary.span = {report_.file(), span(*before_).begin, span(*after_).end};
    d.fixes.push_back(replacement(d.primary.span, size, size));
    return d;
  }

  // `stride 2` among a call's arguments.
  std::optional<Diagnostic> argument_without_equals() const {
    if (rule_ != P::RuleCallArgs || before_ == nullptr || before_->getType() != T::ID) return std::nullopt;
    const Token* earlier = input_.LT(-2);
    if (!opens_or_separates(earlier)) return std::nullopt;
    // The first argument may well be a name: `conv(width 3x3)` lacks a comma.
    const bool is_first = earlier == nullptr || earlier->getType() != T::COMMA;
    const bool is_positional = type_ == T::INT || type_ == T::SIZE;
    const bool is_literal = is_positional || type_ == T::FLOAT || type_ == T::STRING || type_ == T::TRUE ||
                            type_ == T::FALSE || type_ == T::QUANTITY;
    if (!is_literal || (is_first && is_positional)) return std::nullopt;
    const Span gap{report_.file(), span(*before_).end, span(found_).begin};
    Diagnostic d = make("E0004", "expected `=` before " + in_backticks(text(found_)));
    d.fixes.push_back(replacement(gap, " = ", text(*before_) + " = " + text(found_)));
    return d;
  }

  std::optional<Diagnostic> missing_comma() const {
    const bool in_list = rule_ == P::RuleCallArgs || rule_ == P::RuleList || rule_ == P::RuleParams ||
                         rule_ == P::RuleImportDecl;
    if (!in_list || opens_or_separates(before_) || !expects_any({T::RPAREN, T::RBRACK, T::NL})) return std::nullopt;
    if (!starts_value(type_) && !is_word(type_)) return std::nullopt;
    if (auto d = list_of()) return d;
    const Span end{report_.file(), span(*before_).end, span(*before_).end};
    Diagnostic d = make("E0014", "expected `,` before " + in_backticks(text(found_)));
    d.fixes.push_back(replacement(end, ",", with_separator(", ")));
    return d;
  }

  // `widths: list[int]`
  std::optional<Diagnostic> list_of() const {
    const Token* close = input_.LT(3);
    const bool is_type = rule_ == P::RuleParams && type_ == T::LBRACK && before_->getType() == T::ID && input_.LT(-2) != nullptr &&
                         input_.LT(-2)->getType() == T::COLON;
    if (!is_type || after_ == nullptr || after_->getType() != T::ID || close == nullptr || close->getType() != T::RBRACK)
      return std::nullopt;
    const std::string type = "[" + text(*after_) + "]";
    Diagnostic d = error("E0003", "a type of lists is " + in_backticks(type), {report_.file(), span(*before_).begin, span(*close).end});
    d.fixes.push_back(replacement(d.primary.span, type, type));
    return d;
  }

  std::optional<Diagnostic> missing_assign() const {
    if (!expects(T::ASSIGN) || situation_.expected.size() != 1 || before_ == nullptr) return std::nullopt;
    const Span line = line_span();
    Diagnostic d = make("E0004", "expected `=` in " + in_backticks(shortened(line)));
    if (starts_value(type_)) {
      const Span gap{line.file, span(*before_).end, span(found_).begin};
      const std::string head = shortened({line.file, line.begin, gap.begin});
      d.fixes.push_back(replacement(gap, " = ", head + " = " + shortened({line.file, gap.end, line.end})));
    }
    return d;
  }

  // A statement is complete, and something follows it on its line.
  std::optional<Diagnostic> unwanted_rest() const {
    if (!expects(T::NL) || situation_.expected.size() != 1) return std::nullopt;
    const Token& head = line_head();
    if (type_ == T::LBRACE) return body_after_call(head);
    if (type_ == T::AS)
      return with_note(make("E0003", "`as` names the value of a call"),
                       "it follows the call, `relu as y`; here it follows " + in_backticks(text(head)));
    if (auto d = else_if()) return *d;
    const bool tensor_rule = head.getType() == T::ID || head.getType() == T::LABEL || head.getType() == T::LBRACK;
    if (tensor_rule && (type_ == T::PLUS || type_ == T::MINUS || type_ == T::STAR || type_ == T::SLASH))
      return tensor_arithmetic();
    if (tensor_rule && type_ == T::ASSIGN)
      return with_note(make("E0022", "a statement is not assigned to"),
                       "`let` names a compile-time value, `as` names a tensor");
    if (type_ == T::SHORTCUT) return shortcut_alone();
    if (type_ == T::ELSE) return make("E0003", "`else` without its `if`");
    if (starts_statement(type_) || starts_value(type_) || is_word(type_)) {
      if (auto d = misspelt_statement(head)) return d;
      Diagnostic d = make("E0012", "a new statement begins on the same line", "");
      const Span end{report_.file(), span(*before_).end, span(*before_).end};
      d.primary.text = "`;` or a new line expected before this";
      d.fixes.push_back(replacement(end, ";", with_separator("; ")));
      return d;
    }
    return make("E0003", "expected the end of the statement, found " + found());
  }

  // `elif`, which other languages have.
  std::optional<Diagnostic> else_if() const {
    const std::string word = text(found_);
    if (type_ != T::ID || (word != "elif" && word != "elseif" && word != "elsif")) return std::nullopt;
    Diagnostic d = make("E0003", "no statement " + in_backticks(word));
    d.fixes.push_back(replacement(span(found_), "else if", "else if"));
    return d;
  }

  // `ouput logits`: a word, and something after it that no call is followed by.
  std::optional<Diagnostic> misspelt_statement(const Token& head) const {
    if (head.getType() != T::ID || &head != before_) return std::nullopt;
    const std::vector<std::string> words{"let",   "param", "input", "output",   "require", "share",
                                         "for",   "if",    "repeat", "aux_head", "branch",  "block",
                                         "network"};
    Diagnostic d = error("E0003", "no statement " + in_backticks(text(head)), span(head));
    for (const auto& [word, note] : kForeignWords)
      if (text(head) == word) return with_note(std::move(d), note);
    const auto meant = nearest(text(head), words);
    if (!meant) return std::nullopt;
    d.fixes.push_back(replacement(span(head), *meant, *meant));
    return d;
  }

  Diagnostic body_after_call(const Token& head) const {
    const bool is_name = head.getType() == T::ID;
    const std::vector<std::string> words{"residual", "inception", "branch", "repeat", "for", "if", "aux_head"};
    Diagnostic d = make("E0019", is_name ? in_backticks(text(head)) + " takes no body" : "no body can stand here");
    if (is_name) {
      if (const auto meant = nearest(text(head), words)) {
        d.fixes.push_back(replacement(span(head), *meant, *meant));
        return d;
      }
    }
    d.notes.emplace_back("bodies belong to residual, inception, branch, aux_head, repeat, for and if");
    return d;
  }

  Diagnostic tensor_arithmetic() const {
    const char* name = type_ == T::PLUS ? "add" : type_ == T::MINUS ? "sub" : type_ == T::STAR ? "mul" : "div";
    Diagnostic d = make("E0025", in_backticks(text(found_)) + " is for compile-time values");
    const Token* right = input_.LT(2);
    const bool simple = right != nullptr && right->getType() == T::ID && line_head().getType() == T::ID &&
                        &line_head() == before_;
    const std::string left_text = simple ? text(*before_) : "a", right_text = simple ? text(*right) : "b";
    d.fixes.push_back(Fix{"[" + left_text + ", " + right_text + "] -> " + name, "", {}});
    if (simple)
      d.fixes.back().edits.push_back({{report_.file(), span(*before_).begin, span(*right).end}, d.fixes.back().text});
    return d;
  }

  // `for i in xs:` and other spellings without braces.
  std::optional<Diagnostic> body_without_braces() const {
    if (!expects(T::LBRACE) || situation_.expected.size() > 2) return std::nullopt;
    Diagnostic d = make("E0003", "expected `{`, found " + found());
    const Span line = line_span();
    if (type_ == T::COLON)
      d.fixes.push_back(replacement(span(found_), " {", shortened({line.file, line.begin, span(found_).begin}) + " {"));
    if (type_ == T::ASSIGN && text(line_head()) == "if")  // `if n = 1`
      d.fixes.push_back(replacement(span(found_), "==", "=="));
    return d;
  }

  std::optional<Diagnostic> missing_colon() const {
    if (!expects(T::COLON) || situation_.expected.size() != 1 || before_ == nullptr) return std::nullopt;
    const Span line = line_span();
    const uint32_t end = span(*before_).end;
    Diagnostic d = make("E0003", "expected `:` and a shape, found " + found());
    if (type_ == T::LBRACK || type_ == T::ID)
      d.fixes.push_back(replacement({line.file, end, end}, ":",
                                    shortened({line.file, line.begin, end}) + ": " +
                                        shortened({line.file, span(found_).begin, line.end})));
    return d;
  }

  // `param w: 64`
  std::optional<Diagnostic> missing_brackets() const {
    if (!expects(T::LBRACK) || situation_.expected.size() > 2 || rule_ == P::RuleType) return std::nullopt;
    Diagnostic d = make("E0003", "expected a shape in `[ ]`, found " + found());
    if (type_ == T::INT) {
      const std::string list = "[" + text(found_) + "]";
      d.fixes.push_back(replacement(span(found_), list, list));
    }
    return d;
  }

  Diagnostic expected_but_found() const {
    std::string what = expected_text();
    const bool first_item = rule_ == P::RuleCallArgs || rule_ == P::RuleList;
    if (first_item && opens_or_separates(before_)) what = "a value or " + what;
    if (rule_ == P::RuleType) what = "a type";
    if (is_value_rule() && before_ != nullptr && wants_value_after(before_->getType()))
      what += " after " + in_backticks(text(*before_));
    Diagnostic d = make("E0003", "expected " + what + ", found " + found());
    if (rule_ == P::RuleType) d.notes.emplace_back(kTypes);
    if (rule_ == P::RuleCallArgs && type_ == T::COLON && before_->getType() == T::ID)
      d.fixes.push_back(replacement({report_.file(), span(*before_).end, span(found_).end}, " =",
                                    text(*before_) + " = " + (after_ == nullptr ? "" : text(*after_))));
    // `1.` reads as `1` and a member access.
    if (before_ != nullptr && before_->getType() == T::DOT && input_.LT(-2) != nullptr &&
        input_.LT(-2)->getType() == T::INT)
      d.fixes.push_back(replacement(span(*before_), ".0", text(*input_.LT(-2)) + ".0"));
    return d;
  }

  static bool opens_or_separates(const Token* token) {
    return token == nullptr || token->getType() == T::LPAREN || token->getType() == T::LBRACK ||
           token->getType() == T::COMMA;
  }

  static bool wants_value_after(size_t type) {
    return is_operator(type) || type == T::ASSIGN || type == T::LPAREN || type == T::LBRACK || type == T::COMMA ||
           type == T::IF || type == T::THEN || type == T::ELSE || type == T::IN || type == T::REPEAT ||
           type == T::REQUIRE;
  }

  std::string expected_text() const {
    if (expects(T::INT) && expects(T::LPAREN)) return "a value";
    if (expects(T::RESIDUAL) && expects(T::ID)) return "an operator or a block";
    std::vector<std::string> parts;
    for (ssize_t type : situation_.expected.toList()) {
      std::string part = spelled(static_cast<size_t>(type));
      if (std::find(parts.begin(), parts.end(), part) == parts.end()) parts.push_back(std::move(part));
    }
    if (parts.empty()) return "nothing";
    if (parts.size() > 5) return "something else";
    std::string out = parts[0];
    for (size_t i = 1; i < parts.size(); ++i) out += (i + 1 == parts.size() ? " or " : ", ") + parts[i];
    return out;
  }

  std::string spelled(size_t type) const {
    switch (type) {
      case T::ID: return rule_ == P::RuleType ? "a type" : "a name";
      case T::LABEL: return "a label";
      case T::KEY: return "a key";
      case T::ARG_NAME: return "an argument";
      case T::STRING: return "a string";
      case T::NL: return "the end of the line";
      case Token::EOF: return "the end of the file";
      default: {
        std::string literal = situation_.parser.getVocabulary().getLiteralName(type);  // 'x'
        if (literal.size() < 3) return situation_.parser.getVocabulary().getSymbolicName(type);
        return in_backticks(std::string_view(literal).substr(1, literal.size() - 2));
      }
    }
  }

  std::string found() const {
    if (type_ == T::NL) return after_ != nullptr && after_->getType() == T::RBRACE && !text(*after_).empty() &&
                                       report_.line(span(*after_).begin) == report_.line(span(found_).begin)
                                   ? "`}`"
                                   : "the end of the line";
    if (type_ == Token::EOF) return "the end of the file";
    return text(found_).empty() ? spelled(type_) : in_backticks(text(found_));
  }

  // The statement with `separator` before what was found.
  std::string with_separator(const std::string& separator) const {
    const Span line = line_span(), before = span(*before_), at = span(found_);
    if (report_.line(line.begin) != report_.line(at.begin)) return text(*before_) + separator + text(found_);
    return shortened({line.file, line.begin, before.end}) + separator + shortened({line.file, at.begin, line.end});
  }

  // ---- what stands where ----
  static bool is_body_rule(size_t rule) {
    return rule == P::RuleFile || rule == P::RuleBody || rule == P::RuleConfigBody || rule == P::RuleNamesBody;
  }
  bool is_value_rule() const { return rule_ >= P::RuleExpr && rule_ <= P::RuleAtom; }

  static bool starts_statement(size_t type) {
    switch (type) {
      case T::ID:
      case T::LABEL:
      case T::KEY:
      case T::LET:
      case T::PARAM:
      case T::INPUT:
      case T::OUTPUT:
      case T::REQUIRE:
      case T::SHARE:
      case T::IF:
      case T::FOR:
      case T::REPEAT:
      case T::AUX_HEAD:
      case T::BRANCH:
      case T::RESIDUAL:
      case T::INCEPTION:
      case T::LBRACK: return true;
      default: return false;
    }
  }

  bool expects(size_t type) const { return situation_.expected.contains(type); }
  bool expects_any(std::initializer_list<size_t> types) const {
    return std::any_of(types.begin(), types.end(), [&](size_t type) { return expects(type); });
  }

  bool inside(size_t rule) const {
    for (auto* context = static_cast<antlr4::ParserRuleContext*>(situation_.parser.getContext()); context != nullptr;
         context = dynamic_cast<antlr4::ParserRuleContext*>(context->parent))
      if (context->getRuleIndex() == rule) return true;
    return false;
  }

  // The declaration around this place.
  const Token* enclosing_head() const {
    for (auto* context = static_cast<antlr4::ParserRuleContext*>(situation_.parser.getContext()); context != nullptr;
         context = dynamic_cast<antlr4::ParserRuleContext*>(context->parent))
      if (context->getRuleIndex() == P::RuleTopLine) return context->getStart();
    return nullptr;
  }
  std::string enclosing_kind() const {
    const Token* head = enclosing_head();
    return head == nullptr ? "declaration" : text(*head);
  }
  int enclosing_line() const {
    const Token* head = enclosing_head();
    return head == nullptr ? 1 : report_.line(span(*head).begin);
  }

  const Token& line_head() const {
    const Token* head = &found_;
    for (ssize_t back = 1; back < 4096; ++back) {
      const Token* token = input_.LT(-back);
      if (token == nullptr || token->getType() == T::NL || token->getType() == T::LBRACE ||
          token->getType() == T::RBRACE)
        break;
      head = token;
    }
    return *head;
  }

  // From the head of the statement to the end of its source line.
  Span line_span() const {
    const Span head = span(line_head());
    const Span at = span(found_);
    const std::string& source = report_.sources().file(report_.file()).text;
    size_t end = source.find('\n', at.begin);
    if (end == std::string::npos) end = source.size();
    for (size_t ahead = 1;; ++ahead) {  // a `;`, `}` or a comment ends it earlier
      const Token* token = input_.LT(static_cast<ssize_t>(ahead));
      const size_t type = token->getType();
      if (type != T::NL && type != T::LBRACE && type != T::RBRACE && type != Token::EOF) continue;
      end = std::min<size_t>(end, span(*token).begin);
      break;
    }
    while (end > head.begin && (source[end - 1] == ' ' || source[end - 1] == '\r')) --end;
    return {head.file, head.begin, static_cast<uint32_t>(std::max<size_t>(end, head.begin))};
  }

  std::string shortened(Span span) const {
    std::string_view line = report_.text(span);
    line = line.substr(0, line.find('\n'));
    if (line.size() <= kMaxQuoted) return std::string(line);
    size_t cut = kMaxQuoted;
    while (cut > 0 && (static_cast<unsigned char>(line[cut]) & 0xC0u) == 0x80u) --cut;
    return std::string(line.substr(0, cut)) + "...";
  }

  bool is_reserved(const std::string& word) const {
    for (size_t type = T::IMPORT; type <= T::SHARE; ++type)
      if (situation_.parser.getVocabulary().getLiteralName(type) == "'" + word + "'") return true;
    return false;
  }

  std::string text(const Token& token) const { return std::string(report_.text(span(token))); }
  Span span(const Token& token) const { return span_of(token, report_.file()); }

  Diagnostic make(const char* code, std::string message, std::string label = {}) const {
    return error(code, std::move(message), span(found_), std::move(label));
  }
  static Diagnostic with_note(Diagnostic diagnostic, std::string note) {
    if (!note.empty()) diagnostic.notes.push_back(std::move(note));
    return diagnostic;
  }

  const Situation& situation_;
  const Report& report_;
  const Token& found_;
  size_t type_;
  size_t rule_;
  antlr4::TokenStream& input_;
  const Token* before_;  // null at the start
  const Token* after_;
};

}  // namespace

Diagnostic explain_syntax_error(const Situation& situation, const Report& report) {
  return Explainer(situation, report).explain();
}

Span span_of(const antlr4::Token& token, int32_t file) {
  const auto begin = static_cast<uint32_t>(token.getStartIndex());
  return {file, begin, static_cast<uint32_t>(token.getStopIndex() + 1)};
}

}  // namespace netc::syntax
