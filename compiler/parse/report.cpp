#include "compiler/parse/report.h"

#include <algorithm>

namespace netc::syntax {

void Report::flush(DiagnosticSink& sink) {
  std::stable_sort(diagnostics_.begin(), diagnostics_.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return a.primary.span.begin < b.primary.span.begin;
  });
  const bool stopped = stopped_ && !diagnostics_.empty();
  const Span last = stopped ? diagnostics_.back().primary.span : Span{};
  for (Diagnostic& diagnostic : diagnostics_) sink.add(std::move(diagnostic));
  diagnostics_.clear();
  if (stopped)
    sink.add(error("E0033", "too many errors: stopped after " + std::to_string(max_errors_), last));
}

Diagnostic error(std::string code, std::string message, Span span, std::string label) {
  Diagnostic diagnostic;
  diagnostic.code = std::move(code);
  diagnostic.message = std::move(message);
  diagnostic.primary = {span, std::move(label)};
  return diagnostic;
}

Fix replacement(Span span, std::string text, std::string shown) {
  return Fix{std::move(shown), "", {TextEdit{span, std::move(text)}}};
}

}  // namespace netc::syntax
