#include "compiler/support/unicode.h"

#include <algorithm>
#include <iterator>

namespace netc {
namespace {

struct Interval {
  char32_t first, last;
};

// Unicode 15: the main blocks of combining marks and format characters, and of wide characters.
constexpr Interval kZeroWidth[] = {{0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x0610, 0x061A},
                                   {0x064B, 0x065F}, {0x093C, 0x093C}, {0x0941, 0x0948}, {0x0E34, 0x0E3A},
                                   {0x0E47, 0x0E4E}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200D},
                                   {0x2060, 0x2060}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F},
                                   {0xE0100, 0xE01EF}};
constexpr Interval kWide[] = {{0x1100, 0x115F},   {0x231A, 0x231B},   {0x2329, 0x232A},   {0x23E9, 0x23EC},
                              {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},
                              {0xA000, 0xA4CF},   {0xA960, 0xA97F},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
                              {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},   {0x1F300, 0x1F64F},
                              {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};

template <size_t N>
bool contains(const Interval (&table)[N], char32_t c) {
  const Interval* after = std::upper_bound(std::begin(table), std::end(table), c,
                                           [](char32_t value, const Interval& i) { return value < i.first; });
  return after != std::begin(table) && c <= std::prev(after)->last;
}

bool is_control(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) ||
         (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

// Calls visit(code_point, bytes of text, column) for each code point.
template <class Visit>
int walk(std::string_view text, Visit visit) {
  int column = 0;
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = decode_utf8(text, i);
    const bool shown = c.valid && !is_control(c.value);
    const int width = c.value == '\t' ? kTabWidth - column % kTabWidth : shown ? display_width(c.value) : 1;
    visit(c, text.substr(i, static_cast<size_t>(c.bytes)), width, shown);
    column += width;
    i += static_cast<size_t>(c.bytes);
  }
  return column;
}

}  // namespace

CodePoint decode_utf8(std::string_view text, size_t offset) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(offset);
  if (lead < 0x80) return {lead, 1, true};
  const int length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || offset + static_cast<size_t>(length) > text.size()) return {lead, 1, false};
  char32_t value = lead & (0xFFu >> (length + 1));
  for (int i = 1; i < length; ++i) {
    const unsigned char next = byte(offset + static_cast<size_t>(i));
    if ((next & 0xC0u) != 0x80u) return {lead, 1, false};
    value = value << 6 | (next & 0x3Fu);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kSmallest[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
    return {lead, 1, false};
  return {value, length, true};
}

int display_width(char32_t code_point) {
  if (code_point < 0x300) return 1;
  if (contains(kZeroWidth, code_point)) return 0;
  return contains(kWide, code_point) ? 2 : 1;
}

int display_width(std::string_view text) {
  return walk(text, [](const CodePoint&, std::string_view, int, bool) {});
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  walk(text, [&](const CodePoint& c, std::string_view bytes, int width, bool shown) {
    if (c.value == '\t') {
      out.append(static_cast<size_t>(width), ' ');
    } else {
      out += shown ? bytes : std::string_view("\xEF\xBF\xBD");
    }
  });
  return out;
}

int utf16_length(std::string_view text) {
  int units = 0;
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = decode_utf8(text, i);
    units += c.valid && c.value >= 0x10000 ? 2 : 1;
    i += static_cast<size_t>(c.bytes);
  }
  return units;
}

}  // namespace netc
