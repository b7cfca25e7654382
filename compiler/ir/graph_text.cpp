// The text form of a Graph. One statement a line:
//
//   state 0: f32[8, 4] parameter "fc.weight" uniform(-0.5, 0.5)
//   %0: f32[2, 4] = input() {name = "x"}
//   %1: f32[8, 4] = state() {index = 0}
//   %2: f32[2, 8] = linear(%0, %1, _)        // fc
//   %3: f32[2, 8], %4: i32[2, 8] = op(%2) {k = 3, sizes = [1, 2]}
//   output "logits" %2
//   update 0 %5
//
// `_` is an absent optional input. What follows `//` behind a node is its path, elsewhere a comment.
#include <fmt/format.h>

#include <cctype>
#include <charconv>

#include "compiler/base/error.h"
#include "compiler/ir/op_def.h"

namespace netc {
namespace {

std::string_view name_of(StateKind kind) {
  switch (kind) {
    case StateKind::parameter: return "parameter";
    case StateKind::buffer: return "buffer";
    case StateKind::gradient: return "gradient";
    case StateKind::moment: return "moment";
    case StateKind::prepared: return "prepared";
  }
  return "?";
}

std::string_view name_of(InitSpec::Kind kind) {
  switch (kind) {
    case InitSpec::Kind::constant: return "constant";
    case InitSpec::Kind::normal: return "normal";
    case InitSpec::Kind::uniform: return "uniform";
    case InitSpec::Kind::truncated_normal: return "truncated_normal";
  }
  return "?";
}

std::string name_of(ValueId id) { return id.valid() ? fmt::format("%{}", id.index) : "_"; }

// Reads one line from left to right.
class LineParser {
 public:
  LineParser(std::string_view line, int number) : rest_(line), number_(number) {}

  [[noreturn]] void fail(const std::string& why) const {
    throw InternalError(fmt::format("graph text, line {}: {} at `{}`", number_, why, rest_));
  }
  void skip_space() {
    while (!rest_.empty() && std::isspace(static_cast<unsigned char>(rest_[0]))) rest_.remove_prefix(1);
  }
  bool at_end() {
    skip_space();
    return rest_.empty() || rest_.substr(0, 2) == "//";
  }
  std::string comment() {
    if (!accept("//")) return {};
    skip_space();
    return std::string(rest_);
  }
  bool accept(std::string_view token) {
    skip_space();
    if (rest_.substr(0, token.size()) != token) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  void expect(std::string_view token) {
    if (!accept(token)) fail(fmt::format("expected `{}`", token));
  }
  std::string word() {
    skip_space();
    size_t n = 0;
    while (n < rest_.size() && (std::isalnum(static_cast<unsigned char>(rest_[n])) || rest_[n] == '_')) ++n;
    if (n == 0) fail("expected a name");
    std::string result(rest_.substr(0, n));
    rest_.remove_prefix(n);
    return result;
  }
  int64_t integer() {
    skip_space();
    int64_t value = 0;
    auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc()) fail("expected an integer");
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    return value;
  }
  double real() {
    skip_space();
    double value = 0;
    auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc()) fail("expected a number");
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    return value;
  }
  std::string quoted() {
    expect("\"");
    std::string result;
    while (!rest_.empty() && rest_[0] != '"') {
      if (rest_[0] == '\\' && rest_.size() > 1) rest_.remove_prefix(1);
      result += rest_[0];
      rest_.remove_prefix(1);
    }
    expect("\"");
    return result;
  }
  Ints ints() {
    Ints result;
    expect("[");
    while (!accept("]")) {
      if (!result.empty()) expect(",");
      result.push_back(integer());
    }
    return result;
  }
  TensorType type() {
    std::optional<DType> dtype = dtype_from_name(word());
    if (!dtype) fail("expected an element type");
    return {*dtype, ints()};
  }
  Attr attr() {
    skip_space();
    if (rest_.empty()) fail("expected a value");
    if (rest_[0] == '"') return quoted();
    if (rest_[0] == '[') return ints();
    if (accept("true")) return true;
    if (accept("false")) return false;
    size_t n = rest_.find_first_of(",} ");
    std::string_view token = rest_.substr(0, n);
    if (token.find_first_of(".en") == std::string_view::npos) return integer();
    return real();
  }

 private:
  std::string_view rest_;
  int number_;
};

class GraphParser {
 public:
  explicit GraphParser(const std::function<const OpDef*(const std::string&)>& find_op) : find_op_(find_op) {}

  void parse_line(LineParser& line) {
    if (line.at_end()) return;
    if (line.accept("state ")) return parse_state(line);
    if (line.accept("output ")) {
      std::string name = line.quoted();
      return builder_.add_output(name, parse_value(line));
    }
    if (line.accept("update ")) {
      int64_t state = line.integer();
      return builder_.add_update(static_cast<int32_t>(state), parse_value(line));
    }
    parse_node(line);
  }
  Graph finish() { return builder_.finish(); }

