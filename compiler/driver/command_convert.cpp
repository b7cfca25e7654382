// netc convert: weights between safetensors, .npz and PyTorch's format.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "compiler/api/convert_weights.h"
#include "compiler/driver/commands.h"
#include "compiler/driver/json_text.h"
#include "compiler/driver/load_report.h"

namespace netc {
namespace {

nlohmann::ordered_json json_of(const ConvertResult& result) {
  nlohmann::ordered_json json = {{"format", result.format}, {"tensors", result.tensors}, {"bytes", result.bytes}};
  json["renamed"] = nlohmann::ordered_json::object();
  for (const auto& [from, to] : result.renamed) json["renamed"][from] = to;
  if (!result.report) return json;
  json["loaded"] = result.report->loaded;
  json["missing"] = result.report->missing;
  json["unexpected"] = result.report->unexpected;
  json["mismatched"] = nlohmann::ordered_json::array();
  for (const TensorMismatch& m : result.report->mismatched)
    json["mismatched"].push_back({{"path", m.path}, {"file", to_string(m.file)}, {"network", to_string(m.network)}});
  return json;
}

}  // namespace

int run(const ConvertCommand& command, Environment& environment) {
  ConvertRequest request{command.input, command.output, command.rename, command.names, {}, command.partial};
  if (!command.network.reference.empty()) request.network = NetworkRequest{command.network.reference, command.network.set};
  const ConvertResult result = convert_weights(environment.project, request);
  Output& output = environment.output;
  if (output.json()) {
    output.result(json_text(json_of(result)));
    return kExitOk;
  }
  std::string text;
  for (const auto& [from, to] : result.renamed) text += fmt::format("{} -> {}\n", from, to);
  output.note(text);
  if (result.report) output.result(load_report(command.input, *result.report, ""));
  output.result(fmt::format("{}: {} tensors, {}\n", command.output, result.tensors, byte_text(result.bytes)));
  return kExitOk;
}

}  // namespace netc
