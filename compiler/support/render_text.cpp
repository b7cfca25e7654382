// Diagnostics for people.
//
//   E0201 residual: the two sides differ                     resnet.net:12
//   12 | residual {
//      | ^^^^^^^^ identity [64, 56, 56], body [128, 28, 28]
//   13 |     conv_bn(128, 3x3, stride = 2)
//      |             ^^^       ^^^^^^^^^^ 64 -> 128 channels, 56 -> 28
//   in basic(128), called at line 30
//   fix: residual(shortcut = project)   adds 8,448 parameters
//
// Only lines with a label are shown, in their order, without the indentation they share; a jump in
// the numbers is the gap. Lines of another file follow under `at PATH:LINE`. A label over several
// lines marks its first and its last one. Where labels cover whole lines and are compared with each
// other (the branches of an inception), their texts stand in a column at the right instead:
//
//   9  | branch { cbr(64, 1x1) }              [64, 28, 28]
//   12 | branch { max_pool(3x3, stride = 2) } [192, 13, 13]
//      |                       ^^^^^^^^^^
#include <algorithm>
#include <map>

#include "compiler/support/diagnostic.h"
#include "compiler/support/unicode.h"

namespace netc {
namespace {

constexpr int kHeaderWidth = 70;       // the location ends here, if the message leaves room
constexpr int kMaxLineWidth = 120;     // longer source lines are cut around their first label
constexpr int kContextBeforeMark = 30; // what a cut line shows left of its first label
constexpr size_t kMaxCalls = 8;        // longer chains of calls lose their middle

enum class Style { plain, bold, error, advice, gutter, primary, secondary, fix };

class Painter {
 public:
  explicit Painter(bool color) : color_(color) {}

  std::string operator()(Style style, const std::string& text) const {
    if (!color_ || text.empty() || style == Style::plain) return text;
    return std::string(escape(style)) + text + "\x1b[0m";
  }

 private:
  static const char* escape(Style style) {
    switch (style) {
      case Style::plain: return "";
      case Style::bold: return "\x1b[1m";
      case Style::error: return "\x1b[1;31m";
      case Style::advice: return "\x1b[1;33m";
      case Style::gutter: return "\x1b[34m";
      case Style::primary: return "\x1b[1;31m";
      case Style::secondary: return "\x1b[1;36m";
      case Style::fix: return "\x1b[32m";
    }
    return "";
  }

  bool color_;
};

std::string spaces(int count) { return std::string(static_cast<size_t>(std::max(0, count)), ' '); }

// Columns of a terminal, from 0, in the line as it is printed.
struct Mark {
  int begin = 0, end = 1;
  std::string text;
  bool primary = false;
};

struct SourceLine {
  std::vector<Mark> marks;
  std::string side_text;  // printed right of the line
};

using SourceLines = std::map<int, SourceLine>;  // by line number

// A label of one file, in lines and bytes.
struct PlacedLabel {
  const Label* label;
  bool primary;
  int first_line, last_line;
  uint32_t begin, end;  // bytes from the start of first_line and of last_line
};

std::string_view trimmed(std::string_view line) {
  const size_t first = line.find_first_not_of(" \t");
  if (first == std::string_view::npos) return line.substr(0, 0);
  return line.substr(first, line.find_last_not_of(" \t") - first + 1);
}

PlacedLabel place(const Label& label, bool primary, const SourceMap& sources) {
  const auto size = static_cast<uint32_t>(sources.file(label.span.file).text.size());
  const uint32_t begin = std::min(label.span.begin, size);
  const uint32_t end = std::clamp(label.span.end, begin, size);
  const LineColumn first = sources.position(label.span.file, begin);
  const LineColumn last = end > begin ? sources.position(label.span.file, end - 1) : first;
  return {&label, primary, first.line, last.line, static_cast<uint32_t>(first.column - 1),
          static_cast<uint32_t>(end > begin ? last.column : last.column - 1)};
}

// All that is printed of one file: which lines, and what stands under and beside them.
class Excerpt {
 public:
  Excerpt(const SourceMap& sources, int32_t file) : sources_(sources), file_(file) {}

  void add(const std::vector<PlacedLabel>& labels) {
    const auto whole = std::count_if(labels.begin(), labels.end(), [&](const PlacedLabel& l) {
      return covers_whole_lines(l) && !l.label->text.empty();
    });
    for (const PlacedLabel& label : labels) {
      const bool shares_line = std::any_of(labels.begin(), labels.end(), [&](const PlacedLabel& other) {
        return &other != &label && other.first_line == label.first_line;
      });
      if (covers_whole_lines(label) && !label.label->text.empty() && (whole > 1 || shares_line)) {
        std::string& side = lines_[label.first_line].side_text;
        side += (side.empty() ? "" : "; ") + label.label->text;
      } else {
        add_marks(label);
      }
    }
  }

  const SourceLines& lines() const { return lines_; }
  std::string_view text(int line) const { return sources_.line_text(file_, line); }

