#include "compiler/sema/recipes.h"

namespace netc {
namespace {

void refuse(Span span, DiagnosticSink& sink) {
  Diagnostic d;
  d.code = "E0506";
  d.message = "training declarations are not elaborated yet";
  d.primary.span = span;
  sink.add(std::move(d));
}

}  // namespace

std::optional<TrainedNetwork> find_trained_network(Project&, const Module&, const TrainDecl& train, DiagnosticSink& sink) {
  refuse(train.name.span, sink);
  return std::nullopt;
}
std::optional<Recipe> build_recipe(Project&, const Module&, const TrainDecl& train, DiagnosticSink& sink) {
  refuse(train.name.span, sink);
  return std::nullopt;
}
void check_configurations(Project&, const Module&, DiagnosticSink&) {}

}  // namespace netc
