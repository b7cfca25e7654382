// UTF-8 as a terminal and an editor see it.
//
// Source text may be any bytes. What is not valid UTF-8, and what would move the cursor or change
// a terminal's state (control characters, bidirectional overrides), is shown as U+FFFD.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace netc {

struct CodePoint {
  char32_t value = 0;
  int bytes = 1;      // how many were read; 1 for an invalid byte
  bool valid = true;  // false: not UTF-8
};

// The code point at text[offset]. REQUIRES: offset < text.size().
CodePoint decode_utf8(std::string_view text, size_t offset);

// Terminal columns: 0 for combining marks, 2 for East Asian wide characters and emoji, else 1.
int display_width(char32_t code_point);

// A line of source prepared for a terminal: tabs go to the next multiple of kTabWidth.
inline constexpr int kTabWidth = 4;
int display_width(std::string_view text);  // where the text after `text` starts, in columns from 0
std::string printable(std::string_view text);

// How many UTF-16 units the text has.
int utf16_length(std::string_view text);

}  // namespace netc
