#include "compiler/driver/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "compiler/base/error.h"
#include "compiler/support/unicode.h"

namespace netc {

Output::Output(const OutputOptions& options) : options_(options) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool terminal = isatty(STDERR_FILENO) && !(term && std::string(term) == "dumb");
  color_ = terminal && !(no_color && *no_color);
  animates_ = terminal && !options.quiet && !options.json;
}

void Output::result(const std::string& text) const {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (written || errno == EPIPE) return;  // a reader that has seen enough, as in `netc … | head`, is no error of ours
  throw RuntimeError("E0604", std::string("cannot write the results to the standard output: ") + std::strerror(errno));
}

void Output::note(const std::string& text) const {
  if (options_.quiet || options_.json) return;
  std::fwrite(text.data(), 1, text.size(), stderr);
}

void Output::progress(const std::string& line) {
  if (!animates_) return;
  const auto width = static_cast<size_t>(display_width(line));
  std::string text = "\r";
  text += line;
  if (width < progress_width_) text.append(progress_width_ - width, ' ');
  progress_width_ = width;
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

void Output::end_progress() {
  if (progress_width_ > 0) std::fputc('\n', stderr);
  progress_width_ = 0;
}

void Output::diagnostic(const Diagnostic& diagnostic, const SourceMap& sources) {
  end_progress();
  const std::string text = options_.json_errors ? render_json(diagnostic, sources) + "\n"
                                                : render_text(diagnostic, sources, color_);
  std::fwrite(text.data(), 1, text.size(), stderr);
}

void Output::diagnostics(const std::vector<Diagnostic>& list, const SourceMap& sources) {
  bool first = true;
  for (const Diagnostic& d : list) {
    if (!first && !options_.json_errors) std::fputc('\n', stderr);
    diagnostic(d, sources);
    first = false;
  }
}

Table::Table(std::vector<std::pair<std::string, Align>> columns) : columns_(std::move(columns)) {}

void Table::add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

std::string Table::text() const {
  std::vector<size_t> widths;
  for (const auto& [name, align] : columns_) widths.push_back(static_cast<size_t>(display_width(name)));
  for (const auto& row : rows_)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], static_cast<size_t>(display_width(row[i])));

  std::string out;
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (size_t i = 0; i < cells.size(); ++i) {
      const size_t fill = widths[i] - static_cast<size_t>(display_width(cells[i]));
      if (i > 0) text += "  ";
      if (columns_[i].second == Align::right) text.append(fill, ' ');
      text += cells[i];
      if (columns_[i].second == Align::left) text.append(fill, ' ');
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  };
  std::vector<std::string> head;
  for (const auto& [name, align] : columns_) head.push_back(name);
  line(head);
  for (const auto& row : rows_) line(row);
  return out;
}

std::string commas(int64_t value) {
  std::string digits = std::to_string(value);
  for (auto at = static_cast<int64_t>(digits.size()) - 3; at > (value < 0 ? 1 : 0); at -= 3)
    digits.insert(static_cast<size_t>(at), 1, ',');
  return digits;
}

std::string byte_text(int64_t bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (std::abs(value) >= 1024 && unit < 5) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

std::string duration_text(double seconds) {
  if (!(seconds >= 0 && seconds < 1e9)) return "-";
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace netc
