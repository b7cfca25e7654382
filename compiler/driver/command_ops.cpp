// netc ops: the primitive operators, as the registry defines them.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "compiler/base/error.h"
#include "compiler/driver/commands.h"
#include "compiler/ops/registry.h"

namespace netc {
namespace {

using Json = nlohmann::ordered_json;

const char* type_name(AttrType type) {
  switch (type) {
    case AttrType::integer: return "int";
    case AttrType::real: return "float";
    case AttrType::boolean: return "bool";
    case AttrType::text: return "string";
    case AttrType::ints: return "[int]";
  }
  return "?";
}

const char* defined_by(const OpDef& op) {
  if (op.scalar) return "scalar expressions";
  if (op.contract) return "a contraction";
  if (op.decompose) return "other operators";
  return "a leaf of the graph";
}

std::string signature(const OpDef& op) {
  std::string text = op.name + "(";
  bool first = true;
  const auto item = [&](const std::string& word) {
    text += (first ? "" : ", ") + word;
    first = false;
  };
  for (const InputDef& input : op.inputs) item(input.name + (input.optional ? "?" : "") + (input.variadic ? "..." : ""));
  for (const AttrDef& attr : op.attrs)
    item(attr.fallback ? attr.name + " = " + to_string(*attr.fallback) : attr.name + ": " + type_name(attr.type));
  return text + ")";
}

std::string describe(const OpDef& op) {
  std::string text = signature(op) + "\n\n" + op.doc + "\n";
  for (const InputDef& input : op.inputs)
    text += fmt::format("  {:<14} {}{}\n", input.name, input.doc, input.optional ? " (optional)" : "");
  for (const AttrDef& attr : op.attrs) text += fmt::format("  {:<14} {}: {}\n", attr.name, type_name(attr.type), attr.doc);
  text += "outputs: ";
  for (size_t i = 0; i < op.outputs.size(); ++i) text += (i ? ", " : "") + op.outputs[i];
  text += fmt::format("\ndefined by {}; {}\n", defined_by(op),
                      op.vjp ? "differentiable" : "not differentiable: " + op.no_gradient);
  return text;
}

Json to_json(const OpDef& op) {
  Json inputs = Json::array(), attrs = Json::array();
  for (const InputDef& input : op.inputs)
    inputs.push_back({{"name", input.name}, {"doc", input.doc}, {"optional", input.optional}, {"variadic", input.variadic}});
  for (const AttrDef& attr : op.attrs)
    attrs.push_back({{"name", attr.name},
                     {"type", type_name(attr.type)},
                     {"default", attr.fallback ? Json(to_string(*attr.fallback)) : Json()},
                     {"doc", attr.doc}});
  return {{"name", op.name}, {"doc", op.doc}, {"inputs", inputs}, {"outputs", op.outputs}, {"attributes", attrs},
          {"differentiable", op.vjp != nullptr}, {"defined_by", defined_by(op)}};
}

}  // namespace

int run(const OpsCommand& options, Environment& environment) {
  if (!options.name.empty()) {
    const OpDef* op = find_op(options.name);
    if (!op) {
      std::vector<std::string> names;
      for (const OpDef* candidate : all_ops()) names.push_back(candidate->name);
      throw RuntimeError("E0924", fmt::format("there is no operator `{}`", options.name),
                         nearest(options.name, names).value_or("netc ops lists them"));
    }
    environment.output.result(environment.output.json() ? to_json(*op).dump(2) + "\n" : describe(*op));
    return kExitOk;
  }
  if (environment.output.json()) {
    Json list = Json::array();
    for (const OpDef* op : all_ops()) list.push_back(to_json(*op));
    environment.output.result(list.dump(2) + "\n");
    return kExitOk;
  }
  Table table({{"operator", Table::Align::left}, {"what it computes", Table::Align::left}});
  for (const OpDef* op : all_ops()) table.add({op->name, op->doc.substr(0, op->doc.find('\n'))});
  environment.output.result(table.text());
  return kExitOk;
}

}  // namespace netc