 private:
  void parse_state(LineParser& line) {
    line.integer();
    line.expect(":");
    StateVariable state;
    state.type = line.type();
    std::string kind = line.word();
    for (StateKind k : {StateKind::parameter, StateKind::buffer, StateKind::gradient, StateKind::moment, StateKind::prepared})
      if (name_of(k) == kind) state.kind = k;
    state.path = line.quoted();
    if (!line.at_end()) {
      std::string init = line.word();
      using Kind = InitSpec::Kind;
      for (Kind k : {Kind::constant, Kind::normal, Kind::uniform, Kind::truncated_normal})
        if (name_of(k) == init) state.init.kind = k;
      line.expect("(");
      state.init.a = line.real();
      line.expect(",");
      state.init.b = line.real();
      line.expect(")");
    }
    builder_.declare_state(std::move(state));
  }

  ValueId parse_value(LineParser& line) {
    if (line.accept("_")) return {};
    line.expect("%");
    int64_t number = line.integer();
    auto found = values_.find(number);
    if (found == values_.end()) line.fail(fmt::format("%{} is not defined", number));
    return found->second;
  }

  void parse_node(LineParser& line) {
    std::vector<int64_t> results;
    std::vector<TensorType> types;
    do {
      line.expect("%");
      results.push_back(line.integer());
      line.expect(":");
      types.push_back(line.type());
    } while (line.accept(","));
    line.expect("=");
    std::string name = line.word();
    line.expect("(");
    std::vector<ValueId> inputs;
    while (!line.accept(")")) {
      if (!inputs.empty()) line.expect(",");
      inputs.push_back(parse_value(line));
    }
    Attrs attrs;
    if (line.accept("{")) {
      while (!line.accept("}")) {
        if (!attrs.all().empty()) line.expect(",");
        std::string key = line.word();
        line.expect("=");
        attrs.set(key, line.attr());
      }
    }
    builder_.set_origin({line.comment(), {}, {}});
    std::vector<ValueId> outputs = emit(line, name, inputs, attrs, types);
    if (outputs.size() != results.size()) line.fail("another number of results");
    for (size_t i = 0; i < results.size(); ++i) {
      if (builder_.type(outputs[i]) != types[i])
        line.fail(fmt::format("{} gives {}", name, to_string(builder_.type(outputs[i]))));
      values_[results[i]] = outputs[i];
    }
  }

  std::vector<ValueId> emit(const LineParser& line, const std::string& name, const std::vector<ValueId>& inputs,
                            const Attrs& attrs, const std::vector<TensorType>& types) {
    if (name == "input") return {builder_.add_input(attrs.text("name"), types[0])};
    if (name == "state") return {builder_.read_state(static_cast<int32_t>(attrs.integer("index")))};
    if (name == "constant") return {builder_.constant(attrs.real("value"), types[0])};
    const OpDef* op = find_op_(name);
    if (!op) line.fail("no operator " + name);
    return builder_.emit_all(*op, inputs, attrs);
  }

  const std::function<const OpDef*(const std::string&)>& find_op_;
  Builder builder_;
  std::map<int64_t, ValueId> values_;
};

}  // namespace

std::string to_string(const Graph& graph) {
  std::string text;
  for (size_t i = 0; i < graph.states.size(); ++i) {
    const StateVariable& s = graph.states[i];
    text += fmt::format("state {}: {} {} \"{}\" {}({}, {})\n", i, to_string(s.type), name_of(s.kind), s.path,
                        name_of(s.init.kind), s.init.a, s.init.b);
  }
  for (const Node& node : graph.nodes) {
    std::string line;
    for (ValueId output : node.outputs)
      line += (line.empty() ? "" : ", ") + name_of(output) + ": " + to_string(graph.type(output));
    line += " = " + node.op->name + "(";
    for (size_t i = 0; i < node.inputs.size(); ++i) line += (i ? ", " : "") + name_of(node.inputs[i]);
    line += ")";
    if (!node.attrs.all().empty()) {
      line += " {";
      bool first = true;
      for (const auto& [name, value] : node.attrs.all()) {
        line += (first ? "" : ", ") + name + " = " + to_string(value);
        first = false;
      }
      line += "}";
    }
    if (!node.origin.path.empty()) line += "  // " + node.origin.path;
    text += line + "\n";
  }
  for (const GraphOutput& o : graph.outputs) text += fmt::format("output \"{}\" {}\n", o.name, name_of(o.value));
  for (const StateUpdate& u : graph.updates) text += fmt::format("update {} {}\n", u.state, name_of(u.value));
  return text;
}

Graph parse_graph(const std::string& text, const std::function<const OpDef*(const std::string&)>& find_op) {
  GraphParser parser(find_op);
  size_t begin = 0;
  int number = 1;
  while (begin < text.size()) {
    size_t end = std::min(text.find('\n', begin), text.size());
    LineParser line(std::string_view(text).substr(begin, end - begin), number++);
    parser.parse_line(line);
    begin = end + 1;
  }
  return parser.finish();
}

}  // namespace netc
