// Text of expressions, loop nests and attributes, for dumps and golden tests.
#include <fmt/format.h>

#include "compiler/base/error.h"
#include "compiler/ir/graph.h"
#include "compiler/ir/loop_nest.h"

namespace netc {
namespace {

std::string list(const Dag& dag, const std::vector<ExprId>& ids) {
  std::string text;
  for (size_t i = 0; i < ids.size(); ++i) text += (i ? ", " : "") + dag.to_string(ids[i]);
  return text;
}

std::string_view index_scalar_name(int64_t which) {
  switch (static_cast<IndexScalar>(which)) {
    case IndexScalar::step: return "step";
    case IndexScalar::valid_count: return "valid_count";
    case IndexScalar::first_sample: return "first_sample";
  }
  return "?";
}

std::string_view real_scalar_name(int64_t which) {
  switch (static_cast<RealScalar>(which)) {
    case RealScalar::learning_rate: return "learning_rate";
    case RealScalar::loss_scale: return "loss_scale";
  }
  return "?";
}

std::string_view reduce_name(ReduceKind kind) {
  switch (kind) {
    case ReduceKind::sum: return "sum";
    case ReduceKind::max: return "max";
    case ReduceKind::min: return "min";
    case ReduceKind::argmax: return "argmax";
  }
  return "?";
}

}  // namespace

std::string Dag::to_string(ExprId root) const {
  const Expr& e = (*this)[root];
  auto arg = [&](int i) { return to_string(e.args[static_cast<size_t>(i)]); };
  auto infix = [&](const char* sign) { return "(" + arg(0) + " " + sign + " " + arg(1) + ")"; };
  auto call = [&](const char* name) {
    std::string text = std::string(name) + "(";
    for (int i = 0; i < 3 && e.args[static_cast<size_t>(i)] != kNoExpr; ++i) text += (i ? ", " : "") + arg(i);
    return text + ")";
  };
  switch (e.kind) {
    case ExprKind::axis: return fmt::format("a{}", e.integer);
    case ExprKind::index_constant: return fmt::format("{}", e.integer);
    case ExprKind::index_add: return infix("+");
    case ExprKind::index_sub: return infix("-");
    case ExprKind::index_mul: return infix("*");
    case ExprKind::index_floor_div: return fmt::format("({} div {})", arg(0), e.integer);
    case ExprKind::index_floor_mod: return fmt::format("({} mod {})", arg(0), e.integer);
    case ExprKind::index_min: return call("imin");
    case ExprKind::index_max: return call("imax");
    case ExprKind::index_scalar: return std::string(index_scalar_name(e.integer));
    case ExprKind::index_load: return fmt::format("iload{}[{}]", e.integer, list(*this, e.indices));
    case ExprKind::index_floor: return call("ifloor");
    case ExprKind::index_select: return call("iselect");
    case ExprKind::index_less: return infix("<");
    case ExprKind::index_equal: return infix("==");
    case ExprKind::real_less: return infix("<.");
    case ExprKind::real_less_equal: return infix("<=.");
    case ExprKind::real_equal: return infix("==.");
    case ExprKind::logical_and: return infix("and");
    case ExprKind::logical_or: return infix("or");
    case ExprKind::logical_not: return call("not");
    case ExprKind::real_constant: return fmt::format("{}", e.real);
    case ExprKind::real_scalar: return std::string(real_scalar_name(e.integer));
    case ExprKind::load:
      return fmt::format("in{}[{}]", e.integer, list(*this, e.indices)) +
             (e.args[0] == kNoExpr ? "" : fmt::format(" if {}", arg(0)));
    case ExprKind::reduced: return fmt::format("reduced{}", e.integer);
    case ExprKind::from_index: return call("real");
    case ExprKind::add: return infix("+.");
    case ExprKind::sub: return infix("-.");
    case ExprKind::mul: return infix("*.");
    case ExprKind::div: return infix("/.");
    case ExprKind::neg: return call("neg");
    case ExprKind::min: return call("min");
    case ExprKind::max: return call("max");
    case ExprKind::abs: return call("abs");
    case ExprKind::exp: return call("exp");
    case ExprKind::log: return call("log");
    case ExprKind::sqrt: return call("sqrt");
    case ExprKind::tanh: return call("tanh");
    case ExprKind::erf: return call("erf");
    case ExprKind::floor: return call("floor");
    case ExprKind::round_tf32: return call("tf32");
    case ExprKind::select: return call("select");
    case ExprKind::cast: return fmt::format("{}({})", name_of(e.dtype), arg(0));
    case ExprKind::uniform: return fmt::format("uniform({:#010x}, {}, {})", e.integer, arg(0), arg(1));
  }
  throw InternalError("unknown expression kind");
}

std::string to_string(const LoopNest& nest) {
  std::string text = "for";
  for (int i = 0; i < nest.parallel; ++i) text += fmt::format(" a{} < {}", i, nest.extents[static_cast<size_t>(i)]);
  text += "\n";
  if (nest.parallel < static_cast<int>(nest.extents.size())) {
    text += "  reduce";
    for (size_t i = static_cast<size_t>(nest.parallel); i < nest.extents.size(); ++i)
      text += fmt::format(" a{} < {}", i, nest.extents[i]);
    text += "\n";
  }
  for (size_t i = 0; i < nest.reductions.size(); ++i)
    text += fmt::format("    reduced{} = {} {}\n", i, reduce_name(nest.reductions[i].kind),
                        nest.dag.to_string(nest.reductions[i].body));
  for (const Store& store : nest.stores)
    text += fmt::format("  out{} = {}\n", store.output, nest.dag.to_string(store.value));
  return text;
}

std::string to_string(const Attr& attr) {
  struct Printer {
    std::string operator()(int64_t v) const { return fmt::format("{}", v); }
    std::string operator()(double v) const {
      std::string text = fmt::format("{}", v);  // shortest text that reads back as the same double
      return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
    }
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(const std::string& v) const {
      std::string text = "\"";
      for (char c : v) text += (c == '"' || c == '\\') ? std::string("\\") + c : std::string(1, c);
      return text + "\"";
    }
    std::string operator()(const Ints& v) const { return netc::to_string(Shape(v)); }
  };
  return std::visit(Printer{}, attr);
}

}  // namespace netc
