#include "compiler/sema/datum.h"

#include <charconv>

namespace netc {

std::string kind_of(const Datum& datum) {
  return std::visit(Overloaded{
                        [](const std::monostate&) { return std::string("an unknown value"); },
                        [](const IntDatum&) { return std::string("an int"); },
                        [](double) { return std::string("a float"); },
                        [](bool) { return std::string("a bool"); },
                        [](const SizeDatum&) { return std::string("a size"); },
                        [](const QuantityLit& q) { return "a quantity in " + std::string(spelling(q.unit)); },
                        [](const std::string&) { return std::string("a string"); },
                        [](const InitDatum&) { return std::string("an initialiser"); },
                        [](const std::vector<Datum>&) { return std::string("a list"); },
                        [](const TensorDatum&) { return std::string("a tensor"); },
                        [](const std::vector<TensorDatum>&) { return std::string("several tensors"); },
                        [](const Callable& c) {
                          return std::string(c.op ? "an operator" : c.shared >= 0 ? "a shared block" : "a block");
                        },
                    },
                    datum.node);
}

std::string real_text(double value) {
  char buffer[40];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  std::string text(buffer, error == std::errc() ? end : buffer);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

std::string to_text(SizeDatum size) { return std::to_string(size.height) + "x" + std::to_string(size.width); }

std::string to_text(const Datum& datum) {
  return std::visit(Overloaded{
                        [](const std::monostate&) { return std::string("?"); },
                        [](const IntDatum& i) { return std::to_string(i.value); },
                        [](double d) { return real_text(d); },
                        [](bool b) { return std::string(b ? "true" : "false"); },
                        [](const SizeDatum& s) { return to_text(s); },
                        [](const QuantityLit& q) {
                          const std::string number = q.is_integer ? std::to_string(static_cast<int64_t>(q.value))
                                                                  : real_text(q.value);
                          return number + spelling(q.unit);
                        },
                        [](const std::string& s) { return "\"" + s + "\""; },
                        [](const InitDatum&) { return std::string("an initialiser"); },
                        [](const std::vector<Datum>& list) {
                          std::string text;
                          for (const Datum& item : list) text += (text.empty() ? "" : ", ") + to_text(item);
                          return "[" + text + "]";
                        },
                        [](const TensorDatum& t) { return to_string(t.shape); },
                        [](const std::vector<TensorDatum>& ts) { return std::to_string(ts.size()) + " tensors"; },
                        [](const Callable& c) { return c.name; },
                    },
                    datum.node);
}

std::string to_text(const TypeExpr& type) {
  switch (type.kind) {
    case TypeExpr::Kind::named: return type.name.text;
    case TypeExpr::Kind::list: return "[" + to_text(type.element.at(0)) + "]";
    case TypeExpr::Kind::block: {
      std::string params;
      for (const Parameter& p : type.block_params)
        params += (params.empty() ? "" : ", ") + p.name.text + ": " + to_text(p.type);
      return "block(" + params + ")";
    }
  }
  return "?";
}

bool equal(const Datum& a, const Datum& b) {
  if (const IntDatum* x = a.as<IntDatum>()) {
    if (const IntDatum* y = b.as<IntDatum>()) return x->value == y->value;
    if (const double* y = b.as<double>()) return static_cast<double>(x->value) == *y;
    return false;
  }
  if (const double* x = a.as<double>()) {
    if (const IntDatum* y = b.as<IntDatum>()) return *x == static_cast<double>(y->value);
    const double* y = b.as<double>();
    return y && *x == *y;
  }
  if (a.node.index() != b.node.index()) return false;
  if (const bool* x = a.as<bool>()) return *x == *b.as<bool>();
  if (const SizeDatum* x = a.as<SizeDatum>()) return *x == *b.as<SizeDatum>();
  if (const std::string* x = a.as<std::string>()) return *x == *b.as<std::string>();
  if (const QuantityLit* x = a.as<QuantityLit>())
    return x->unit == b.as<QuantityLit>()->unit && x->value == b.as<QuantityLit>()->value;
  if (const std::vector<Datum>* x = a.as<std::vector<Datum>>()) {
    const std::vector<Datum>& y = *b.as<std::vector<Datum>>();
    if (x->size() != y.size()) return false;
    for (size_t i = 0; i < y.size(); ++i)
      if (!equal((*x)[i], y[i])) return false;
    return true;
  }
  return false;
}

std::string with_commas(int64_t value) {
  const std::string digits = std::to_string(value);
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    const size_t left = digits.size() - i;
    if (i > 0 && left % 3 == 0 && digits[i - 1] != '-') out += ',';
    out += digits[i];
  }
  return out;
}

}  // namespace netc