 private:
  bool covers_whole_lines(const PlacedLabel& l) const {
    const std::string_view first = text(l.first_line), last = text(l.last_line);
    const std::string_view first_words = trimmed(first), last_words = trimmed(last);
    return !first_words.empty() && l.begin <= static_cast<size_t>(first_words.data() - first.data()) &&
           l.end >= static_cast<size_t>(last_words.data() - last.data()) + last_words.size();
  }

  void add_marks(const PlacedLabel& l) {
    const std::string& words = l.label->text;
    if (l.first_line == l.last_line) {
      add_mark(l.first_line, l.begin, l.end, words, l.primary);
      return;
    }
    const std::string_view last = text(l.last_line);
    const size_t indent = std::min(last.find_first_not_of(" \t"), last.size());
    add_mark(l.first_line, l.begin, static_cast<uint32_t>(text(l.first_line).size()), "", l.primary);
    add_mark(l.last_line, static_cast<uint32_t>(indent), l.end, words, l.primary);
  }

  void add_mark(int line, uint32_t begin, uint32_t end, const std::string& words, bool primary) {
    const std::string_view source = text(line);
    const int from = display_width(source.substr(0, std::min<size_t>(begin, source.size())));
    const int to = display_width(source.substr(0, std::min<size_t>(end, source.size())));
    std::vector<Mark>& marks = lines_[line].marks;
    for (Mark& mark : marks) {
      if (mark.begin != from || mark.end != std::max(to, from + 1)) continue;
      if (!words.empty()) mark.text += (mark.text.empty() ? "" : "; ") + words;
      mark.primary |= primary;
      return;
    }
    marks.push_back({from, std::max(to, from + 1), words, primary});
  }

