// Expressions: everything that is computed at compile time (rules 3, 4, 5).
//
//   64 * 2**s                       with s = 2: IntDatum{256}
//   if i == 0 then 2 else 1         only the chosen side is evaluated
//
// Arithmetic is checked: an overflow, an inexact integer division and a division by zero are errors.
#include <algorithm>
#include <cmath>

#include "compiler/ops/registry.h"
#include "compiler/sema/elaborator.h"
#include "compiler/sema/primitive_names.h"

namespace netc {
namespace {

std::optional<double> as_float(const Datum& datum) {
  if (const double* d = datum.as<double>()) return *d;
  if (const IntDatum* i = datum.as<IntDatum>(); i && i->literal) return static_cast<double>(i->value);
  return std::nullopt;
}

bool checked_pow(int64_t base, int64_t exponent, int64_t& out) {
  out = 1;
  for (int64_t i = 0; i < exponent; ++i) {
    if (!checked_mul(out, base, out)) return false;
    if (out == 0 || out == 1 || (out == -1 && base == -1)) {
      if (base == -1) out = exponent % 2 == 0 ? 1 : -1;
      return true;
    }
  }
  return true;
}

}  // namespace

Datum Elaborator::evaluate(const Expression& expr, Context& ctx, const TypeExpr* expected) {
  spend(1, expr.span);
  if (expected && expected->kind == TypeExpr::Kind::named && expected->name.text == "init")
    return evaluate_init(expr, ctx);
  return std::visit(
      Overloaded{
          [&](const IntLit& lit) { return int_datum(lit.value, true); },
          [&](const FloatLit& lit) { return Datum{lit.value}; },
          [&](const QuantityLit& lit) { return Datum{lit}; },
          [&](const StringLit& lit) { return Datum{lit.value}; },
          [&](const SizeLit& lit) { return Datum{SizeDatum{lit.height, lit.width}}; },
          [&](const BoolLit& lit) { return Datum{lit.value}; },
          [&](const NameRef& ref) { return evaluate_name(expr, ref.name, ctx); },
          [&](const Member& member) { return evaluate_member(expr, member, ctx); },
          [&](const Call& call) { return evaluate_call(expr, call, ctx, expected); },
          [&](const With& with) { return evaluate_with(expr, with, ctx); },
          [&](const ListExpr& list) { return evaluate_list(list, ctx, expected); },
          [&](const Range& range) {
            const int64_t first = evaluate_int(*range.first, ctx, "a range's first value");
            const int64_t last = evaluate_int(*range.last, ctx, "a range's end");
            if (last - first > config_.limits.layers)
              fail(error("E0801", expr.span, "a range of " + with_commas(last - first) + " values, the limit is " +
                                                 with_commas(config_.limits.layers)));
            if (last > first) spend(last - first, expr.span);
            std::vector<Datum> items;
            for (int64_t i = first; i < last; ++i) items.push_back(int_datum(i));
            return Datum{std::move(items)};
          },
          [&](const Index& index) {
            const Datum object = evaluate(*index.object, ctx);
            const auto* list = object.as<std::vector<Datum>>();
            if (!list) fail(error("E0301", index.object->span, "only a list has elements, this is " + kind_of(object)));
            const int64_t at = evaluate_int(*index.index, ctx, "an index");
            if (at < 0 || at >= static_cast<int64_t>(list->size()))
              fail(error("E0310", index.index->span,
                         "index " + std::to_string(at) + " of a list of " + std::to_string(list->size()),
                         "counted from 0"));
            return (*list)[static_cast<size_t>(at)];
          },
          [&](const Unary& unary) {
            const Datum operand = evaluate(*unary.operand, ctx);
            if (unary.op == UnaryOp::logical_not) {
              if (const bool* b = operand.as<bool>()) return Datum{!*b};
            } else if (const IntDatum* i = operand.as<IntDatum>()) {
              int64_t negated = 0;
              if (__builtin_sub_overflow(int64_t{0}, i->value, &negated))
                fail(error("E0304", expr.span, "the result does not fit into 64 bits"));
              return int_datum(negated, i->literal);
            } else if (const double* d = operand.as<double>()) {
              return Datum{-*d};
            }
            fail(error("E0302", unary.op_span,
                       "`" + std::string(spelling(unary.op)) + "` does not take " + kind_of(operand)));
          },
          [&](const Binary& binary) { return evaluate_binary(expr, binary, ctx); },
          [&](const IfExpr& choice) {
            return evaluate_bool(*choice.condition, ctx, "the condition of `if`")
                       ? evaluate(*choice.then_value, ctx, expected)
                       : evaluate(*choice.else_value, ctx, expected);
          },
      },
      expr.node);
}

Datum Elaborator::evaluate_binary(const Expression& expr, const Binary& binary, Context& ctx) {
  if (binary.op == BinaryOp::logical_and || binary.op == BinaryOp::logical_or) {
    const std::string what = "a side of `" + std::string(spelling(binary.op)) + "`";
    const bool left = evaluate_bool(*binary.lhs, ctx, what);
    if (left == (binary.op == BinaryOp::logical_or)) return {left};
    return {evaluate_bool(*binary.rhs, ctx, what)};
  }
  const Datum a = evaluate(*binary.lhs, ctx), b = evaluate(*binary.rhs, ctx);
  if (a.as<std::monostate>() || b.as<std::monostate>()) throw Failed{};
  if (binary.op == BinaryOp::eq || binary.op == BinaryOp::ne) {
    const bool numbers = (a.as<IntDatum>() || a.as<double>()) && (b.as<IntDatum>() || b.as<double>());
    if (!numbers && a.node.index() != b.node.index())
      fail(error("E0302", binary.op_span, kind_of(a) + " and " + kind_of(b) + " are not compared"));
    return {equal(a, b) == (binary.op == BinaryOp::eq)};
  }
  return evaluate_arithmetic(expr, binary, a, b);
}

Datum Elaborator::evaluate_arithmetic(const Expression& expr, const Binary& binary, const Datum& a, const Datum& b) {
  const IntDatum* x = a.as<IntDatum>();
  const IntDatum* y = b.as<IntDatum>();
  const auto refuse = [&]() {
    fail(error("E0302", binary.op_span,
               "`" + std::string(spelling(binary.op)) + "` does not take " + kind_of(a) + " and " + kind_of(b)));
  };
  if (x && y) {
    int64_t out = 0;
    bool fits = true;
    switch (binary.op) {
      case BinaryOp::add: fits = checked_add(x->value, y->value, out); break;
      case BinaryOp::sub: fits = !__builtin_sub_overflow(x->value, y->value, &out); break;
      case BinaryOp::mul: fits = checked_mul(x->value, y->value, out); break;
      case BinaryOp::div:
        if (y->value == 0) fail(error("E0305", expr.span, "division by zero"));
        if (y->value == -1) fits = !__builtin_sub_overflow(int64_t{0}, x->value, &out);
        else if (x->value % y->value != 0) {
          Diagnostic d = error("E0303", expr.span,
                               std::to_string(x->value) + " / " + std::to_string(y->value) + " is not a whole number");
          const std::string fixed = "div(" + std::string(project_.sources().text(binary.lhs->span)) + ", " +
                                    std::string(project_.sources().text(binary.rhs->span)) + ")";
          d.fixes.push_back({fixed, "rounds down to " + std::to_string(floor_div(x->value, std::abs(y->value)) *
                                                                       (y->value < 0 ? -1 : 1)),
                             {{expr.span, fixed}}});
          fail(std::move(d));
        } else {
          out = x->value / y->value;
        }
        break;
      case BinaryOp::pow:
        if (y->value < 0) fail(error("E0302", binary.rhs->span, "the exponent of an int is negative"));
        fits = checked_pow(x->value, y->value, out);
        break;
      case BinaryOp::lt: return {x->value < y->value};
      case BinaryOp::le: return {x->value <= y->value};
      case BinaryOp::gt: return {x->value > y->value};
      case BinaryOp::ge: return {x->value >= y->value};
      case BinaryOp::eq:
      case BinaryOp::ne:
      case BinaryOp::logical_and:
      case BinaryOp::logical_or: refuse();
    }
    if (!fits) fail(error("E0304", expr.span, "the result does not fit into 64 bits"));
    return int_datum(out, x->literal && y->literal);
  }
  if (const QuantityLit* p = a.as<QuantityLit>()) {
    const QuantityLit* q = b.as<QuantityLit>();
    if (!q || p->unit != q->unit) refuse();
    switch (binary.op) {
      case BinaryOp::lt: return {p->value < q->value};
      case BinaryOp::le: return {p->value <= q->value};
      case BinaryOp::gt: return {p->value > q->value};
      case BinaryOp::ge: return {p->value >= q->value};
      case BinaryOp::add: case BinaryOp::sub: case BinaryOp::mul: case BinaryOp::div: case BinaryOp::pow:
      case BinaryOp::eq: case BinaryOp::ne: case BinaryOp::logical_and: case BinaryOp::logical_or: refuse();
    }
  }
  const std::optional<double> u = as_float(a), v = as_float(b);
  if (!u || !v) {
    // An int variable beside a float: say how to widen it (rule 5).
    const bool left = x && b.as<double>();
    if (left || (y && a.as<double>())) {
      const Span span = left ? binary.lhs->span : binary.rhs->span;
      Diagnostic d = error("E0312", span, "an int variable does not widen to a float by itself");
      const std::string fixed = "float(" + std::string(project_.sources().text(span)) + ")";
      d.fixes.push_back({fixed, "", {{span, fixed}}});
      fail(std::move(d));
    }
    refuse();
  }
  double out = 0;
  switch (binary.op) {
    case BinaryOp::add: out = *u + *v; break;
    case BinaryOp::sub: out = *u - *v; break;
    case BinaryOp::mul: out = *u * *v; break;
    case BinaryOp::div:
      if (*v == 0) fail(error("E0305", expr.span, "division by zero"));
      out = *u / *v;
      break;
    case BinaryOp::pow: out = std::pow(*u, *v); break;
    case BinaryOp::lt: return {*u < *v};
    case BinaryOp::le: return {*u <= *v};
    case BinaryOp::gt: return {*u > *v};
    case BinaryOp::ge: return {*u >= *v};
    case BinaryOp::eq: case BinaryOp::ne: case BinaryOp::logical_and: case BinaryOp::logical_or: refuse();
  }
  if (!std::isfinite(out)) fail(error("E0304", expr.span, "the result is not a finite number"));
  return {out};
}

Datum Elaborator::evaluate_name(const Expression& expr, const std::string& name, Context& ctx) {
  if (const std::optional<Datum> datum = look_up(name, expr.span, ctx)) {
    if (datum->as<std::monostate>()) throw Failed{};
    return *datum;
  }
  Diagnostic d = error("E0102", expr.span, "no name `" + name + "` here");
  const std::string usual = usual_name_of_value(name), instead = instead_of_value(name);
  if (!usual.empty()) d.fixes.push_back({usual, "", {{expr.span, usual}}});
  else if (!instead.empty()) d.notes.push_back(instead);
  else if (const std::optional<std::string> close = nearest(name, visible_names(ctx, false)))
    d.fixes.push_back({*close, "", {{expr.span, *close}}});
  fail(std::move(d));
}

std::optional<Datum> Elaborator::look_up(const std::string& name, Span span, Context& ctx) {
  if (ScopeEntry* entry = ctx.scope->find(name)) {
    entry->used = true;
    return entry->datum;
  }
  if (ctx.module->is_stdlib) {
    // Frozen parameters fix the statistics beside them (rule 26); dropout has none.
    if (name == "training") return Datum{trains() && !has_frozen(ctx.path->prefix)};
  }
  if (name == "block_input") {
    if (ctx.block_input.size() == 1) return Datum{ctx.block_input.front()};
    if (ctx.block_input.empty()) fail(error("E0210", span, "nothing enters here: a network of several inputs names them"));
    return Datum{ctx.block_input};
  }
  if (const auto found = ctx.module->names.find(name); found != ctx.module->names.end())
    return module_datum(found->second, name, span);
  if (const auto found = prelude_.names.find(name); found != prelude_.names.end() && name[0] != '_')
    return module_datum(found->second, name, span);
  const bool internal = ctx.module->is_stdlib && name.rfind("__", 0) == 0;
  if (internal || is_direct_operator(name)) {
    if (const OpDef* def = find_op(internal ? name.substr(2) : name)) {
      Callable callable;
      callable.module = ctx.module;
      callable.op = def;
      callable.name = def->name;
      return Datum{callable};
    }
  }
  return std::nullopt;
}

Datum Elaborator::module_datum(const NameTarget& target, const std::string& name, Span span) {
  if (!target.declaration) throw Failed{};  // an import that failed
  if (const BlockDecl* block = target.declaration->as<BlockDecl>()) {
    Callable callable;
    callable.module = target.module;
    callable.block = block;
    callable.name = block->name.text;
    return {callable};
  }
  if (const LetDecl* let = target.declaration->as<LetDecl>()) {
    const std::pair key(target.module, let->name.text);
    if (lets_in_progress_.count(key)) fail(error("E0115", span, "`" + name + "` is defined by itself"));
    if (const auto found = lets_.find(key); found != lets_.end()) {
      if (found->second.as<std::monostate>()) throw Failed{};
      return found->second;
    }
    lets_in_progress_.insert(key);
    lets_[key] = {};  // stays, if the evaluation fails
    try {
      lets_[key] = evaluate_in(*target.module, let->value);
    } catch (const Failed&) {
      lets_in_progress_.erase(key);
      throw;
    }
    lets_in_progress_.erase(key);
    return lets_[key];
  }
  const char* what = target.declaration->as<NetworkDecl>()    ? "a network"
                     : target.declaration->as<DatasetDecl>()  ? "a data set"
                     : target.declaration->as<RecipeDecl>()   ? "a recipe"
                     : target.declaration->as<TrainDecl>()    ? "a training run"
                     : target.declaration->as<EnsembleDecl>() ? "an ensemble"
                                                              : "a name map";
  Diagnostic d = error("E0117", span, "`" + name + "` is " + what + ", it has no value here");
  if (target.declaration->as<NetworkDecl>())
    d.notes.push_back("networks are not called; what several networks have in common is a `block`");
  fail(std::move(d));
}

void Elaborator::check_let(const Module& module, const LetDecl& let) {
  try {
    module_datum(module.names.at(let.name.text), let.name.text, let.name.span);
  } catch (const Failed&) {
  }
}

Datum Elaborator::evaluate_in(const Module& module, const Expression& expr, const TypeExpr* expected) {
  Scope scope;
  PathScope path;
  Context ctx;
  ctx.module = &module;
  ctx.scope = &scope;
  ctx.path = &path;
  ctx.place = Place::block;
  Datum value = evaluate(expr, ctx, expected);
  return expected ? coerce(std::move(value), *expected, expr.span, "this value") : value;
}

Datum Elaborator::evaluate_member(const Expression& expr, const Member& member, Context& ctx) {
  const Datum object = evaluate(*member.object, ctx);
  const std::string& name = member.member.text;
  std::vector<std::string> known;
  if (const TensorDatum* t = object.as<TensorDatum>()) {
    if (t->poisoned()) throw Failed{};
    known = {"channels", "height", "width", "shape", "rank"};
    const size_t rank = t->shape.size();
    if (name == "rank") return int_datum(static_cast<int64_t>(rank));
    if (name == "shape") {
      std::vector<Datum> extents;
      for (int64_t extent : t->shape) extents.push_back(int_datum(extent));
      return {std::move(extents)};
    }
    const size_t axis = name == "channels" ? 0 : name == "height" ? 1 : name == "width" ? 2 : 3;
    if (axis < 3) {
      if (axis < rank) return int_datum(t->shape[axis]);
      fail(error("E0116", member.member.span, to_string(t->shape) + " has no " + name));
    }
  } else if (const SizeDatum* size = object.as<SizeDatum>()) {
    known = {"height", "width"};
    if (name == "height") return int_datum(size->height);
    if (name == "width") return int_datum(size->width);
  } else if (const auto* list = object.as<std::vector<Datum>>()) {
    known = {"length"};
    if (name == "length") return int_datum(static_cast<int64_t>(list->size()));
  } else if (const QuantityLit* quantity = object.as<QuantityLit>(); quantity && quantity->unit == Unit::percent) {
    known = {"fraction"};
    if (name == "fraction") return {quantity->value / 100};
  }
  Diagnostic d = error("E0116", member.member.span, kind_of(object) + " has no member `" + name + "`");
  if (const std::optional<std::string> close = nearest(name, known))
    d.fixes.push_back({*close, "", {{member.member.span, *close}}});
  (void)expr;
  fail(std::move(d));
}

Datum Elaborator::evaluate_call(const Expression& expr, const Call& call, Context& ctx, const TypeExpr*) {
  const NameRef* ref = call.callee->as<NameRef>();
  if (ref) {
    if (std::optional<Datum> result = call_function(ref->name, expr, call, ctx)) return std::move(*result);
  }
  const std::string name(project_.sources().text(call.callee->span));
  if (ref) {
    std::optional<Datum> callee = look_up(ref->name, call.callee->span, ctx);
    if (callee && (callee->as<Callable>() || callee->as<TensorDatum>()))
      fail(error("E0315", expr.span, "`" + name + "` makes a tensor, which is not known when compiling",
                 "name it with `as` in a chain"));
  }
  Diagnostic d = error("E0102", call.callee->span, "no function `" + name + "`");
  const bool by_position = std::none_of(call.args.begin(), call.args.end(), [](const Arg& arg) { return arg.name.has_value(); });
  if (name == "range" && by_position && (call.args.size() == 1 || call.args.size() == 2)) {
    const auto text = [&](const Arg& arg) { return std::string(project_.sources().text(arg.span)); };
    const std::string range = (call.args.size() == 1 ? "0" : text(call.args[0])) + ".." + text(call.args.back());
    d.fixes.push_back({range, "", {{expr.span, range}}});
  } else if (name == "range") {
    d.notes.push_back("a range is `first..end`, by steps of 1 and without `end`");
  } else if (name == "enumerate") {
    d.notes.push_back("`for i, x in list { }` also counts, from 0");
  } else if (const std::optional<std::string> close = nearest(name, function_names()))
    d.fixes.push_back({*close, "", {{call.callee->span, *close}}});
  fail(std::move(d));
}

Datum Elaborator::evaluate_with(const Expression&, const With& with, Context& ctx) {
  Callable callable = resolve_callee(*with.callee, ctx);
  if (callable.shared >= 0)
    fail(error("E0117", with.callee->span, "`" + callable.name + "` is shared: its arguments are fixed where it is declared"));
  CallSiteInfo site;
  site.callee = with.callee->span;
  site.whole = join(with.callee->span, with.args_span);
  site.args = &with.args;
  std::vector<BoundArg> bound = bind(site, callable, ctx);
  callable.bound = std::move(bound);
  return {std::move(callable)};
}

Datum Elaborator::evaluate_list(const ListExpr& list, Context& ctx, const TypeExpr* expected) {
  const TypeExpr* element =
      expected && expected->kind == TypeExpr::Kind::list ? &expected->element.front() : nullptr;
  std::vector<Datum> items;
  for (const Expression& item : list.items) items.push_back(evaluate(item, ctx, element));
  return {std::move(items)};
}

Datum Elaborator::coerce(Datum datum, const TypeExpr& type, Span span, const std::string& what, Context* ctx) {
  if (datum.as<std::monostate>()) throw Failed{};
  const auto mismatch = [&](const std::string& wanted) -> Datum {
    fail(error("E0301", span, what + " is " + wanted + ", this is " + kind_of(datum)));
  };
  switch (type.kind) {
    case TypeExpr::Kind::list: {
      auto* list = std::get_if<std::vector<Datum>>(&datum.node);
      if (!list) return mismatch("a list, " + to_text(type));
      for (Datum& item : *list) item = coerce(std::move(item), type.element.front(), span, "an element of " + what, ctx);
      return datum;
    }
    case TypeExpr::Kind::block: {
      const Callable* callable = datum.as<Callable>();
      if (!callable) return mismatch("a " + to_text(type));
      return {check_block_type(*callable, type, span)};
    }
    case TypeExpr::Kind::named: break;
  }
  const std::string& name = type.name.text;
  if (name == "int") return datum.as<IntDatum>() ? int_datum(datum.as<IntDatum>()->value) : mismatch("an int");
  if (name == "float") {
    if (datum.as<double>()) return datum;
    const IntDatum* i = datum.as<IntDatum>();
    if (i && i->literal) return {static_cast<double>(i->value)};
    if (i) {
      Diagnostic d = error("E0312", span, what + " is a float; an int variable does not widen by itself");
      const std::string fixed = "float(" + std::string(project_.sources().text(span)) + ")";
      d.fixes.push_back({fixed, "", {{span, fixed}}});
      fail(std::move(d));
    }
    return mismatch("a float");
  }
  if (name == "bool") return datum.as<bool>() ? datum : mismatch("a bool, `true` or `false`");
  if (name == "string") return datum.as<std::string>() ? datum : mismatch("a string");
  if (name == "size") {
    if (const IntDatum* i = datum.as<IntDatum>()) return {SizeDatum{i->value, i->value}};
    return datum.as<SizeDatum>() ? datum : mismatch("a size such as 3x3");
  }
  if (name == "percent") {
    const QuantityLit* q = datum.as<QuantityLit>();
    if (q && q->unit == Unit::percent) {
      if (q->value < 0 || q->value > 100) fail(error("E0313", span, what + " lies between 0% and 100%"));
      return datum;
    }
    const std::optional<double> bare = as_float(datum);
    if (bare || datum.as<IntDatum>()) {
      Diagnostic d = error("E0306", span, what + " has a unit: write a percentage");
      if (bare && *bare >= 0 && *bare <= 100) {  // 0.5 means 50%, and so does 50
        const double percent = *bare <= 1 ? std::round(*bare * 1e9) / 1e7 : *bare;
        const std::string digits = percent == std::floor(percent) ? std::to_string(static_cast<int64_t>(percent))
                                                                  : real_text(percent);
        d.fixes.push_back({digits + "%", "", {{span, digits + "%"}}});
      }
      fail(std::move(d));
    }
    return mismatch("a percentage such as 20%");
  }
  if (name == "init") return datum.as<InitDatum>() ? datum : mismatch("an initialiser such as he_normal(fan_out)");
  if (name == "tensor") return datum.as<TensorDatum>() ? datum : mismatch("a tensor");
  Diagnostic d = error("E0102", type.span, "no type `" + name + "`");
  const std::vector<std::string> types = {"int", "float", "bool", "size", "string", "percent", "init", "tensor", "block"};
  if (const std::optional<std::string> close = nearest(name, types))
    d.fixes.push_back({*close, "", {{type.span, *close}}});
  else
    d.notes.push_back("types are int, float, bool, size, string, percent, init, tensor, lists such as [int], and block(...)");
  fail(std::move(d));
}

int64_t Elaborator::evaluate_int(const Expression& expr, Context& ctx, const std::string& what) {
  const Datum datum = evaluate(expr, ctx);
  if (const IntDatum* i = datum.as<IntDatum>()) return i->value;
  if (datum.as<std::monostate>()) throw Failed{};
  fail(error("E0301", expr.span, what + " is an int, this is " + kind_of(datum)));
}

double Elaborator::evaluate_float(const Expression& expr, Context& ctx, const std::string& what) {
  TypeExpr type;
  type.name.text = "float";
  return *coerce(evaluate(expr, ctx), type, expr.span, what).as<double>();
}

bool Elaborator::evaluate_bool(const Expression& expr, Context& ctx, const std::string& what) {
  const Datum datum = evaluate(expr, ctx);
  if (const bool* b = datum.as<bool>()) return *b;
  if (datum.as<std::monostate>()) throw Failed{};
  fail(error("E0308", expr.span, what + " is a bool, this is " + kind_of(datum)));
}

std::vector<std::string> Elaborator::visible_names(const Context& ctx, bool callables) const {
  std::vector<std::string> names;
  for (const Scope* scope = ctx.scope; scope; scope = scope->parent())
    for (const auto& [name, entry] : scope->entries())
      if (!callables || entry.datum.as<Callable>() || entry.datum.as<TensorDatum>()) names.push_back(name);
  const auto add = [&](const Module& module) {
    for (const auto& [name, target] : module.names) {
      const bool callable = target.declaration && (target.declaration->as<BlockDecl>() || target.declaration->as<LetDecl>());
      if (name[0] != '_' && (!callables || callable)) names.push_back(name);
    }
  };
  add(*ctx.module);
  if (callables) {
    add(prelude_);
    for (const std::string& name : direct_operators()) names.push_back(name);
  }
  return names;
}

void Elaborator::check_fresh(const Name& name, const Context& ctx) {
  const ScopeEntry* entry = ctx.scope->find(name.text);
  const auto module_name = ctx.module->names.find(name.text);
  const bool in_module = module_name != ctx.module->names.end();
  const bool in_prelude = !ctx.module->is_prelude && prelude_.names.count(name.text) > 0 && name.text[0] != '_';
  if (!entry && !in_module && !in_prelude && name.text != "block_input") return;
  Diagnostic d = error("E0103", name.span, "`" + name.text + "` is already declared",
                       in_prelude && !entry && !in_module ? "a block of the prelude has this name" : "names are not shadowed");
  const Span first = entry ? entry->span : in_module ? module_name->second.span : Span{};
  if (first.valid()) d.secondary.push_back({first, "first here"});
  report(std::move(d));
}

}  // namespace netc
