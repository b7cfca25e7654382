#include "tests/sema/elaborate_text.h"

#include <stdexcept>

namespace netc {
namespace {

ElaboratedNetwork finish(std::optional<ElaboratedNetwork> net, const DiagnosticSink& sink, const SourceMap& sources) {
  if (net) return std::move(*net);
  std::string text;
  for (const Diagnostic& d : sink.all()) text += render_text(d, sources);
  throw std::runtime_error("the program is wrong:\n" + text);
}

}  // namespace

ElaboratedNetwork elaborate_text(const std::string& text, const ElaborateConfig& config, const std::string& name) {
  Project project;
  DiagnosticSink sink;
  // The leading newline of a raw string is not the program's.
  project.load_text("test.net", text.starts_with("\n") ? text.substr(1) : text, sink);
  return finish(elaborate(project, name.empty() ? "test.net" : "test.net:" + name, config, sink), sink, project.sources());
}

ElaboratedNetwork elaborate_reference(const std::string& reference, const ElaborateConfig& config) {
  Project project;
  DiagnosticSink sink;
  return finish(elaborate(project, reference, config, sink), sink, project.sources());
}

int64_t parameter_count(const ElaboratedNetwork& net) {
  int64_t count = 0;
  for (const StateVariable& state : net.graph.states)
    if (state.kind == StateKind::parameter) count += state.type.elements();
  return count;
}

std::string paths(const ElaboratedNetwork& net) {
  std::string text;
  for (const StateVariable& state : net.graph.states) text += (text.empty() ? "" : " ") + state.path;
  return text;
}

}  // namespace netc
