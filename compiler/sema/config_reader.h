// Reads the values of recipes and data sets: `sgd(momentum = 0.9)`, `[warmup(5epochs), cosine(peak = 0.4)]`.
//
// What stands right of `key =` is a number, a word, or a call of a *constructor*: a name with fields.
// A constructor is described by its fields in positional order; every field that is not known is an
// error with a suggestion, every number is checked against its range and unit.
//
//   ConfigReader reader(...);
//   Constructor c = reader.constructor(expr, {{"sgd", {"momentum", ...}}, {"adam", {...}}}, "an optimizer");
//   if (c.name == "sgd") spec.momentum = reader.real(c, "momentum", 0, {0, 1});
#pragma once

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "compiler/base/recipe.h"
#include "compiler/sema/elaborator.h"

namespace netc {

struct ConstructorDef {
  std::string name;
  std::vector<std::string> fields;  // in positional order
};

struct Constructor {
  std::string name;
  Span span;
  std::map<std::string, const Expression*> fields;
};

struct Bounds {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_excluded = false, high_excluded = false;
};

class ConfigReader {
 public:
  ConfigReader(Project& project, const Module& module, Elaborator& elaborator)
      : project_(project), module_(module), elaborator_(elaborator) {}

  // `what`: "an optimizer", for messages. All THROW Failed after they report an error.
  Constructor constructor(const Expression& expr, const std::vector<ConstructorDef>& known, const std::string& what,
                          const std::vector<std::string>& later = {});
  bool has(const Constructor& c, const std::string& field) const { return c.fields.count(field) > 0; }
  void require(const Constructor& c, const std::string& field);

  int64_t integer(const Expression& expr, const std::string& what, int64_t low, int64_t high);
  double real(const Expression& expr, const std::string& what, Bounds bounds = {});
  double real(const Constructor& c, const std::string& field, double fallback, Bounds bounds = {});
  bool boolean(const Constructor& c, const std::string& field, bool fallback);
  std::string text(const Expression& expr, const std::string& what);
  std::vector<std::string> texts(const Expression& expr, const std::string& what);
  std::vector<double> reals(const Expression& expr, const std::string& what);
  SizeDatum size(const Expression& expr, const std::string& what);
  double percent(const Expression& expr, const std::string& what);
  double degrees(const Expression& expr, const std::string& what);
  Duration duration(const Expression& expr, const std::string& what);
  std::string word(const Expression& expr, const std::string& what, const std::vector<std::string>& words);
  // The items of a list, or the expression itself where there is no list.
  std::vector<const Expression*> items(const Expression& expr) const;

  // Calls `read` for each entry of a body, which may fail without harm to the others. Errors are a key that is given twice
  // (E0505) and a `use` (E0509); `where`: "data sets", in which none stands.
  void entries(const ConfigBody& body, const std::string& where, const std::function<void(const Entry&)>& read);

  [[noreturn]] void fail(Diagnostic diagnostic) { elaborator_.fail(std::move(diagnostic)); }
  Diagnostic error(std::string code, Span span, std::string message, std::string label = {}) const {
    return elaborator_.error(std::move(code), span, std::move(message), std::move(label));
  }
  const Module& module() const { return module_; }
  // The name maps that a module of the standard library declares.
  std::vector<std::string> names_maps(const std::string& module);
  std::string source_text(const Expression& expr) const { return std::string(project_.sources().text(expr.span)); }

 private:
  Datum evaluate(const Expression& expr) { return elaborator_.evaluate_in(module_, expr); }
  double quantity(const Expression& expr, const std::string& what, Unit unit, const char* example);

  Project& project_;
  const Module& module_;
  Elaborator& elaborator_;
};

}  // namespace netc
