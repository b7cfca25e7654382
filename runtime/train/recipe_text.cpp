#include "runtime/train/recipe_text.h"

#include <charconv>
#include <vector>

#include "compiler/base/error.h"

namespace netc {
namespace {

// The fewest digits that give the same number back.
std::string exact(double value) {
  char text[64];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  NETC_CHECK(error == std::errc(), "a number too long");
  return {text, end};
}

std::string size_text(int64_t height, int64_t width) { return std::to_string(height) + "x" + std::to_string(width); }

std::string percent_text(double share) { return exact(100 * share) + "%"; }

std::string duration_text(const Duration& d) { return exact(d.count) + (d.in_epochs ? "epochs" : "steps"); }

std::string list_text(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ", ") + item;
  return "[" + text + "]";
}

// "name(a = 1, b = 2)": the arguments that were added.
class CallText {
 public:
  explicit CallText(std::string name) : name_(std::move(name)) {}
  CallText& add(const char* field, const std::string& value) {
    arguments_ += (arguments_.empty() ? "" : ", ") + std::string(field) + " = " + value;
    return *this;
  }
  CallText& add(const char* field, double value) { return add(field, exact(value)); }
  // Left out where it has the value that does nothing.
  CallText& add_unless(double nothing, const char* field, double value) {
    return value == nothing ? *this : add(field, value);
  }
  CallText& place(const std::string& value) {
    arguments_ += (arguments_.empty() ? "" : ", ") + value;
    return *this;
  }
  std::string text() const { return name_ + "(" + arguments_ + ")"; }

