// Line tables are made once, when a file is added, so that every later query is a binary search.
#include "compiler/support/source.h"

#include <algorithm>

namespace netc {

Span join(Span a, Span b) {
  if (!a.valid()) return b;
  if (!b.valid() || a.file != b.file) return a;
  return {a.file, std::min(a.begin, b.begin), std::max(a.end, b.end)};
}

int32_t SourceMap::add(std::string path, std::string text, bool is_stdlib) {
  SourceFile file{std::move(path), std::move(text), is_stdlib, {0}};
  for (size_t i = 0; i < file.text.size(); ++i) {
    const bool lone_return = file.text[i] == '\r' && (i + 1 == file.text.size() || file.text[i + 1] != '\n');
    if (file.text[i] == '\n' || lone_return) file.line_starts.push_back(static_cast<uint32_t>(i + 1));
  }
  files_.push_back(std::move(file));
  return size() - 1;
}

LineColumn SourceMap::position(int32_t id, uint32_t offset) const {
  const std::vector<uint32_t>& starts = file(id).line_starts;
  const auto after = std::upper_bound(starts.begin(), starts.end(), offset);
  const auto line = after - starts.begin();  // >= 1, because starts[0] is 0
  return {static_cast<int>(line), static_cast<int>(offset - starts[static_cast<size_t>(line - 1)]) + 1};
}

std::string_view SourceMap::line_text(int32_t id, int line) const {
  const SourceFile& source = file(id);
  if (line < 1 || static_cast<size_t>(line) > source.line_starts.size()) return {};
  const size_t begin = source.line_starts[static_cast<size_t>(line - 1)];
  const size_t end = std::min(source.text.find_first_of("\r\n", begin), source.text.size());
  return std::string_view(source.text).substr(begin, end - begin);
}

std::string_view SourceMap::text(Span span) const {
  if (!span.valid()) return {};
  const std::string_view all = file(span.file).text;
  const size_t begin = std::min<size_t>(span.begin, all.size());
  const size_t end = std::clamp<size_t>(span.end, begin, all.size());
  return all.substr(begin, end - begin);
}

}  // namespace netc
