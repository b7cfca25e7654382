// Built-in compile-time functions: `div(a, b)`, `size(h, w)`, `float(n)` and the like.
#include <algorithm>
#include <cmath>

#include "compiler/sema/elaborator.h"
#include "compiler/sema/primitive_names.h"

namespace netc {
namespace {

// The values of a call, with what is needed to complain about them.
struct FunctionArgs {
  std::vector<Datum> values;
  std::vector<Span> spans;
};

std::vector<int64_t> ints_of(const Datum& datum) {
  std::vector<int64_t> out;
  if (const auto* list = datum.as<std::vector<Datum>>())
    for (const Datum& item : *list)
      if (const IntDatum* i = item.as<IntDatum>()) out.push_back(i->value);
  return out;
}

}  // namespace

std::optional<Datum> Elaborator::call_function(const std::string& name, const Expression& expr, const Call& call,
                                               Context& ctx) {
  const std::vector<std::string>& known = function_names();
  if (std::find(known.begin(), known.end(), name) == known.end()) return std::nullopt;
  if (name == "same_pad" && !ctx.module->is_prelude) return std::nullopt;

  FunctionArgs args;
  for (const Arg& arg : call.args) {
    if (arg.name) fail(error("E0311", arg.span, "`" + name + "` takes its arguments by position"));
    args.values.push_back(evaluate(*arg.value, ctx));
    args.spans.push_back(arg.span);
    if (args.values.back().as<std::monostate>()) throw Failed{};
  }
  const auto arity = [&](size_t count) {
    if (args.values.size() != count)
      fail(error("E0311", expr.span, "`" + name + "` takes " + std::to_string(count) +
                                         (count == 1 ? " argument, got " : " arguments, got ") +
                                         std::to_string(args.values.size())));
  };
  const auto integer = [&](size_t i) {
    const IntDatum* value = args.values[i].as<IntDatum>();
    if (!value) fail(error("E0301", args.spans[i], "`" + name + "` takes an int here, this is " + kind_of(args.values[i])));
    return value->value;
  };
  const auto real = [&](size_t i) {
    if (const double* d = args.values[i].as<double>()) return *d;
    return static_cast<double>(integer(i));
  };
  const auto whole = [&](double value) {
    if (!(std::abs(value) < 9e18)) fail(error("E0304", expr.span, "the result does not fit into 64 bits"));
    return int_datum(static_cast<int64_t>(value));
  };
  const auto list = [&](size_t i) -> const std::vector<Datum>& {
    const auto* value = args.values[i].as<std::vector<Datum>>();
    if (!value) fail(error("E0301", args.spans[i], "`" + name + "` takes a list here, this is " + kind_of(args.values[i])));
    return *value;
  };

  if (name == "div" || name == "mod") {
    arity(2);
    const int64_t a = integer(0), b = integer(1);
    if (b <= 0) fail(error("E0305", args.spans[1], "`" + name + "` divides by a positive number, this is " + std::to_string(b)));
    return int_datum(name == "div" ? floor_div(a, b) : floor_mod(a, b));
  }
  if (name == "size") {
    arity(2);
    return Datum{SizeDatum{integer(0), integer(1)}};
  }
  if (name == "float") {
    arity(1);
    return Datum{real(0)};
  }
  if (name == "int" || name == "floor" || name == "ceil" || name == "round") {
    arity(1);
    if (name == "int" && args.values[0].as<double>() && real(0) != std::floor(real(0)))
      fail(error("E0303", args.spans[0], real_text(real(0)) + " is not a whole number", "use floor, ceil or round"));
    return whole(name == "ceil" ? std::ceil(real(0)) : name == "round" ? std::round(real(0)) : std::floor(real(0)));
  }
  if (name == "sqrt") {
    arity(1);
    if (real(0) < 0) fail(error("E0313", args.spans[0], "the square root of a negative number"));
    return Datum{std::sqrt(real(0))};
  }
  if (name == "abs") {
    arity(1);
    if (args.values[0].as<double>()) return Datum{std::abs(real(0))};
    if (integer(0) == INT64_MIN) fail(error("E0304", expr.span, "the result does not fit into 64 bits"));
    return int_datum(std::abs(integer(0)));
  }
  if (name == "min" || name == "max") {
    if (args.values.size() < 2) arity(2);
    const bool reals = std::any_of(args.values.begin(), args.values.end(), [](const Datum& d) { return d.as<double>(); });
    size_t best = 0;
    for (size_t i = 1; i < args.values.size(); ++i)
      if (name == "min" ? real(i) < real(best) : real(i) > real(best)) best = i;
    return reals ? Datum{real(best)} : int_datum(integer(best));
  }
  if (name == "len") {
    arity(1);
    return int_datum(static_cast<int64_t>(list(0).size()));
  }
  if (name == "product") {
    arity(1);
    int64_t out = 1;
    for (int64_t value : ints_of(args.values[0]))
      if (!checked_mul(out, value, out)) fail(error("E0304", expr.span, "the result does not fit into 64 bits"));
    (void)list(0);
    return int_datum(out);
  }
  if (name == "fill") {
    arity(2);
    if (integer(0) < 0 || integer(0) > 64) fail(error("E0313", args.spans[0], "a list of 0 to 64 elements"));
    return Datum{std::vector<Datum>(static_cast<size_t>(integer(0)), args.values[1])};
  }
  if (name == "replace") {
    arity(3);
    std::vector<Datum> out = list(0);
    const int64_t at = integer(1);
    if (at < 0 || at >= static_cast<int64_t>(out.size()))
      fail(error("E0310", args.spans[1], "index " + std::to_string(at) + " of a list of " + std::to_string(out.size())));
    out[static_cast<size_t>(at)] = args.values[2];
    return Datum{std::move(out)};
  }
  // same_pad(window, dilation): rule 21. An even window has no middle: the program must say.
  arity(2);
  const SizeDatum* window = args.values[0].as<SizeDatum>();
  const SizeDatum* dilation = args.values[1].as<SizeDatum>();
  if (!window || !dilation) throw Failed{};
  if (window->height < 1 || window->width < 1) {
    Diagnostic d = error("E0313", args.spans[0], "a window is at least 1x1, this is " + to_text(*window));
    d.primary.span = argument_span("window", d.primary.span);
    fail(std::move(d));
  }
  if (window->height % 2 == 0 || window->width % 2 == 0) {
    Diagnostic d = error("E0213", args.spans[0], "an even window " + to_text(*window) + " has no middle: say the pad");
    d.primary.span = argument_span("window", d.primary.span);
    d.fixes.push_back({"pad = 0", "", {}});
    fail(std::move(d));
  }
  int64_t height = 0, width = 0;
  if (!checked_mul(dilation->height, window->height / 2, height) || !checked_mul(dilation->width, window->width / 2, width))
    fail(error("E0304", expr.span, "the result does not fit into 64 bits"));
  return Datum{SizeDatum{height, width}};
}

}  // namespace netc
