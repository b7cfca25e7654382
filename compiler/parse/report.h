// Where the stages of parsing put what they find, until it can be sorted by position.
#pragma once

#include <set>
#include <utility>

#include "compiler/support/diagnostic.h"

namespace netc::syntax {

class Report {
 public:
  Report(const SourceMap& sources, int32_t file, int max_errors)
      : sources_(sources), file_(file), max_errors_(max_errors) {}

  const SourceMap& sources() const { return sources_; }
  int32_t file() const { return file_; }
  std::string_view text(Span span) const { return sources_.text(span); }
  int line(uint32_t offset) const { return sources_.position(file_, offset).line; }

  void add(Diagnostic diagnostic) {
    if (full()) return stop();
    lines_.insert(line(diagnostic.primary.span.begin));
    diagnostics_.push_back(std::move(diagnostic));
  }
  // For damage that shows in two places: no second message about that line.
  void mark_line(uint32_t offset) { lines_.insert(line(offset)); }
  bool has_line(uint32_t offset) const { return lines_.count(line(offset)) > 0; }
  void stop() { stopped_ = true; }  // there were more errors than max_errors
  bool full() const { return static_cast<int>(diagnostics_.size()) >= max_errors_; }
  bool empty() const { return diagnostics_.empty(); }

  // In textual order; then, if there were more than max_errors, a last one that says so.
  void flush(DiagnosticSink& sink);

 private:
  const SourceMap& sources_;
  int32_t file_;
  int max_errors_;
  bool stopped_ = false;
  std::set<int> lines_;
  std::vector<Diagnostic> diagnostics_;
};

Diagnostic error(std::string code, std::string message, Span span, std::string label = {});
// A fix that replaces `span` by `text`; shown as `shown`.
Fix replacement(Span span, std::string text, std::string shown);

}  // namespace netc::syntax
