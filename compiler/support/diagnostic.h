// Diagnostics: the messages that the user of `.net` sees (docs/language.md shows the layout).
//
// A Diagnostic is data; `render_text` and `render_json` print it. Passes that can go on after an
// error put diagnostics into a DiagnosticSink; what cannot go on throws CompileError with one.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "compiler/support/source.h"

namespace netc {

enum class Severity : uint8_t { error, advice };

struct Label {
  Span span;
  std::string text;  // printed after the carets; may be empty
};

// One step of the chain of block calls that led to the error, innermost first.
struct CallSite {
  std::string callee;  // "basic(128)"
  Span span;           // of the call
};

struct TextEdit {
  Span span;           // replaced text; empty range = insertion
  std::string text;
};

struct Fix {
  std::string text;             // "residual(shortcut = project)"
  std::string effect;           // "adds 8,448 parameters", may be empty
  std::vector<TextEdit> edits;  // what a tool can apply; empty where only a person can
};

struct Diagnostic {
  std::string code;  // "E0201"; its page is found by explanation_of(code)
  Severity severity = Severity::error;
  std::string message;
  Label primary;
  std::vector<Label> secondary;
  std::vector<CallSite> chain;
  std::vector<std::string> notes;
  std::vector<Fix> fixes;
};

// As the terminal shows it, with a final newline. `color`: ANSI escapes.
std::string render_text(const Diagnostic& diagnostic, const SourceMap& sources, bool color = false);
// One JSON object on one line, without a newline. Columns in UTF-16 units, as editors count them.
std::string render_json(const Diagnostic& diagnostic, const SourceMap& sources);

class DiagnosticSink {
 public:
  void add(Diagnostic diagnostic);  // an exact repetition (code, span, message) is dropped
  bool has_errors() const { return errors_ > 0; }
  int error_count() const { return errors_; }  // repetitions count: who compares before and after sees that it failed
  const std::vector<Diagnostic>& all() const { return diagnostics_; }

 private:
  std::vector<Diagnostic> diagnostics_;
  int errors_ = 0;
};

// The user's program is wrong. Carries at least one diagnostic of severity error.
class CompileError : public std::exception {
 public:
  explicit CompileError(Diagnostic diagnostic) : diagnostics_{std::move(diagnostic)} {}
  explicit CompileError(std::vector<Diagnostic> diagnostics) : diagnostics_(std::move(diagnostics)) {}
  const std::vector<Diagnostic>& diagnostics() const { return diagnostics_; }
  const char* what() const noexcept override { return diagnostics_.front().message.c_str(); }

 private:
  std::vector<Diagnostic> diagnostics_;
};

// The page that `netc explain CODE` prints: what it means, a wrong program, a right one.
// nullopt for an unknown code. `all_codes` lists every code, sorted.
std::optional<std::string> explanation_of(const std::string& code);
std::vector<std::string> all_codes();

// The candidate nearest to `word` by edit distance, if near enough to suggest ("conv2d" -> "conv").
std::optional<std::string> nearest(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace netc