  const SourceMap& sources_;
  int32_t file_;
  SourceLines lines_;
};

// The columns [from, to) of a line that `printable` made.
std::string columns(const std::string& line, int from, int to) {
  std::string out;
  int column = 0;
  for (size_t i = 0; i < line.size();) {
    const CodePoint c = decode_utf8(line, i);
    if (column >= from && column < to) out += line.substr(i, static_cast<size_t>(c.bytes));
    column += display_width(c.value);
    i += static_cast<size_t>(c.bytes);
  }
  return out;
}

// The rows under a line. Marks that overlap get rows of carets of their own; in each row the text of
// the last mark follows it, and the texts of the others hang below, the rightmost first.
std::vector<std::string> caret_rows(std::vector<Mark> marks, const Painter& paint) {
  std::sort(marks.begin(), marks.end(), [](const Mark& a, const Mark& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::vector<std::string> rows;
  while (!marks.empty()) {
    std::vector<Mark> here, overlapping;
    for (Mark& mark : marks)
      (here.empty() || mark.begin >= here.back().end ? here : overlapping).push_back(std::move(mark));
    std::string row;
    int column = 0;
    for (const Mark& mark : here) {
      row += spaces(mark.begin - column);
      row += paint(mark.primary ? Style::primary : Style::secondary,
                   std::string(static_cast<size_t>(mark.end - mark.begin), '^'));
      column = mark.end;
    }
    const auto text_of = [&](const Mark& mark) {
      return paint(mark.primary ? Style::primary : Style::secondary, printable(mark.text));
    };
    if (!here.back().text.empty()) row += " " + text_of(here.back());
    rows.push_back(std::move(row));
    for (size_t i = here.size() - 1; i-- > 0;)
      if (!here[i].text.empty()) rows.push_back(spaces(here[i].begin) + text_of(here[i]));
    marks = std::move(overlapping);
  }
  return rows;
}

int indent_of(std::string_view line) { return display_width(line.substr(0, line.find_first_not_of(" \t"))); }

void render_excerpt(std::string& out, const Excerpt& excerpt, int number_width, const Painter& paint) {
  int indent = kMaxLineWidth, side_column = 0;
  for (const auto& [number, line] : excerpt.lines()) {
    const std::string_view text = excerpt.text(number);
    if (!trimmed(text).empty()) indent = std::min(indent, indent_of(text));
    for (const Mark& mark : line.marks) indent = std::min(indent, mark.begin);
  }
  for (const auto& [number, line] : excerpt.lines())
    if (!line.side_text.empty())
      side_column = std::max(side_column, std::min(kMaxLineWidth, display_width(excerpt.text(number)) - indent));

  const std::string empty_gutter = paint(Style::gutter, spaces(number_width) + " |");
  for (const auto& [number, line] : excerpt.lines()) {
    const std::string text = printable(excerpt.text(number));
    const int width = display_width(text);
    std::vector<Mark> marks = line.marks;
    int from = indent, to = width;
    std::string before, after;
    if (width - indent > kMaxLineWidth) {
      int first_mark = width;
      for (const Mark& mark : marks) first_mark = std::min(first_mark, mark.begin);
      if (!marks.empty() && first_mark - indent > kMaxLineWidth / 2) {
        from = first_mark - kContextBeforeMark;
        before = "...";
      }
      to = from + kMaxLineWidth;
      if (to < width) after = "...";
      // A mark that begins beyond the cut is shown as one caret under the dots.
      for (Mark& mark : marks) {
        mark.begin = std::min(mark.begin, to);
        mark.end = std::clamp(mark.end, mark.begin + 1, to + 1);
      }
    }
    for (Mark& mark : marks) {
      mark.begin += static_cast<int>(before.size()) - from;
      mark.end += static_cast<int>(before.size()) - from;
    }
    std::string shown = before + columns(text, from, to) + after;
    shown.erase(shown.find_last_not_of(' ') + 1);
    if (!line.side_text.empty())
      shown += spaces(side_column - display_width(shown)) + " " +
               paint(Style::secondary, printable(line.side_text));
    const std::string digits = std::to_string(number);
    out += paint(Style::gutter, digits + spaces(number_width - static_cast<int>(digits.size())) + " |");
    out += (shown.empty() ? "" : " ") + shown + "\n";
    if (marks.empty()) continue;
    for (const std::string& row : caret_rows(std::move(marks), paint)) out += empty_gutter + " " + row + "\n";
  }
}

std::string location_of(const SourceMap& sources, Span span) {
  return printable(sources.file(span.file).path) + ":" +
         std::to_string(sources.position(span.file, span.begin).line);
}

void render_header(std::string& out, const Diagnostic& diagnostic, const SourceMap& sources, const Painter& paint) {
  const bool advice = diagnostic.severity == Severity::advice;
  const std::string message = (advice ? "advice: " : "") + printable(diagnostic.message);
  out += paint(advice ? Style::advice : Style::error, diagnostic.code) + " " + paint(Style::bold, message);
  if (diagnostic.primary.span.valid()) {
    const std::string location = location_of(sources, diagnostic.primary.span);
    const int used = display_width(diagnostic.code) + 1 + display_width(message);
    out += spaces(std::max(3, kHeaderWidth - used - display_width(location)));
    out += paint(Style::gutter, location);
  }
  out += "\n";
}

void render_sources(std::string& out, const Diagnostic& diagnostic, const SourceMap& sources,
                    const Painter& paint) {
  std::vector<int32_t> files;  // the primary's first
  std::map<int32_t, std::vector<PlacedLabel>> labels;
  const auto add = [&](const Label& label, bool primary) {
    if (!label.span.valid()) return;
    const int32_t file = label.span.file;
    if (labels[file].empty()) files.push_back(file);
    labels[file].push_back(place(label, primary, sources));
  };
  add(diagnostic.primary, true);
  for (const Label& label : diagnostic.secondary) add(label, false);

  std::map<int32_t, Excerpt> excerpts;
  int number_width = 1;
  for (int32_t file : files) {
    Excerpt& excerpt = excerpts.emplace(file, Excerpt(sources, file)).first->second;
    excerpt.add(labels[file]);
    const int last = excerpt.lines().rbegin()->first;
    number_width = std::max(number_width, static_cast<int>(std::to_string(last).size()));
  }
  for (int32_t file : files) {
    if (file != diagnostic.primary.span.file)
      out += paint(Style::gutter, "at " + location_of(sources, labels[file].front().label->span)) + "\n";
    render_excerpt(out, excerpts.at(file), number_width, paint);
  }
}

void render_calls(std::string& out, const Diagnostic& diagnostic, const SourceMap& sources) {
  const std::vector<CallSite>& chain = diagnostic.chain;
  for (size_t i = 0; i < chain.size(); ++i) {
    if (chain.size() > kMaxCalls && i == kMaxCalls / 2) {
      const size_t skipped = chain.size() - kMaxCalls;
      out += "... " + std::to_string(skipped) + " more calls\n";
      i += skipped;
    }
    out += "in " + printable(chain[i].callee);
    const Span span = chain[i].span;
    if (span.valid() && span.file == diagnostic.primary.span.file) {
      out += ", called at line " + std::to_string(sources.position(span.file, span.begin).line);
    } else if (span.valid()) {
      out += ", called at " + location_of(sources, span);
    }
    out += "\n";
  }
}

// `head: text`, later lines of the text indented below its first.
std::string paragraph(const std::string& head, const std::string& text) {
  std::string out = head;
  size_t begin = 0;
  while (true) {
    const size_t end = text.find('\n', begin);
    out += printable(text.substr(begin, end - begin));
    if (end == std::string::npos) return out;
    out += "\n" + spaces(static_cast<int>(head.size()));
    begin = end + 1;
  }
}

}  // namespace

std::string render_text(const Diagnostic& diagnostic, const SourceMap& sources, bool color) {
  const Painter paint(color);
  std::string out;
  render_header(out, diagnostic, sources, paint);
  render_sources(out, diagnostic, sources, paint);
  render_calls(out, diagnostic, sources);
  for (const std::string& note : diagnostic.notes) out += paragraph("note: ", note) + "\n";
  for (const Fix& fix : diagnostic.fixes) {
    out += paint(Style::fix, paragraph("fix: ", fix.text));
    if (!fix.effect.empty()) out += "   " + printable(fix.effect);
    out += "\n";
  }
  return out;
}

}  // namespace netc
