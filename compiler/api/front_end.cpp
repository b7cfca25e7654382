#include "compiler/api/front_end.h"

#include "compiler/base/error.h"

namespace netc {
namespace {

template <class T>
T unwrap(std::optional<T> value, const DiagnosticSink& sink) {
  if (value && !sink.has_errors()) return *std::move(value);
  std::vector<Diagnostic> errors;
  for (const Diagnostic& d : sink.all())
    if (d.severity == Severity::error) errors.push_back(d);
  NETC_CHECK(!errors.empty(), "the front end failed without a diagnostic");
  throw CompileError(std::move(errors));
}

ElaborateConfig config_of(const NetworkRequest& request, Purpose purpose, int64_t batch) {
  ElaborateConfig config;
  config.purpose = purpose;
  config.batch = batch;
  config.set = request.set;
  config.advice = false;
  config.raw_input = request.raw_input;
  config.augmented = request.augmented;
  config.input_only = request.input_only;
  config.without_loss = request.without_loss;
  return config;
}

}  // namespace

ElaboratedNetwork elaborate_network(Project& project, const NetworkRequest& request, Purpose purpose, int64_t batch) {
  DiagnosticSink sink;
  return unwrap(elaborate(project, request.reference, config_of(request, purpose, batch), sink), sink);
}

ElaboratedNetwork elaborate_network(Project& project, const NetworkRequest& request, const Recipe& recipe,
                                    Purpose purpose, int64_t batch) {
  DiagnosticSink sink;
  return unwrap(elaborate(project, request.reference, recipe, config_of(request, purpose, batch), sink), sink);
}

std::vector<InnerNetwork> members_of(Project& project, const NetworkRequest& request) {
  return elaborate_network(project, request, Purpose::predict, 1).members;
}

Recipe find_recipe(Project& project, const std::string& reference) {
  DiagnosticSink sink;
  return unwrap(resolve_recipe(project, reference, sink), sink);
}

}  // namespace netc
