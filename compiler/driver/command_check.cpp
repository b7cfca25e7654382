// netc check: errors and advice, without compiling.
#include <fmt/format.h>

#include "compiler/driver/commands.h"
#include "compiler/passes/differentiate.h"
#include "compiler/sema/project.h"
#include "compiler/sema/sema.h"

namespace netc {
namespace {

bool declares_nothing(Project& project, const std::string& reference) {
  DiagnosticSink ignored;
  const Module* module = project.load(parse_reference(reference).module, ignored);
  return module && module->ast.declarations.empty();
}

// What is found only where a training's gradients are taken: an operator that has none.
void check_gradients(Project& project, const std::string& reference, const ElaborateConfig& config, DiagnosticSink& sink) {
  DiagnosticSink said_before;
  const Reference parts = parse_reference(reference);
  std::vector<std::string> trains;
  if (const std::optional<Listing> declared = list_declarations(project, parts.module, said_before)) trains = declared->trains;
  for (const std::string& train : trains) {
    if (!parts.name.empty() && parts.name != train) continue;
    ElaborateConfig training = config;
    training.purpose = Purpose::train;
    training.advice = false;
    const std::optional<ElaboratedNetwork> network = elaborate(project, parts.module + ":" + train, training, said_before);
    if (!network || !network->members.empty()) continue;  // the members of an ensemble are trained one by one
    try {
      differentiate(network->graph, "loss");
    } catch (const CompileError& error) {
      for (const Diagnostic& d : error.diagnostics()) sink.add(d);
    }
  }
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
    if (check(environment.project, reference, config, sink)) check_gradients(environment.project, reference, config, sink);
    const bool passed = !sink.has_errors();
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
