#include "compiler/parse/repair.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
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
};

constexpr std::array<std::string_view, 15> kUnits = {"%",  "deg", "epochs", "epoch", "steps", "step", "B", "KiB", "MiB",
                                                     "GiB", "TiB", "ms",     "s",     "min",   "h"};

const Substitute* find(std::span<const Substitute> table, std::string_view written) {
  const auto it = std::find_if(table.begin(), table.end(), [&](const Substitute& s) { return s.written == written; });
  return it == table.end() ? nullptr : &*it;
}

std::string in_backticks(std::string_view text) { return "`" + std::string(text) + "`"; }

struct Lookalike {
  char32_t value;
  char ascii;
};

// Letters of other alphabets that are drawn like those of ASCII.
constexpr Lookalike kCyrillic[] = {{0x0430, 'a'}, {0x0435, 'e'}, {0x043E, 'o'}, {0x0440, 'p'}, {0x0441, 'c'}, {0x0443, 'y'}, {0x0445, 'x'},
                                   {0x0455, 's'}, {0x0456, 'i'}, {0x0458, 'j'}, {0x0410, 'A'}, {0x0412, 'B'}, {0x0415, 'E'}, {0x041A, 'K'},
                                   {0x041C, 'M'}, {0x041D, 'H'}, {0x041E, 'O'}, {0x0420, 'P'}, {0x0421, 'C'}, {0x0422, 'T'}, {0x0425, 'X'}};
constexpr Lookalike kGreek[] = {{0x03BF, 'o'}, {0x03BD, 'v'}, {0x0391, 'A'}, {0x0392, 'B'}, {0x0395, 'E'}, {0x0397, 'H'}, {0x0399, 'I'},
                                {0x039A, 'K'}, {0x039C, 'M'}, {0x039D, 'N'}, {0x039F, 'O'}, {0x03A1, 'P'}, {0x03A4, 'T'}, {0x03A7, 'X'}};

// Characters that a terminal shows as nothing, or as a blank.
constexpr std::pair<char32_t, const char*> kInvisible[] = {
    {0x00A0, "a no-break space"},   {0x00AD, "a soft hyphen"},          {0x200B, "a zero-width space"},
    {0x200C, "a zero-width non-joiner"}, {0x200D, "a zero-width joiner"},    {0x2060, "a word joiner"},
    {0xFEFF, "a byte order mark"},  {0x2007, "a figure space"},         {0x202F, "a narrow no-break space"},
    {0x3000, "an ideographic space"}};

// What a character is, where it is not what it looks like: "a Cyrillic letter that looks like x". Empty for any other one.
struct Disguise {
  std::string what;
  std::string meant;  // in its place; empty: nothing
};
std::optional<Disguise> disguise_of(char32_t value) {
  for (const auto& [invisible, name] : kInvisible)
    if (value == invisible) return Disguise{name, value == 0x00A0 || value == 0x2007 || value == 0x202F || value == 0x3000 ? " " : ""};
  for (const Lookalike& letter : kCyrillic)
    if (value == letter.value) return Disguise{std::string("a Cyrillic letter that looks like ") + letter.ascii, std::string(1, letter.ascii)};
  for (const Lookalike& letter : kGreek)
    if (value == letter.value) return Disguise{std::string("a Greek letter that looks like ") + letter.ascii, std::string(1, letter.ascii)};
  if (value >= 0xFF01 && value <= 0xFF5E) {
    const std::string ascii(1, static_cast<char>(value - 0xFEE0));
    return Disguise{"the full-width form of " + ascii, ascii};
  }
  return std::nullopt;
}

// With its code point where it is not ASCII, and by it alone where nothing can be seen.
std::string named(const CodePoint& point, std::string_view character) {
  if (point.value < 0x80) return in_backticks(character);
  char number[16];
  std::snprintf(number, sizeof number, "U+%04X", static_cast<unsigned>(point.value));
  const std::optional<Disguise> disguise = disguise_of(point.value);
  const bool seen = std::none_of(std::begin(kInvisible), std::end(kInvisible), [&](const auto& each) { return each.first == point.value; });
  if (!seen) return std::string(number) + ", " + disguise->what;
  return in_backticks(character) + " (" + number + (disguise ? ", " + disguise->what : "") + ")";
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
    if (const std::optional<Disguise> disguise = disguise_of(first.value)) {
      const std::string& meant = disguise->meant;
      d.fixes.push_back(replacement(span, meant, meant.empty() ? "without it" : meant == " " ? "a blank" : meant));
    } else if (first.value >= 0x80) {
      d.notes.emplace_back("outside strings and comments a program is ASCII");
    }
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
