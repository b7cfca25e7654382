#include "compiler/ir/op_def.h"

#include "compiler/base/error.h"

namespace netc {
namespace {

const char* name_of(AttrType type) {
  switch (type) {
    case AttrType::integer: return "an integer";
    case AttrType::real: return "a number";
    case AttrType::boolean: return "true or false";
    case AttrType::text: return "a text";
    case AttrType::ints: return "a list of integers";
  }
  return "?";
}

bool has_type(const Attr& attr, AttrType type) {
  switch (type) {
    case AttrType::integer: return std::holds_alternative<int64_t>(attr);
    case AttrType::real: return std::holds_alternative<double>(attr);
    case AttrType::boolean: return std::holds_alternative<bool>(attr);
    case AttrType::text: return std::holds_alternative<std::string>(attr);
    case AttrType::ints: return std::holds_alternative<Ints>(attr);
  }
  return false;
}

template <class T>
const T& get(const std::map<std::string, Attr>& map, const std::string& name) {
  auto found = map.find(name);
  NETC_CHECK(found != map.end(), "no attribute " + name);
  const T* value = std::get_if<T>(&found->second);
  NETC_CHECK(value, "attribute " + name + " has another type");
  return *value;
}

OpDef leaf(const char* name, const char* doc, AttrDef attr) {
  OpDef def;
  def.name = name;
  def.doc = doc;
  def.outputs = {"y"};
  def.attrs = {std::move(attr)};
  def.no_gradient = "a leaf has no inputs";
  def.leaf = true;
  return def;
}

}  // namespace

int64_t Attrs::integer(const std::string& name) const { return get<int64_t>(map_, name); }
double Attrs::real(const std::string& name) const { return get<double>(map_, name); }
bool Attrs::boolean(const std::string& name) const { return get<bool>(map_, name); }
const std::string& Attrs::text(const std::string& name) const { return get<std::string>(map_, name); }
const Ints& Attrs::ints(const std::string& name) const { return get<Ints>(map_, name); }

Attrs complete_attrs(const OpDef& op, const Attrs& attrs) {
  Attrs complete;
  for (const AttrDef& def : op.attrs) {
    auto given = attrs.all().find(def.name);
    if (given != attrs.all().end()) {
      Attr value = given->second;
      if (def.type == AttrType::real && std::holds_alternative<int64_t>(value))
        value = static_cast<double>(std::get<int64_t>(value));
      if (!has_type(value, def.type))
        throw OpError("E0301", "`" + def.name + "` of " + op.name + " must be " + name_of(def.type), def.name);
      complete.set(def.name, value);
    } else if (def.fallback) {
      complete.set(def.name, *def.fallback);
    } else {
      throw OpError("E0105", op.name + " needs `" + def.name + "`", def.name);
    }
  }
  for (const auto& [name, value] : attrs.all())
    if (!complete.has(name)) throw OpError("E0104", "`" + op.name + "` has no argument `" + name + "`", name);
  return complete;
}

OpCall make_call(const Graph& graph, const Node& node) {
  OpCall call{node.attrs, {}, {}, {}};
  for (ValueId input : node.inputs) {
    call.present.push_back(input.valid());
    call.inputs.push_back(input.valid() ? graph.type(input) : TensorType{});
  }
  for (ValueId output : node.outputs) call.outputs.push_back(graph.type(output));
  return call;
}

const OpDef& input_op() {
  static const OpDef def =
      leaf("input", "A tensor that the caller gives.", {"name", AttrType::text, std::nullopt, "the input's name"});
  return def;
}
const OpDef& state_op() {
  static const OpDef def = leaf("state", "The value of a state variable at the beginning of the run.",
                                {"index", AttrType::integer, std::nullopt, "which state variable"});
  return def;
}
const OpDef& constant_op() {
  static const OpDef def = leaf("constant", "A tensor whose elements all equal `value`.",
                                {"value", AttrType::real, std::nullopt, "the value"});
  return def;
}

}  // namespace netc
