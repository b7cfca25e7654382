#include "compiler/parse/repair.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <span>

#include "compiler/support/unicode.h"

namespace netc::syntax {
namespace {

constexpr size_t kDrop = 0;
constexpr size_t kMaxFixText = 100;  // bytes; longer text is not repeated in a fix

struct Substitute {
  std::string_view written;
  size_t type;  // kDrop: nothing takes its place
  const char* meant;
  const char* note;
};

// What people write who come from other languages.
constexpr Substitute kOperators[] = {
    {"&&", T::AND, "and", ""},
    {"||", T::OR, "or", ""},
    {"!", T::NOT, "not", ""},
    {"=>", T::ARROW, "->", ""},
    {"|>", T::ARROW, "->", ""},
    {"<-", T::ASSIGN, "=", ""},
    {":=", T::ASSIGN, "=", ""},
    {"%", T::STAR, "", "the remainder is `mod(a, b)`; a percentage is one word: `10%`"},
    {"^", T::POW, "**", "a power is `a ** b`"},
    {"//=", T::ASSIGN, "", "nothing is assigned twice: `let` names a new value"},
    {"+=", T::ASSIGN, "", "nothing is assigned twice: `let` names a new value"},
    {"-=", T::ASSIGN, "", "nothing is assigned twice: `let` names a new value"},
    {"*=", T::ASSIGN, "", "nothing is assigned twice: `let` names a new value"},
    {"/=", T::ASSIGN, "", "nothing is assigned twice: `let` names a new value"},
    {"++", kDrop, "", "nothing is assigned twice: `let` names a new value"},
};

// What editors and web pages put in the place of ASCII.
constexpr Substitute kCharacters[] = {
    {"×", T::STAR, "", "a size is written with the letter x (`3x3`), a product with `*`"},
    {"→", T::ARROW, "->", ""},
    {"−", T::MINUS, "-", ""},
    {"–", T::MINUS, "-", ""},
    {"≤", T::LE, "<=", ""},
    {"≥", T::GE, ">=", ""},
    {"≠", T::NE, "!=", ""},
    {"…", T::DOTDOT, "..", ""},
    {"“", kDrop, "\"", ""},
    {"”", kDrop, "\"", ""},
    {"\u00A0", kDrop, " ", "this is a no-break space"},
};

constexpr std::array<std::string_view, 15> kUnits = {"%",  "deg", "epochs", "epoch", "steps", "step", "B", "KiB", "MiB",
                                                     "GiB", "TiB", "ms",     "s",     "min",   "h"};

const Substitute* find(std::span<const Substitute> table, std::string_view written) {
  const auto it = std::find_if(table.begin(), table.end(), [&](const Substitute& s) { return s.written == written; });
  return it == table.end() ? nullptr : &*it;
}

std::string in_backticks(std::string_view text) { return "`" + std::string(text) + "`"; }

// With its code point where it is not ASCII: many look like a letter of ASCII, or like nothing.
std::string named(const CodePoint& point, std::string_view character) {
  if (point.value < 0x80) return in_backticks(character);
  char number[16];
  std::snprintf(number, sizeof number, "U+%04X", static_cast<unsigned>(point.value));
  return in_backticks(character) + " (" + number + ")";
}

class Repairer {
 public:
  Repairer(Report& report, Docs& docs) : report_(report), docs_(docs) {}

  Tokens run(const Tokens& tokens) {
    out_.reserve(tokens.size());
    for (const SourceToken& token : tokens) take(token);
    return std::move(out_);
  }

 private:
  void take(SourceToken token) {
    const Span span = token.span(report_.file());
    const std::string_view text = report_.text(span);
    switch (token.type) {
      case T::DOC:
        if (token.first_on_line && !text.starts_with("////")) add_doc(text.substr(3));
        return;
      case T::NL:
        out_.push_back(token);
        return;
      case T::BAD_NUMBER:
        report_.add(bad_number(span, std::string(text)));
        token.type = T::INT;
        break;
      case T::BAD_STRING:
        report_.add(error("E0005", "this string does not end", span, "its closing `\"` is missing on this line"));
        token.type = T::STRING;
        break;
      case T::BAD_QUOTE: {
        std::string inner(text.substr(1));
        if (!inner.empty() && inner.back() == '\'') inner.pop_back();
        Diagnostic d = error("E0005", "strings are written with `\"`", span);
        if (inner.size() <= kMaxFixText) d.fixes.push_back(replacement(span, '"' + inner + '"', '"' + inner + '"'));
        report_.add(std::move(d));
        token.type = T::STRING;
        break;
      }
      case T::BAD_COMMENT: {
        Diagnostic d = error("E0002", "a comment begins with `//`", span);
        if (text.starts_with('#') && text.size() <= kMaxFixText)
          d.fixes.push_back(replacement({span.file, span.begin, span.begin + 1}, "//",
                                        "//" + std::string(text.substr(1))));
        report_.add(std::move(d));
        return;
      }
      case T::BAD_OPERATOR: {
        const Substitute* meant = find(kOperators, text);
        report_.add(bad_operator(span, text, *meant));
        if (meant->type == kDrop) return;
        token.type = meant->type;
        break;
      }
      case T::BAD_CHAR:
        if (token.begin == 0 && text == "\xEF\xBB\xBF") return;  // a byte order mark
        take_bad_characters(token);
        return;
      default: break;
    }
    flush_doc(token);
    out_.push_back(token);
  }

