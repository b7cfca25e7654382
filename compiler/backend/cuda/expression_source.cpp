#include "compiler/backend/cuda/expression_source.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "compiler/base/error.h"

namespace netc {
namespace {

// Whether every offset and axis value of the kernel fits an int, with room for sums.
bool small_indices(const KernelBody& body) {
  constexpr int64_t kSmall = int64_t{1} << 30;
  for (const KernelOperand& o : body.operands)
    if (operand_span(o) >= kSmall) return false;
  return element_count(body.nest.extents) < kSmall;
}

}  // namespace

std::string operand_name(int operand) {
  return "in" + std::to_string(operand);
}
std::string storage_name(DType dtype) {
  return std::string(name_of(dtype));
}

int64_t operand_span(const KernelOperand& operand) {
  int64_t span = 1;
  for (size_t d = 0; d < operand.shape.size(); ++d) span += (operand.shape[d] - 1) * operand.strides[d];
  return span;
}

std::string real_literal(double value) {
  const auto narrow = static_cast<float>(value);
  if (std::isnan(narrow)) return "not_a_number()";
  if (std::isinf(narrow)) return narrow > 0 ? "infinity()" : "-infinity()";
  std::string text = fmt::format("{:.9g}", narrow);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text + "f";
}

ExpressionSource::ExpressionSource(SourceWriter& out, KernelExtents& extents, const KernelBody& body,
                                   IndexAnalysis& analysis, const std::vector<int>& merged)
    : out_(out),
      extents_(extents),
      body_(body),
      dag_(body.nest.dag),
      analysis_(analysis),
      merged_(merged),
      index_type_(small_indices(body) ? "int" : "i64"),
      axes_(body.nest.extents.size(), "0"),
      scopes_(1) {}

std::string ExpressionSource::number(const char* group, int64_t value) {
  return index_type_ == "int" ? extents_.number(group, value) : extents_.wide(group, value);
}

std::string ExpressionSource::divisor(const char* group, int64_t value) {
  return index_type_ == "int" ? extents_.divisor(group, value) : std::to_string(value);
}

// Numbers that formulas are made of stay, so that the compiler may use them; others come from extents and
// options.
std::string ExpressionSource::real(double value) {
  const double size = std::abs(value);
  const bool of_formula =
      size == 0 || size == 0.5 || size == 1 || size == 2 || !std::isfinite(static_cast<float>(value));
  return of_formula || extents_.fixed() ? real_literal(value) : extents_.real("constant", value);
}

std::string ExpressionSource::define(const char* type, ExprId id, const std::string& text) {
  std::string name = "v" + std::to_string(defined_++);
  out_.line(fmt::format("const {} {} = {};", type, name, text));
  scopes_.back()[id] = name;
  return name;
}

std::string ExpressionSource::value(ExprId id) {
  const Expr& e = dag_[id];
  if (e.kind == ExprKind::real_constant) return real(e.real);
  if (e.kind == ExprKind::reduced) return reduced_[static_cast<size_t>(e.integer)];
  if (auto found = neighbours_.find(id); found != neighbours_.end()) return found->second;
  for (const auto& scope : scopes_)
    if (auto found = scope.find(id); found != scope.end()) return found->second;
  switch (e.type) {
    case ExprType::index: {
      const LinearForm& form = analysis_.linear(id);
      const bool is_atom = form.atoms.size() == 1 && form.atoms.begin()->first == id;
      return is_atom ? atom(id) : index(form);
    }
    case ExprType::boolean:
      return define("bool", id, compute(e));
    case ExprType::real:
      return define("f32", id, compute(e));
  }
  throw InternalError("unknown expression type");
}

std::string ExpressionSource::index(const LinearForm& form) {
  std::string text;
  const auto add = [&](const std::string& x, int64_t c) {
    if (x == "0") return;
    const std::string factor =
        std::abs(c) == 1 ? x : fmt::format("{} * {}", x, number("stride", std::abs(c)));
    if (text.empty())
      text = c < 0 ? "-" + factor : factor;
    else
      text += (c < 0 ? " - " : " + ") + factor;
  };
  for (auto [axis, c] : form.axes)
    if (merged_[static_cast<size_t>(axis)] < 0) add(axes_[static_cast<size_t>(axis)], c);
  for (auto [id, c] : form.atoms) add(atom(id), c);
  if (text.empty()) return number("offset", form.constant);
  if (form.constant == 0)
    return text.find(' ') == std::string::npos && text[0] != '-' ? text : "(" + text + ")";
  return fmt::format("({} {} {})", text, form.constant < 0 ? "-" : "+",
                     number("offset", std::abs(form.constant)));
}

std::string ExpressionSource::quotient(const Expr& e, bool remainder) {
  const LinearForm& dividend = analysis_.linear(e.args[0]);
  const std::optional<IndexRange> range = analysis_.range(dividend);
  const std::string x = index(dividend);
  const std::string by = divisor("by", e.integer);
  if (range && range->low >= 0) return fmt::format("{} {} {}", x, remainder ? "%" : "/", by);
  const std::string type = by == std::to_string(e.integer) ? "<" + index_type_ + ">" : "";
  return fmt::format("{}{}({}, {})", remainder ? "floor_mod" : "floor_div", type, x, by);
}

// An index that is not linear: it gets a name.
std::string ExpressionSource::atom(ExprId id) {
  for (const auto& scope : scopes_)
    if (auto found = scope.find(id); found != scope.end()) return found->second;
  const Expr& e = dag_[id];
  const auto arg = [&](int i) { return argument(e, i); };
  std::string text;
  switch (e.kind) {
    case ExprKind::index_mul:
      text = fmt::format("{} * {}", arg(0), arg(1));
      break;
    case ExprKind::index_floor_div:
      text = quotient(e, false);
      break;
    case ExprKind::index_floor_mod:
      text = quotient(e, true);
      break;
    case ExprKind::index_min:
      text = fmt::format("smaller<{}>({}, {})", index_type_, arg(0), arg(1));
      break;
    case ExprKind::index_max:
      text = fmt::format("larger<{}>({}, {})", index_type_, arg(0), arg(1));
      break;
    case ExprKind::index_select:
      text = fmt::format("{} ? {} : {}", arg(0), arg(1), arg(2));
      break;
    case ExprKind::index_load:
      text = load(e, true);
      break;
    case ExprKind::index_floor:
      text = fmt::format("floor_to_index({})", arg(0));
      break;
    case ExprKind::index_scalar:
      switch (static_cast<IndexScalar>(e.integer)) {
        case IndexScalar::step:
          text = "(" + index_type_ + ")scalars->step";
          break;
        case IndexScalar::valid_count:
          text = "(" + index_type_ + ")scalars->valid_count";
          break;
        case IndexScalar::first_sample:
          text = "(" + index_type_ + ")scalars->first_sample";
          break;
      }
      break;
    default:
      throw InternalError("not an index instruction");
  }
  return define(index_type_.c_str(), id, text);
}

// Zero where the guard is false. Indices that come from data are clamped into the operand: a wild one reads a
// wrong element, never a wrong address.
std::string ExpressionSource::load(const Expr& e, bool as_index) {
  const int operand = static_cast<int>(e.integer);
  const KernelOperand& o = body_.operands[static_cast<size_t>(operand)];
  std::string offset;
  const auto add = [&](const std::string& part) {
    if (part != "0") offset += offset.empty() ? part : " + " + part;
  };
  LinearForm known;
  bool clamped = false;
  for (size_t d = 0; d < e.indices.size(); ++d) {
    if (!analysis_.from_data(e.indices[d])) continue;
    clamped = true;
    add(fmt::format("larger<{0}>(0, smaller<{0}>({1}, {2})) * {3}", index_type_, value(e.indices[d]),
                    number("last", o.shape[d] - 1), number("stride", o.strides[d])));
  }
  if (!clamped) {
    add(index(analysis_.offset(operand, e.indices)));
  } else {
    for (size_t d = 0; d < e.indices.size(); ++d) {
      if (analysis_.from_data(e.indices[d]) || o.shape[d] == 1) continue;
      const LinearForm& part = analysis_.linear(e.indices[d]);
      known.constant += part.constant * o.strides[d];
      for (auto [axis, c] : part.axes) known.axes[axis] += c * o.strides[d];
      for (auto [id, c] : part.atoms) known.atoms[id] += c * o.strides[d];
    }
    add(index(known));
  }
  const std::string address =
      offset.empty() ? operand_name(operand) : fmt::format("{} + {}", operand_name(operand), offset);
  const std::string guard = e.args[0] == kNoExpr ? "" : value(e.args[0]);
  std::string text = fmt::format("{}(load({}))", as_index ? "to_index" : "to_f32", address);
  if (!as_index && o.dtype == DType::f32) text = fmt::format("load({})", address);
  return guard.empty() ? text : fmt::format("{} ? {} : {}", guard, text, as_index ? "0" : "0.0f");
}

std::string ExpressionSource::compute(const Expr& e) {
  const auto arg = [&](int i) { return argument(e, i); };
  const auto infix = [&](const char* op) { return fmt::format("{} {} {}", arg(0), op, arg(1)); };
  const auto call = [&](const char* name) {
    return e.args[1] == kNoExpr ? fmt::format("{}({})", name, arg(0))
                                : fmt::format("{}({}, {})", name, arg(0), arg(1));
  };
  switch (e.kind) {
    case ExprKind::index_less:
    case ExprKind::real_less:
      return infix("<");
    case ExprKind::real_less_equal:
      return infix("<=");
    case ExprKind::index_equal:
    case ExprKind::real_equal:
      return infix("==");
    case ExprKind::logical_and:
      return infix("&&");
    case ExprKind::logical_or:
      return infix("||");
    case ExprKind::logical_not:
      return "!" + arg(0);
    case ExprKind::real_scalar:
      return static_cast<RealScalar>(e.integer) == RealScalar::learning_rate ? "scalars->learning_rate"
                                                                             : "scalars->loss_scale";
    case ExprKind::load:
      return load(e, false);
    case ExprKind::from_index:
      return "(f32)(" + arg(0) + ")";
    case ExprKind::add:
      return infix("+");
    case ExprKind::sub:
      return infix("-");
    case ExprKind::mul:
      return infix("*");
    case ExprKind::div:
      return infix("/");
    case ExprKind::neg:
      return "-(" + arg(0) + ")";
    case ExprKind::min:
      return call("min_nan");
    case ExprKind::max:
      return call("max_nan");
    case ExprKind::abs:
      return call("fabsf");
    case ExprKind::exp:
      return call("expf");
    case ExprKind::log:
      return call("logf");
    case ExprKind::sqrt:
      return call("sqrtf");
    case ExprKind::tanh:
      return call("tanhf");
    case ExprKind::erf:
      return call("erff");
    case ExprKind::floor:
      return call("floorf");
    case ExprKind::round_tf32:
      return call("round_tf32");
    case ExprKind::select:
      return fmt::format("{} ? {} : {}", arg(0), arg(1), arg(2));
    case ExprKind::cast:
      return fmt::format("round_to<{}>({})", storage_name(e.dtype), arg(0));
    case ExprKind::uniform:
      return fmt::format("uniform(scalars, (u32){}, (u32)({}), (u64)({}))",
                         extents_.count("path", static_cast<int32_t>(static_cast<uint32_t>(e.integer))),
                         arg(0), arg(1));
    default:
      break;
  }
  throw InternalError("not a real or boolean instruction");
}

void ExpressionSource::store(int operand, const LinearForm& form, const std::string& value) {
  store_at(operand, index(form), value);
}

void ExpressionSource::store_at(int operand, const std::string& offset, const std::string& value) {
  const DType dtype = body_.operands[static_cast<size_t>(operand)].dtype;
  const std::string address =
      offset == "0" ? operand_name(operand) : fmt::format("{} + {}", operand_name(operand), offset);
  out_.line(
      fmt::format("store({}, {});", address,
                  dtype == DType::f32 ? value : fmt::format("rounded<{}>({})", storage_name(dtype), value)));
}

}  // namespace netc
