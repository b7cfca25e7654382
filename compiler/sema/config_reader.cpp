#include "compiler/sema/config_reader.h"

#include <algorithm>
#include <cmath>

namespace netc {
namespace {

std::string listed(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  return all;
}

std::string field_name(const Constructor& c, const std::string& field) { return "`" + field + "` of `" + c.name + "`"; }

// 0.1 -> "0.1", 20 -> "20".
std::string bound_text(double value) {
  return value == std::floor(value) && std::abs(value) < 1e15 ? std::to_string(static_cast<int64_t>(value)) : real_text(value);
}

// What a bare number or text was meant as: `schedule = 0.1` as `constant(0.1)`, `clip = 1.0` as `norm(1.0)`, `weights = "w.npz"`
// as `load("w.npz")`. Empty where no constructor takes it alone.
std::string repaired_value(const std::vector<ConstructorDef>& known, const std::string& text, const Expression& expr) {
  const bool number = expr.as<FloatLit>() || expr.as<IntLit>(), string = expr.as<StringLit>() != nullptr;
  for (const ConstructorDef& def : known) {
    if (number && (def.name == "constant" || def.name == "norm")) return def.name + "(" + text + ")";
    if (string && (def.name == "load" || def.name == "image_folder")) return def.name + "(" + text + ")";
  }
  return "";
}

}  // namespace

Constructor ConfigReader::constructor(const Expression& expr, const std::vector<ConstructorDef>& known,
                                      const std::string& what, const std::vector<std::string>& later) {
  const Call* call = expr.as<Call>();
  const NameRef* ref = call ? call->callee->as<NameRef>() : expr.as<NameRef>();
  std::vector<std::string> names;
  for (const ConstructorDef& def : known) names.push_back(def.name);
  const Span name_span = call ? call->callee->span : expr.span;
  const std::string there = (names.size() == 1 ? "there is only " : "there are ") + listed(names);
  if (!ref) {
    Diagnostic d = error("E0504", expr.span, "expected " + what);
    const std::string repaired = repaired_value(known, source_text(expr), expr);
    if (repaired.empty()) d.notes.push_back(there);
    else d.fixes.push_back({repaired, "", {{expr.span, repaired}}});
    fail(std::move(d));
  }
  if (std::find(later.begin(), later.end(), ref->name) != later.end()) {
    Diagnostic d = error("E0506", name_span, "`" + ref->name + "` is not supported yet");
    d.notes.push_back(there);
    fail(std::move(d));
  }
  const auto def = std::find_if(known.begin(), known.end(), [&](const ConstructorDef& d) { return d.name == ref->name; });
  if (def == known.end()) {
    Diagnostic d = error("E0504", name_span, "`" + ref->name + "` is not " + what);
    if (const std::optional<std::string> close = nearest(ref->name, names))
      d.fixes.push_back({*close, "", {{name_span, *close}}});
    else
      d.notes.push_back(there);
    fail(std::move(d));
  }
  Constructor result{def->name, expr.span, {}};
  if (!call) return result;
  size_t position = 0;
  bool failed = false;
  for (const Arg& arg : call->args) {
    std::string name;
    if (arg.name) {
      name = arg.name->text;
    } else if (position < def->fields.size()) {
      name = def->fields[position++];
    } else {
      elaborator_.report(error("E0106", arg.span, "`" + def->name + "` takes at most " + std::to_string(def->fields.size()) +
                                                      (def->fields.size() == 1 ? " argument" : " arguments")));
      failed = true;
      continue;
    }
    if (std::find(def->fields.begin(), def->fields.end(), name) == def->fields.end()) {
      Diagnostic d = error("E0104", arg.name->span, "`" + def->name + "` has no argument `" + name + "`");
      if (name == "lr" || name == "learning_rate") {
        const auto takes = [&](const char* field) {
          return std::find(def->fields.begin(), def->fields.end(), field) != def->fields.end();
        };
        if (takes("peak")) d.fixes.push_back({"peak", "", {{arg.name->span, "peak"}}});
        else d.notes.push_back("the learning rate belongs to the schedule: schedule = constant(0.1)");
      } else if (const std::optional<std::string> close = nearest(name, def->fields)) {
        d.fixes.push_back({*close, "", {{arg.name->span, *close}}});
      } else {
        d.notes.push_back(def->fields.empty() ? "it takes no arguments" : "it takes " + listed(def->fields));
      }
      elaborator_.report(std::move(d));
      failed = true;
      continue;
    }
    if (!result.fields.emplace(name, &*arg.value).second) {
      elaborator_.report(error("E0107", arg.span, "`" + name + "` is given twice"));
      failed = true;
    }
  }
  if (failed) throw Failed{};
  return result;
}

void ConfigReader::require(const Constructor& c, const std::string& field) {
  if (!has(c, field)) fail(error("E0105", c.span, "`" + c.name + "` needs `" + field + "`"));
}

int64_t ConfigReader::integer(const Expression& expr, const std::string& what, int64_t low, int64_t high) {
  const Datum datum = evaluate(expr);
  if (const QuantityLit* q = datum.as<QuantityLit>()) {
    const std::string bare = bound_text(q->value);
    Diagnostic d = error("E0307", expr.span, what + " is a plain number");
    d.fixes.push_back({bare, "", {{expr.span, bare}}});
    fail(std::move(d));
  }
  const IntDatum* value = datum.as<IntDatum>();
  if (!value) fail(error("E0301", expr.span, what + " is an int, this is " + kind_of(datum)));
  if (value->value < low || value->value > high)
    fail(error("E0507", expr.span, what + " is " + (value->value < low ? "at least " + with_commas(low) : "at most " + with_commas(high)) +
                                       ", this is " + with_commas(value->value)));
  return value->value;
}

double ConfigReader::real(const Expression& expr, const std::string& what, Bounds bounds) {
  const Datum datum = evaluate(expr);
  double value = 0;
  if (const QuantityLit* q = datum.as<QuantityLit>()) {
    Diagnostic d = error("E0307", expr.span, what + " is a plain number, this has a unit");
    if (q->unit == Unit::percent) {  // 10% means 0.1
      const std::string bare = bound_text(std::round(q->value * 1e7) / 1e9);
      d.fixes.push_back({bare, "", {{expr.span, bare}}});
    }
    fail(std::move(d));
  }
  if (const double* number = datum.as<double>()) value = *number;
  else if (const IntDatum* i = datum.as<IntDatum>(); i && i->literal) value = static_cast<double>(i->value);
  else fail(error("E0301", expr.span, what + " is a float, this is " + kind_of(datum)));
  const bool below = bounds.low_excluded ? value <= bounds.low : value < bounds.low;
  if (below || (bounds.high_excluded ? value >= bounds.high : value > bounds.high))
    fail(error("E0507", expr.span, what + " is " +
                                       (below ? std::string(bounds.low_excluded ? "above " : "at least ") + bound_text(bounds.low)
                                              : std::string(bounds.high_excluded ? "below " : "at most ") + bound_text(bounds.high)) +
                                       ", this is " + bound_text(value)));
  return value;
}

double ConfigReader::real(const Constructor& c, const std::string& field, double fallback, Bounds bounds) {
  return has(c, field) ? real(*c.fields.at(field), field_name(c, field), bounds) : fallback;
}

bool ConfigReader::boolean(const Constructor& c, const std::string& field, bool fallback) {
  if (!has(c, field)) return fallback;
  const Datum datum = evaluate(*c.fields.at(field));
  if (const bool* b = datum.as<bool>()) return *b;
  fail(error("E0301", c.fields.at(field)->span, field_name(c, field) + " is a bool, this is " + kind_of(datum)));
}

std::string ConfigReader::text(const Expression& expr, const std::string& what) {
  const Datum datum = evaluate(expr);
  if (const std::string* s = datum.as<std::string>()) return *s;
  fail(error("E0301", expr.span, what + " is a string, this is " + kind_of(datum)));
}

std::vector<std::string> ConfigReader::texts(const Expression& expr, const std::string& what) {
  std::vector<std::string> out;
  for (const Expression* item : items(expr)) out.push_back(text(*item, "an element of " + what));
  return out;
}

std::vector<double> ConfigReader::reals(const Expression& expr, const std::string& what) {
  std::vector<double> out;
  for (const Expression* item : items(expr)) out.push_back(real(*item, "an element of " + what));
  return out;
}

SizeDatum ConfigReader::size(const Expression& expr, const std::string& what) {
  const Datum datum = evaluate(expr);
  SizeDatum size;
  if (const IntDatum* i = datum.as<IntDatum>()) size = {i->value, i->value};
  else if (const SizeDatum* s = datum.as<SizeDatum>()) size = *s;
  else fail(error("E0301", expr.span, what + " is a size such as 32x32, this is " + kind_of(datum)));
  if (size.height < 1 || size.width < 1 || size.height > 65536 || size.width > 65536)
    fail(error("E0507", expr.span, what + " is from 1x1 to 65536x65536, this is " + to_text(size)));
  return size;
}

double ConfigReader::quantity(const Expression& expr, const std::string& what, Unit unit, const char* example) {
  const Datum datum = evaluate(expr);
  const QuantityLit* q = datum.as<QuantityLit>();
  if (q && q->unit == unit) return q->value;
  if (q) fail(error("E0307", expr.span, what + " is in " + spelling(unit) + ", this is in " + spelling(q->unit)));
  if (!datum.as<IntDatum>() && !datum.as<double>())
    fail(error("E0301", expr.span, what + " is a quantity such as " + example + ", this is " + kind_of(datum)));
  Diagnostic d = error("E0306", expr.span, what + " has a unit");
  if (expr.as<IntLit>() || expr.as<FloatLit>()) {
    const double bare = expr.as<IntLit>() ? static_cast<double>(expr.as<IntLit>()->value) : expr.as<FloatLit>()->value;
    const bool share = unit == Unit::percent && bare > 0 && bare <= 1;  // 0.1 means 10%
    const std::string fixed =
        (share ? bound_text(std::round(bare * 1e9) / 1e7) : std::string(project_.sources().text(expr.span))) + spelling(unit);
    d.fixes.push_back({fixed, "", {{expr.span, fixed}}});
  }
  fail(std::move(d));
}

double ConfigReader::percent(const Expression& expr, const std::string& what) {
  const double value = quantity(expr, what, Unit::percent, "10%");
  if (value < 0 || value > 100) fail(error("E0507", expr.span, what + " lies between 0% and 100%"));
  return value / 100;
}

double ConfigReader::degrees(const Expression& expr, const std::string& what) {
  const double value = quantity(expr, what, Unit::degrees, "15deg");
  if (value < 0 || value > 180) fail(error("E0507", expr.span, what + " lies between 0deg and 180deg"));
  return value;
}

Duration ConfigReader::duration(const Expression& expr, const std::string& what) {
  const Datum datum = evaluate(expr);
  const QuantityLit* q = datum.as<QuantityLit>();
  if (q && (q->unit == Unit::epochs || q->unit == Unit::steps)) {
    if (q->value < 0) fail(error("E0507", expr.span, what + " is not negative"));
    if (q->unit == Unit::steps && !q->is_integer) fail(error("E0507", expr.span, what + " is a whole number of steps"));
    return {q->value, q->unit == Unit::epochs};
  }
  if (q) fail(error("E0307", expr.span, what + " is in epochs or steps, this is in " + spelling(q->unit)));
  if (!datum.as<IntDatum>() && !datum.as<double>())
    fail(error("E0301", expr.span, what + " is a quantity such as 5epochs, this is " + kind_of(datum)));
  Diagnostic d = error("E0306", expr.span, what + " has a unit, epochs or steps");
  if (expr.as<IntLit>()) {
    const std::string fixed = std::string(project_.sources().text(expr.span)) + "epochs";
    d.fixes.push_back({fixed, "", {{expr.span, fixed}}});
  }
  fail(std::move(d));
}

std::string ConfigReader::word(const Expression& expr, const std::string& what, const std::vector<std::string>& words) {
  const NameRef* ref = expr.as<NameRef>();
  if (ref && std::find(words.begin(), words.end(), ref->name) != words.end()) return ref->name;
  Diagnostic d = error("E0504", expr.span, what + " is one of " + listed(words));
  if (ref)
    if (const std::optional<std::string> close = nearest(ref->name, words)) d.fixes.push_back({*close, "", {{expr.span, *close}}});
  fail(std::move(d));
}

std::vector<std::string> ConfigReader::names_maps(const std::string& module) {
  DiagnosticSink ignored;
  std::vector<std::string> maps;
  if (const Module* loaded = project_.load(module, ignored))
    for (const auto& [name, target] : loaded->names)
      if (target.module == loaded && target.declaration && target.declaration->as<NamesDecl>()) maps.push_back(name);
  return maps;
}

void ConfigReader::entries(const ConfigBody& body, const std::string& where, const std::function<void(const Entry&)>& read) {
  std::map<std::string, Span> seen;
  for (const auto& item : body.items) {
    try {
      if (const Use* use = std::get_if<Use>(&item)) fail(error("E0509", use->span, "`use` stands in recipes, not in " + where));
      const Entry& entry = std::get<Entry>(item);
      if (const auto [previous, fresh] = seen.emplace(entry.key.text, entry.key.span); !fresh) {
        Diagnostic d = error("E0505", entry.key.span, "`" + entry.key.text + "` is given twice");
        d.secondary.push_back({previous->second, "first here"});
        fail(std::move(d));
      }
      read(entry);
    } catch (const Failed&) {
      // Reported; the other keys are worth checking too.
    }
  }
}

std::vector<const Expression*> ConfigReader::items(const Expression& expr) const {
  std::vector<const Expression*> out;
  if (const ListExpr* list = expr.as<ListExpr>()) {
    for (const Expression& item : list->items) out.push_back(&item);
  } else {
    out.push_back(&expr);
  }
  return out;
}

}  // namespace netc