 private:
  std::string name_, arguments_;
};

template <class T>
std::string texts(const std::vector<T>& items, std::string (*text)(const T&)) {
  std::vector<std::string> all;
  for (const T& item : items) all.push_back(text(item));
  return list_text(all);
}

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

std::string loss_text(const LossSpec& loss) {
  switch (loss.kind) {
    case LossSpec::Kind::cross_entropy: {
      CallText call("cross_entropy");
      call.add_unless(0, "label_smoothing", loss.label_smoothing);
      std::vector<std::string> weights;
      for (double weight : loss.class_weights) weights.push_back(exact(weight));
      if (!weights.empty()) call.add("weights", list_text(weights));
      if (loss.ignored_label) call.add("ignore", static_cast<double>(*loss.ignored_label));
      return call.text();
    }
    case LossSpec::Kind::mse: return "mse()";
    case LossSpec::Kind::binary_cross_entropy:
      return CallText("binary_cross_entropy").add_unless(0, "label_smoothing", loss.label_smoothing).text();
    case LossSpec::Kind::smooth_l1: return CallText("smooth_l1").add("beta", loss.beta).text();
  }
  throw InternalError("loss_text: no such kind");
}

std::string optimizer_text(const OptimizerSpec& o) {
  switch (o.kind) {
    case OptimizerSpec::Kind::sgd: {
      CallText call("sgd");
      call.add_unless(0, "momentum", o.momentum).add_unless(0, "weight_decay", o.weight_decay);
      call.add_unless(0, "dampening", o.dampening);
      if (o.nesterov) call.add("nesterov", "true");
      return call.text();
    }
    case OptimizerSpec::Kind::adam:
    case OptimizerSpec::Kind::adamw:
      return CallText(o.kind == OptimizerSpec::Kind::adam ? "adam" : "adamw")
          .add("beta1", o.beta1)
          .add("beta2", o.beta2)
          .add("eps", o.epsilon)
          .add_unless(0, "weight_decay", o.weight_decay)
          .text();
    case OptimizerSpec::Kind::rmsprop: {
      CallText call("rmsprop");
      call.add("alpha", o.alpha).add("eps", o.epsilon).add_unless(0, "momentum", o.momentum);
      call.add_unless(0, "weight_decay", o.weight_decay);
      if (o.centered) call.add("centered", "true");
      return call.text();
    }
  }
  throw InternalError("optimizer_text: no such kind");
}

std::string group_text(const ParameterGroup& g) {
  return CallText("group")
      .place(g.glob.empty() ? "vectors" : quoted(g.glob))
      .add_unless(1, "lr", g.rate)
      .add_unless(1, "weight_decay", g.decay)
      .text();
}

std::string weights_text(const WeightsSpec& w) {
  CallText call("load");
  call.place(quoted(w.path));
  if (!w.names.empty()) call.add("names", w.names);
  if (!w.except.empty()) call.add("except", texts(w.except, quoted));
  if (!w.strict) call.add("strict", "false");
  return call.text();
}

std::string distill_text(const DistillSpec& d) {
  CallText call("teacher");
  call.place(d.network);
  if (d.weights) call.add("weights", weights_text(*d.weights));
  return call.add("temperature", d.temperature).add("share", percent_text(d.share)).text();
}

std::string course_text(const ScheduleSpec& s) {
  switch (s.kind) {
    case ScheduleSpec::Kind::constant: return CallText("constant").add("lr", s.peak).text();
    case ScheduleSpec::Kind::step:
      return CallText("step").add("peak", s.peak).add("gamma", s.gamma).add("every", duration_text(s.every)).text();
    case ScheduleSpec::Kind::multi_step: {
      std::vector<std::string> at;
      for (const Duration& d : s.at) at.push_back(duration_text(d));
      return CallText("multi_step").add("peak", s.peak).add("at", list_text(at)).add("gamma", s.gamma).text();
    }
    case ScheduleSpec::Kind::exponential:
      return CallText("exponential").add("peak", s.peak).add("gamma", s.gamma).add("every", duration_text(s.every)).text();
    case ScheduleSpec::Kind::cosine: return CallText("cosine").add("peak", s.peak).add_unless(0, "floor", s.floor).text();
    case ScheduleSpec::Kind::one_cycle:
      return CallText("one_cycle")
          .add("peak", s.peak)
          .add("peak_at", percent_text(s.peak_at))
          .add("start_factor", s.start_factor)
          .add_unless(0, "floor", s.floor)
          .text();
    case ScheduleSpec::Kind::polynomial:
      return CallText("polynomial").add("peak", s.peak).add("power", s.power).add_unless(0, "floor", s.floor).text();
    case ScheduleSpec::Kind::restarts:
      return CallText("restarts")
          .add("peak", s.peak)
          .add("first", duration_text(s.every))
          .add_unless(1, "growth", s.growth)
          .add_unless(0, "floor", s.floor)
          .text();
    case ScheduleSpec::Kind::plateau:
      return CallText("plateau")
          .add("peak", s.peak)
          .add("gamma", s.gamma)
          .add("patience", duration_text({static_cast<double>(s.patience), true}))
          .add_unless(0, "floor", s.floor)
          .text();
  }
  throw InternalError("course_text: no such kind");
}

std::string schedule_text(const ScheduleSpec& s) {
  if (s.warmup.count == 0) return course_text(s);
  const std::string warmup =
      CallText("warmup").place(duration_text(s.warmup)).add_unless(0, "start", s.warmup_start).text();
  return list_text({warmup, course_text(s)});
}

std::string swa_text(const SwaSpec& swa) {
  CallText call("average");
  call.add("start", duration_text(swa.start)).add("every", duration_text(swa.every));
  if (swa.rate) call.add("lr", *swa.rate);
  if (swa.anneal.count > 0) call.add("anneal", duration_text(swa.anneal));
  return call.text();
}

std::string augment_text(const AugmentSpec& a) {
  switch (a.kind) {
    case AugmentSpec::Kind::crop:
      return CallText("crop").place(size_text(a.height, a.width)).add_unless(0, "pad", static_cast<double>(a.pad)).text();
    case AugmentSpec::Kind::flip_horizontal: return "flip(horizontal)";
    case AugmentSpec::Kind::flip_vertical: return "flip(vertical)";
    case AugmentSpec::Kind::rotate: return CallText("rotate").place(exact(a.amount) + "deg").text();
    case AugmentSpec::Kind::shift: return CallText("shift").place(percent_text(a.amount)).text();
    case AugmentSpec::Kind::random_resized_crop:
      return CallText("random_resized_crop").place(size_text(a.height, a.width)).add("area", percent_text(a.amount)).text();
    case AugmentSpec::Kind::scale: return CallText("scale").place(percent_text(a.amount)).text();
    case AugmentSpec::Kind::shear: return CallText("shear").place(exact(a.amount) + "deg").text();
    case AugmentSpec::Kind::color_jitter:
      return CallText("color_jitter")
          .add("brightness", percent_text(a.brightness))
          .add("contrast", percent_text(a.contrast))
          .add("saturation", percent_text(a.saturation))
          .add("hue", percent_text(a.hue))
          .text();
    case AugmentSpec::Kind::grayscale: return CallText("grayscale").place(percent_text(a.probability)).text();
    case AugmentSpec::Kind::posterize:
      return CallText("posterize").place(exact(a.amount)).add("probability", percent_text(a.probability)).text();
    case AugmentSpec::Kind::solarize:
      return CallText("solarize").place(exact(a.amount)).add("probability", percent_text(a.probability)).text();
    case AugmentSpec::Kind::invert: return CallText("invert").place(percent_text(a.probability)).text();
    case AugmentSpec::Kind::autocontrast: return CallText("autocontrast").place(percent_text(a.probability)).text();
    case AugmentSpec::Kind::equalize: return CallText("equalize").place(percent_text(a.probability)).text();
    case AugmentSpec::Kind::sharpness:
      return CallText("sharpness").place(exact(a.amount)).add("probability", percent_text(a.probability)).text();
    case AugmentSpec::Kind::erase:
      return CallText("erase").place(percent_text(a.probability)).add("area", percent_text(a.amount)).text();
    case AugmentSpec::Kind::cutout: return CallText("cutout").place(size_text(a.height, a.width)).text();
    case AugmentSpec::Kind::mixup: return CallText("mixup").place(exact(a.amount)).text();
    case AugmentSpec::Kind::cutmix: return CallText("cutmix").place(exact(a.amount)).text();
    case AugmentSpec::Kind::rand_augment:
      return CallText("rand_augment")
          .add("count", static_cast<double>(a.count))
          .add("magnitude", static_cast<double>(a.magnitude))
          .text();
    case AugmentSpec::Kind::trivial_augment: return "trivial_augment";
  }
  throw InternalError("augment_text: no such kind");
}

std::string preprocess_text(const PreprocessSpec& p) {
  const bool shorter_side = p.kind == PreprocessSpec::Kind::resize && p.width == 0;
  return CallText(p.kind == PreprocessSpec::Kind::resize ? "resize" : "center_crop")
      .place(shorter_side ? std::to_string(p.height) : size_text(p.height, p.width))
      .text();
}

std::string normalize_text(const DatasetSpec& dataset) {
  if (dataset.mean.empty()) return "none";
  std::vector<std::string> mean, std;
  for (double m : dataset.mean) mean.push_back(exact(m));
  for (double d : dataset.std) std.push_back(exact(d));
  return CallText("channels").add("mean", list_text(mean)).add("std", list_text(std)).text();
}

std::string precision_text(const PrecisionSpec& p) {
  std::vector<std::string> items{std::string(name_of(p.type))};
  for (const PrecisionSpec::Layers& layers : p.layers)
    items.push_back(CallText(std::string(name_of(layers.type))).place("\"" + layers.pattern + "\"").text());
  return items.size() == 1 ? items[0] : list_text(items);
}

std::string loss_scale_text(const LossScaleSpec& s) {
  if (!s.dynamic) return exact(s.initial);
  return CallText("dynamic").add("initial", s.initial).add("growth_interval", static_cast<double>(s.growth_interval)).text();
}

bool depends_on_the_end(const ScheduleSpec& schedule) {
  using Kind = ScheduleSpec::Kind;
  return schedule.kind == Kind::cosine || schedule.kind == Kind::one_cycle || schedule.kind == Kind::polynomial;
}

}  // namespace

