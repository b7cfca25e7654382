// netc check: errors and advice, without compiling.
#include <fmt/format.h>

#include "compiler/driver/commands.h"
#include "compiler/sema/project.h"
#include "compiler/sema/sema.h"

namespace netc {
namespace {

bool declares_nothing(Project& project, const std::string& reference) {
  DiagnosticSink ignored;
  const Module* module = project.load(parse_reference(reference).module, ignored);
  return module && module->ast.declarations.empty();
}

}  // namespace

int run(const CheckCommand& options, Environment& environment) {
  Output& output = environment.output;
  ElaborateConfig config;
  config.set = options.set;
  config.advice = options.advice;
  bool good = true;
  std::string json;
  for (const std::string& reference : options.references) {
    DiagnosticSink sink;
    const bool passed = check(environment.project, reference, config, sink) && !sink.has_errors();
    good = good && passed;
    if (output.json()) {
      for (const Diagnostic& d : sink.all()) json += (json.empty() ? "" : ", ") + render_json(d, environment.project.sources());
      continue;
    }
    output.diagnostics(sink.all(), environment.project.sources());
    if (passed) output.note(fmt::format("{}: no errors{}\n", reference, declares_nothing(environment.project, reference) ? ", it declares nothing" : ""));
  }
  if (output.json()) output.result(fmt::format("{{\"ok\": {}, \"diagnostics\": [{}]}}\n", good, json));
  return good ? kExitOk : kExitProgram;
}

}  // namespace netc
