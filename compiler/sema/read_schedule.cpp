// `schedule = [warmup(5epochs), cosine(peak = 0.4)]`: the course of the learning rate; `swa = average(start = 15epochs)`: which
// steps' weights are averaged.
#include <cmath>
#include <map>

#include "compiler/sema/recipe_values.h"

namespace netc {
namespace {

ScheduleSpec::Kind kind_of_course(const std::string& name) {
  using Kind = ScheduleSpec::Kind;
  static const std::map<std::string, Kind> kinds = {
      {"constant", Kind::constant},       {"step", Kind::step},           {"multi_step", Kind::multi_step},
      {"exponential", Kind::exponential}, {"cosine", Kind::cosine},       {"one_cycle", Kind::one_cycle},
      {"polynomial", Kind::polynomial},   {"restarts", Kind::restarts},   {"plateau", Kind::plateau},
  };
  return kinds.at(name);
}

}  // namespace

const std::vector<ConstructorDef>& schedules() {
  static const std::vector<ConstructorDef> known = {
      {"warmup", {"length", "start"}},
      {"constant", {"lr"}},
      {"step", {"peak", "gamma", "every"}},
      {"multi_step", {"peak", "at", "gamma"}},
      {"exponential", {"peak", "gamma", "every"}},
      {"cosine", {"peak", "floor"}},
      {"one_cycle", {"peak", "peak_at", "start_factor", "floor"}},
      {"polynomial", {"peak", "power", "floor"}},
      {"restarts", {"peak", "first", "growth", "floor"}},
      {"plateau", {"peak", "gamma", "patience", "floor"}},
  };
  return known;
}

const std::vector<ConstructorDef>& averagings() {
  static const std::vector<ConstructorDef> known = {{"average", {"start", "every", "lr", "anneal"}}};
  return known;
}

SwaSpec read_swa(ConfigReader& reader, const Expression& value) {
  const Constructor c = reader.constructor(value, averagings(), "an average of weights such as average(start = 15epochs)");
  const auto read = [&](const char* field) {
    const Duration length = reader.duration(*c.fields.at(field), "`" + std::string(field) + "` of `average`");
    if (length.count <= 0) reader.fail(reader.error("E0507", c.fields.at(field)->span, "`" + std::string(field) + "` is above 0"));
    return length;
  };
  reader.require(c, "start");
  SwaSpec spec;
  spec.start = read("start");
  if (reader.has(c, "every")) spec.every = read("every");
  if (reader.has(c, "lr")) spec.rate = reader.real(c, "lr", 0, {0, 1000, true});
  if (reader.has(c, "anneal")) {
    spec.anneal = read("anneal");
    if (!spec.rate) {
      Diagnostic d = reader.error("E0503", c.fields.at("anneal")->span, "`anneal` leads to a learning rate, `lr`");
      d.fixes.push_back({"lr = 0.05", "", {}});
      reader.fail(std::move(d));
    }
  }
  return spec;
}

ScheduleSpec read_schedule(ConfigReader& reader, const Expression& value) {
  ScheduleSpec spec;
  const Bounds positive{0, 1000, true};
  bool has_main = false, has_warmup = false;
  for (const Expression* item : reader.items(value)) {
    const Constructor c = reader.constructor(*item, schedules(), "a schedule");
    if (c.name == "warmup") {
      if (has_warmup) reader.fail(reader.error("E0505", c.span, "a schedule has one warm-up"));
      if (has_main) reader.fail(reader.error("E0504", c.span, "`warmup` comes first"));
      has_warmup = true;
      reader.require(c, "length");
      spec.warmup = reader.duration(*c.fields.at("length"), "`length` of `warmup`");
      spec.warmup_start = reader.real(c, "start", 0, {0, 1});
      continue;
    }
    if (has_main) reader.fail(reader.error("E0505", c.span, "a schedule is one warm-up and one course after it"));
    has_main = true;
    const bool constant = c.name == "constant";
    std::optional<Duration> first;  // of restarts
    reader.require(c, constant ? "lr" : "peak");
    spec.peak = reader.real(c, constant ? "lr" : "peak", 0, positive);
    spec.floor = reader.real(c, "floor", 0, {0, spec.peak});
    spec.kind = kind_of_course(c.name);
    spec.power = reader.real(c, "power", 1, {0, 100, true});
    spec.growth = reader.real(c, "growth", 1, {1, 100});
    if (c.name == "restarts") {
      reader.require(c, "first");
      first = reader.duration(*c.fields.at("first"), "`first` of `restarts`");
      if (first->count <= 0) reader.fail(reader.error("E0507", c.fields.at("first")->span, "`first` is above 0"));
    }
    if (c.name == "plateau") {
      const Duration patience = reader.has(c, "patience") ? reader.duration(*c.fields.at("patience"), "`patience` of `plateau`") : Duration{10, true};
      if (!patience.in_epochs || patience.count != std::floor(patience.count))
        reader.fail(reader.error("E0507", c.fields.at("patience")->span, "`patience` is a whole number of epochs"));
      spec.patience = static_cast<int64_t>(patience.count);
    }
    if (c.name == "step" || c.name == "multi_step" || c.name == "exponential" || c.name == "plateau") {
      if (c.name == "exponential") reader.require(c, "gamma");
      spec.gamma = reader.real(c, "gamma", 0.1, {0, 1, true});
    }
    if (c.name == "step") reader.require(c, "every");
    spec.every = first.value_or(Duration{1, true});
    if (reader.has(c, "every")) {
      spec.every = reader.duration(*c.fields.at("every"), "`every` of `" + c.name + "`");
      if (spec.every.count <= 0) reader.fail(reader.error("E0507", c.fields.at("every")->span, "`every` is above 0"));
    }
    if (c.name == "multi_step") {
      reader.require(c, "at");
      for (const Expression* at : reader.items(*c.fields.at("at"))) {
        spec.at.push_back(reader.duration(*at, "a milestone"));
        if (spec.at.size() > 1 && (spec.at.back().in_epochs != spec.at.front().in_epochs ||
                                   spec.at.back().count <= spec.at[spec.at.size() - 2].count))
          reader.fail(reader.error("E0507", at->span, "milestones rise, and have one unit"));
      }
    }
    if (c.name == "one_cycle") {
      if (reader.has(c, "peak_at")) spec.peak_at = reader.percent(*c.fields.at("peak_at"), "`peak_at` of `one_cycle`");
      spec.start_factor = reader.real(c, "start_factor", 0.04, {0, 1, true});
    }
  }
  if (!has_main) {
    Diagnostic d = reader.error("E0503", value.span, "a schedule says the course after the warm-up");
    d.fixes.push_back({"[warmup(5epochs), cosine(peak = 0.1)]", "", {}});
    reader.fail(std::move(d));
  }
  return spec;
}

}  // namespace netc