RecipeText recipe_text(const Recipe& recipe) {
  RecipeText text = {{"network", recipe.network},
                     {"loss", loss_text(recipe.loss)},
                     {"optimizer", optimizer_text(recipe.optimizer)},
                     {"schedule", schedule_text(recipe.schedule)},
                     {"augment", texts(recipe.augment, augment_text)},
                     {"precision", precision_text(recipe.precision)},
                     {"winograd", recipe.winograd ? "on" : "off"},
                     {"preprocess", texts(training_preprocess(recipe), preprocess_text)},
                     {"normalize", normalize_text(recipe.dataset)}};
  const OptimizerSpec& o = recipe.optimizer;
  if (!recipe.groups.empty()) text["groups"] = texts(recipe.groups, group_text);
  if (!recipe.freeze.empty()) text["freeze"] = texts(recipe.freeze, quoted);
  if (recipe.weights) text["weights"] = weights_text(*recipe.weights);
  if (recipe.distill) text["distill"] = distill_text(*recipe.distill);
  if (o.clip_norm > 0) text["clip"] = CallText("norm").place(exact(o.clip_norm)).text();
  if (o.clip_value > 0) text["clip"] = CallText("value").place(exact(o.clip_value)).text();
  if (o.ema > 0) text["ema"] = exact(o.ema);
  if (o.swa) text["swa"] = swa_text(*o.swa);
  if (recipe.precision.uses(Precision::f16)) text["loss_scale"] = loss_scale_text(recipe.loss_scale);
  if (o.accumulate != 1) text["accumulate"] = std::to_string(o.accumulate);
  if (recipe.dataset.validation > 0) text["validation"] = percent_text(recipe.dataset.validation);
  if (recipe.dataset.subset > 0) text["subset"] = std::to_string(recipe.dataset.subset);
  if (recipe.dataset.skip_corrupt) text["corrupt"] = "skip";
  if (recipe.copies != 1) text["copies"] = std::to_string(recipe.copies);
  if (depends_on_the_end(recipe.schedule)) text["epochs"] = std::to_string(recipe.epochs);
  return text;
}

}  // namespace netc