  void add_doc(std::string_view line) {
    if (line.starts_with(' ')) line.remove_prefix(1);
    if (has_doc_) doc_ += '\n';
    doc_ += line;
    has_doc_ = true;
  }

  void flush_doc(const SourceToken& token) {
    if (!has_doc_) return;
    docs_[token.begin] = std::move(doc_);
    doc_.clear();
    has_doc_ = false;
  }

  Diagnostic bad_operator(Span span, std::string_view text, const Substitute& meant) {
    Diagnostic d = error("E0002", "no operator " + in_backticks(text), span);
    if (*meant.note != '\0') d.notes.emplace_back(meant.note);
    if (*meant.meant != '\0') d.fixes.push_back(replacement(span, meant.meant, meant.meant));
    return d;
  }

  // The lexer takes neighbouring bytes that are not ASCII together: only the first character is
  // named, the rest of the run would say the same.
  void take_bad_characters(SourceToken token) {
    const std::string_view text = report_.text(token.span(report_.file()));
    const CodePoint first = decode_utf8(text, 0);
    const std::string_view character = text.substr(0, static_cast<size_t>(first.bytes));
    const Span span{report_.file(), token.begin, token.begin + static_cast<uint32_t>(first.bytes)};
    if (const Substitute* meant = find(kCharacters, character)) {
      Diagnostic d = error("E0002", "unexpected character " + in_backticks(character), span);
      if (*meant->note != '\0') d.notes.emplace_back(meant->note);
      if (*meant->meant != '\0') d.fixes.push_back(replacement(span, meant->meant, meant->meant));
      report_.add(std::move(d));
      if (meant->type == kDrop) return;
      token.type = meant->type;
      flush_doc(token);
      out_.push_back(token);
      return;
    }
    Diagnostic d = error("E0002", "unexpected character " + named(first, character), span);
    if (first.value >= 0x80) d.notes.emplace_back("outside strings and comments a program is ASCII");
    report_.add(std::move(d));
  }

  Diagnostic bad_number(Span span, const std::string& text) {
    const size_t digits_end = std::min(text.find_first_not_of("0123456789._"), text.size());
    const std::string digits = text.substr(0, digits_end), suffix = text.substr(digits_end);
    Diagnostic d = error("E0008", in_backticks(text) + " is not a number", span);
    if (text.starts_with('.') && span.begin > 0 && report_.text({span.file, span.begin - 1, span.begin}) == ".") {
      d.message = "a range is written with two points";  // `0...3`
      d.fixes.push_back(replacement(span, text.substr(1), ".." + text.substr(1)));
    } else if (text.starts_with('.')) {
      d.fixes.push_back(replacement(span, "0" + text, "0" + text));
    } else if (suffix == "x" || suffix == "X") {
      d.notes.emplace_back("a size is height x width: `" + digits + "x" + digits + "`");
      d.fixes.push_back(replacement(span, digits + "x" + digits, digits + "x" + digits));
    } else if (suffix.starts_with('X') && suffix.find_first_not_of("0123456789", 1) == std::string::npos) {
      const std::string size = digits + "x" + suffix.substr(1);
      d.fixes.push_back(replacement(span, size, size));
    } else if (std::count(text.begin(), text.end(), 'x') > 1) {
      d.notes.emplace_back("a size has two extents, height x width");
    } else if (suffix.empty()) {
      d.notes.emplace_back("a number has one point, and digits on both sides of it");
    } else {
      d.message = in_backticks(suffix) + " is not a unit";
      const std::vector<std::string> units(kUnits.begin(), kUnits.end());
      if (const auto unit = nearest(suffix, units)) {
        d.fixes.push_back(replacement(span, digits + *unit, digits + *unit));
      } else {
        d.notes.emplace_back("units: % deg epochs steps B KiB MiB GiB TiB ms s min h");
      }
    }
    return d;
  }

  Report& report_;
  Docs& docs_;
  Tokens out_;
  std::string doc_;
  bool has_doc_ = false;
};

}  // namespace

bool is_unit(std::string_view word) { return std::find(kUnits.begin(), kUnits.end(), word) != kUnits.end(); }

Tokens repair(const Tokens& tokens, Report& report, Docs& docs) { return Repairer(report, docs).run(tokens); }

}  // namespace netc::syntax
