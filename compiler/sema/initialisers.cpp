// Initialisers (rule 27): the words and calls that say how a parameter starts, and their numbers.
//
//   he_normal(fan_out)  for [64, 3, 7, 7]:  normal, standard deviation sqrt(2 / (64 * 7 * 7))
//
// fan_in is the product of all extents but the first, fan_out the first one times the window.
// Without one, matrices and windows get PyTorch's default, kaiming_uniform(a = sqrt 5), which is
// uniform within 1 / sqrt(fan_in); vectors get zeros.
#include <cmath>

#include "compiler/sema/elaborator.h"

namespace netc {
namespace {

const std::vector<std::string>& words() {
  static const std::vector<std::string> list = {"default",       "he_normal", "he_uniform", "xavier_normal",
                                                "xavier_uniform", "normal",    "uniform",    "zeros",
                                                "ones",          "constant"};
  return list;
}

}  // namespace

Datum Elaborator::evaluate_init(const Expression& expr, Context& ctx) {
  const Call* call = expr.as<Call>();
  const NameRef* ref = call ? call->callee->as<NameRef>() : expr.as<NameRef>();
  if (!ref) {
    if (const IfExpr* choice = expr.as<IfExpr>())
      return evaluate_init(evaluate_bool(*choice->condition, ctx, "the condition of `if`") ? *choice->then_value
                                                                                             : *choice->else_value, ctx);
    fail(error("E0301", expr.span, "expected an initialiser such as he_normal(fan_out)"));
  }
  const std::string& name = ref->name;
  // A parameter of type `init` that was handed on.
  if (ScopeEntry* entry = ctx.scope->find(name); entry && !call) {
    entry->used = true;
    if (entry->datum.as<std::monostate>()) throw Failed{};
    if (!entry->datum.as<InitDatum>())
      fail(error("E0301", expr.span, "expected an initialiser, `" + name + "` is " + kind_of(entry->datum)));
    return entry->datum;
  }
  static const std::vector<Arg> kNone;
  const std::vector<Arg>& args = call ? call->args : kNone;
  const auto number = [&](size_t i) { return evaluate_float(*args[i].value, ctx, "an argument of `" + name + "`"); };
  const auto arity = [&](size_t low, size_t high) {
    if (args.size() >= low && args.size() <= high) return;
    const std::string wanted = low == high ? std::to_string(low) : std::to_string(low) + " to " + std::to_string(high);
    fail(error("E0311", expr.span, "`" + name + "` takes " + wanted + (high == 1 ? " argument" : " arguments") + ", got " +
                                       std::to_string(args.size())));
  };
  const auto fan = [&]() {
    arity(0, 1);
    if (args.empty()) return false;
    const NameRef* word = args[0].value->as<NameRef>();
    if (word && (word->name == "fan_in" || word->name == "fan_out")) return word->name == "fan_out";
    fail(error("E0301", args[0].span, "`" + name + "` takes fan_in or fan_out"));
  };
  InitDatum init;
  if (name == "buffer" && ctx.module->is_stdlib) {
    arity(1, 1);
    init = *evaluate_init(*args[0].value, ctx).as<InitDatum>();
    init.buffer = true;
  } else if (name == "default") {
    arity(0, 0);
  } else if (name == "he_normal" || name == "he_uniform") {
    init.kind = name == "he_normal" ? InitDatum::Kind::he_normal : InitDatum::Kind::he_uniform;
    init.fan_out = fan();
  } else if (name == "xavier_normal" || name == "xavier_uniform") {
    arity(0, 0);
    init.kind = name == "xavier_normal" ? InitDatum::Kind::xavier_normal : InitDatum::Kind::xavier_uniform;
  } else if (name == "normal") {
    arity(1, 2);
    init.kind = InitDatum::Kind::normal;
    init.a = args.size() == 2 ? number(0) : 0;
    init.b = number(args.size() - 1);
    if (init.b < 0) fail(error("E0313", args.back().span, "a standard deviation is not negative"));
  } else if (name == "uniform") {
    arity(2, 2);
    init.kind = InitDatum::Kind::uniform;
    init.a = number(0);
    init.b = number(1);
    if (init.a > init.b) fail(error("E0313", expr.span, "the lower bound is above the upper one"));
  } else if (name == "zeros" || name == "ones" || name == "constant") {
    arity(name == "constant" ? 1 : 0, name == "constant" ? 1 : 0);
    init.kind = InitDatum::Kind::constant;
    init.a = name == "constant" ? number(0) : name == "ones" ? 1 : 0;
  } else {
    Diagnostic d = error("E0102", call ? call->callee->span : expr.span, "no initialiser `" + name + "`");
    if (const std::optional<std::string> close = nearest(name, words())) d.fixes.push_back({*close, "", {}});
    else d.notes.push_back("there are default, he_normal, he_uniform, xavier_normal, xavier_uniform, normal(std), "
                           "uniform(low, high), zeros, ones and constant(value)");
    fail(std::move(d));
  }
  return {init};
}

InitSpec Elaborator::compute_init(const InitDatum& init, const Shape& shape, Span span) {
  const bool scaled = init.kind == InitDatum::Kind::he_normal || init.kind == InitDatum::Kind::he_uniform ||
                      init.kind == InitDatum::Kind::xavier_normal || init.kind == InitDatum::Kind::xavier_uniform;
  if (shape.size() < 2 && scaled)
    fail(error("E0313", span, "this initialiser needs fan_in and fan_out, which " + to_string(shape) + " does not have",
               "use normal(std), uniform(low, high), zeros or ones"));
  double fan_in = 1, fan_out = 1;
  if (shape.size() >= 2) {
    double window = 1;
    for (size_t i = 2; i < shape.size(); ++i) window *= static_cast<double>(shape[i]);
    fan_in = static_cast<double>(shape[1]) * window;
    fan_out = static_cast<double>(shape[0]) * window;
  }
  const double fan = init.fan_out ? fan_out : fan_in;
  const auto symmetric = [](double bound) { return InitSpec{InitSpec::Kind::uniform, -bound, bound}; };
  switch (init.kind) {
    case InitDatum::Kind::fan_in_uniform:
      return shape.size() < 2 ? InitSpec{InitSpec::Kind::constant, 0, 0} : symmetric(1 / std::sqrt(fan_in));
    case InitDatum::Kind::he_normal: return {InitSpec::Kind::normal, 0, std::sqrt(2 / fan)};
    case InitDatum::Kind::he_uniform: return symmetric(std::sqrt(6 / fan));
    case InitDatum::Kind::xavier_normal: return {InitSpec::Kind::normal, 0, std::sqrt(2 / (fan_in + fan_out))};
    case InitDatum::Kind::xavier_uniform: return symmetric(std::sqrt(6 / (fan_in + fan_out)));
    case InitDatum::Kind::normal: return {InitSpec::Kind::normal, init.a, init.b};
    case InitDatum::Kind::uniform: return {InitSpec::Kind::uniform, init.a, init.b};
    case InitDatum::Kind::constant: return {InitSpec::Kind::constant, init.a, 0};
  }
  return {};
}

}  // namespace netc
