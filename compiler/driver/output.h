// What the command prints and where: results to stdout; progress, messages and errors to stderr.
//
// Colour and the moving progress line appear on a terminal only, and never with NO_COLOR.
#pragma once

#include <string>
#include <vector>

#include "compiler/driver/options.h"
#include "compiler/sema/project.h"

namespace netc {

class Output {
 public:
  explicit Output(const OutputOptions& options);

  bool json() const { return options_.json; }
  bool quiet() const { return options_.quiet; }

  // A result. `text` ends with a newline. THROWS RuntimeError E0604 where it cannot be written.
  void result(const std::string& text) const;
  // What a person likes to know; nothing with --quiet.
  void note(const std::string& text) const;
  // Replaces the line written by the last call; nothing with --quiet or off a terminal.
  void progress(const std::string& line);
  // Ends the progress line, so that what follows starts on its own.
  void end_progress();
  bool animates() const { return animates_; }

  void diagnostics(const std::vector<Diagnostic>& list, const SourceMap& sources);
  void diagnostic(const Diagnostic& diagnostic, const SourceMap& sources);

 private:
  OutputOptions options_;
  bool color_ = false, animates_ = false;
  size_t progress_width_ = 0;
};

// Right-aligned numbers, left-aligned text: rows of cells as lines of a table.
class Table {
 public:
  enum class Align : uint8_t { left, right };
  explicit Table(std::vector<std::pair<std::string, Align>> columns);
  void add(std::vector<std::string> cells);
  std::string text() const;

 private:
  std::vector<std::pair<std::string, Align>> columns_;
  std::vector<std::vector<std::string>> rows_;
};

std::string commas(int64_t value);       // 25557032 -> "25,557,032"
std::string byte_text(int64_t bytes);    // 102228128 -> "97.5 MiB"
std::string duration_text(double seconds);  // 75 -> "1:15"

}  // namespace netc
