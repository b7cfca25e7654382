// `loss = cross_entropy(...)` and `optimizer = sgd(...)`: what is minimised, and how.
#include "compiler/sema/recipe_values.h"

namespace netc {
namespace {

// One weight a class.
std::vector<double> read_class_weights(ConfigReader& reader, const Constructor& c) {
  if (!reader.has(c, "weights")) return {};
  const Expression& value = *c.fields.at("weights");
  std::vector<double> weights;
  for (const Expression* item : reader.items(value)) weights.push_back(reader.real(*item, "a class's weight", {0, 1e6, true}));
  return weights;
}

}  // namespace

const std::vector<ConstructorDef>& losses() {
  static const std::vector<ConstructorDef> known = {
      {"cross_entropy", {"label_smoothing", "weights", "ignore"}},
      {"mse", {}},
      {"binary_cross_entropy", {"label_smoothing"}},
      {"smooth_l1", {"beta"}},
  };
  return known;
}

const std::vector<ConstructorDef>& optimizers() {
  static const std::vector<ConstructorDef> known = {
      {"sgd", {"momentum", "weight_decay", "nesterov", "dampening"}},
      {"adam", {"beta1", "beta2", "eps", "weight_decay"}},
      {"adamw", {"beta1", "beta2", "eps", "weight_decay"}},
      {"rmsprop", {"alpha", "eps", "momentum", "weight_decay", "centered"}},
  };
  return known;
}

const std::vector<ConstructorDef>& clippings() {
  static const std::vector<ConstructorDef> known = {{"norm", {"limit"}}, {"value", {"limit"}}};
  return known;
}

LossSpec read_loss(ConfigReader& reader, const Expression& value) {
  const Constructor c = reader.constructor(value, losses(), "a loss");
  LossSpec spec;
  spec.kind = c.name == "mse"                    ? LossSpec::Kind::mse
              : c.name == "binary_cross_entropy" ? LossSpec::Kind::binary_cross_entropy
              : c.name == "smooth_l1"            ? LossSpec::Kind::smooth_l1
                                                 : LossSpec::Kind::cross_entropy;
  spec.label_smoothing = reader.real(c, "label_smoothing", 0, {0, 1});
  spec.beta = reader.real(c, "beta", 1, {0, 1000, true});
  // `balanced`: the data say them.
  const NameRef* word = reader.has(c, "weights") ? c.fields.at("weights")->as<NameRef>() : nullptr;
  spec.balanced = word && word->name == "balanced";
  if (word && !spec.balanced && nearest(word->name, {"balanced"})) {
    Diagnostic d = reader.error("E0504", c.fields.at("weights")->span, "`weights` of `cross_entropy` is a list, one weight a class, or the word balanced");
    d.fixes.push_back({"balanced", "", {{c.fields.at("weights")->span, "balanced"}}});
    reader.fail(std::move(d));
  }
  if (!spec.balanced) spec.class_weights = read_class_weights(reader, c);
  if (reader.has(c, "ignore"))
    spec.ignored_label = reader.integer(*c.fields.at("ignore"), "`ignore` of `cross_entropy`", -(int64_t{1} << 31), int64_t{1} << 31);
  return spec;
}

// Of a decay: with 1 the average never moves.
constexpr Bounds kBelowOne{.low = 0, .high = 1, .high_excluded = true};

void read_optimizer(ConfigReader& reader, const Expression& value, OptimizerSpec& spec) {
  using Kind = OptimizerSpec::Kind;
  const Constructor c = reader.constructor(value, optimizers(), "an optimizer", {"lars", "lamb", "adagrad"});
  spec.kind = c.name == "sgd" ? Kind::sgd : c.name == "adam" ? Kind::adam : c.name == "adamw" ? Kind::adamw : Kind::rmsprop;
  spec.momentum = reader.real(c, "momentum", 0, kBelowOne);
  spec.dampening = reader.real(c, "dampening", 0, {0, 1});
  spec.nesterov = reader.boolean(c, "nesterov", false);
  spec.beta1 = reader.real(c, "beta1", 0.9, kBelowOne);
  spec.beta2 = reader.real(c, "beta2", 0.999, kBelowOne);
  spec.alpha = reader.real(c, "alpha", 0.99, kBelowOne);
  spec.centered = reader.boolean(c, "centered", false);
  spec.epsilon = reader.real(c, "eps", 1e-8, {0, 1, true});
  spec.weight_decay = reader.real(c, "weight_decay", spec.kind == Kind::adamw ? 0.01 : 0, {0, 1});
  if (spec.nesterov && (spec.momentum == 0 || spec.dampening != 0)) {
    Diagnostic d = reader.error("E0507", c.span, "nesterov needs a momentum above 0 and no dampening");
    d.fixes.push_back({"momentum = 0.9", "", {}});
    reader.fail(std::move(d));
  }
}

void read_clip(ConfigReader& reader, const Expression& value, OptimizerSpec& spec) {
  const Constructor c = reader.constructor(value, clippings(), "a way to clip gradients");
  reader.require(c, "limit");
  const double limit = reader.real(c, "limit", 0, {0, 1e30, true});
  spec.clip_norm = c.name == "norm" ? limit : 0;
  spec.clip_value = c.name == "value" ? limit : 0;
}

// `dynamic`, or a number: a fixed scale.
LossScaleSpec read_loss_scale(ConfigReader& reader, const Expression& value) {
  LossScaleSpec spec;
  const Bounds bounds{kLeastLossScale, kGreatestLossScale};
  if (!value.as<Call>() && !value.as<NameRef>()) {
    spec.dynamic = false;
    spec.initial = reader.real(value, "`loss_scale`", bounds);
    return spec;
  }
  const Constructor c =
      reader.constructor(value, {{"dynamic", {"initial", "growth_interval"}}}, "a loss scale (`dynamic`, or a number)");
  spec.initial = reader.real(c, "initial", spec.initial, bounds);
  if (reader.has(c, "growth_interval"))
    spec.growth_interval = reader.integer(*c.fields.at("growth_interval"), "`growth_interval` of `dynamic`", 1, 1 << 20);
  return spec;
}

std::vector<ParameterGroup> read_groups(ConfigReader& reader, const Expression& value) {
  std::vector<ParameterGroup> groups;
  for (const Expression* item : reader.items(value)) {
    const Constructor c = reader.constructor(*item, {{"group", {"paths", "lr", "weight_decay"}}}, "a group of parameters");
    reader.require(c, "paths");
    ParameterGroup group;
    const Expression& paths = *c.fields.at("paths");
    if (const NameRef* ref = paths.as<NameRef>(); ref && ref->name == "vectors") group.glob = "";
    else if (ref && nearest(ref->name, {"vectors"})) {
      Diagnostic d = reader.error("E0504", paths.span, "`paths` of `group` is a pattern, or the word vectors");
      d.fixes.push_back({"vectors", "", {{paths.span, "vectors"}}});
      reader.fail(std::move(d));
    } else group.glob = reader.text(paths, "`paths` of `group`");
    group.rate = reader.real(c, "lr", 1, {0, 1e6});
    group.decay = reader.real(c, "weight_decay", 1, {0, 1e6});
    if (c.fields.size() == 1) reader.fail(reader.error("E0105", c.span, "`group` needs a factor: `lr`, `weight_decay`"));
    groups.push_back(std::move(group));
  }
  if (groups.size() > 16) reader.fail(reader.error("E0507", value.span, "there are at most 16 groups"));
  return groups;
}

}  // namespace netc
