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

std::string loss_text(const LossSpec& loss) {
  switch (loss.kind) {
    case LossSpec::Kind::cross_entropy:
      return CallText("cross_entropy").add_unless(0, "label_smoothing", loss.label_smoothing).text();
    case LossSpec::Kind::mse: return "mse()";
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
  }
  throw InternalError("optimizer_text: no such kind");
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
          .add("peak_at", exact(100 * s.peak_at) + "%")
          .add("start_factor", s.start_factor)
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

std::string augment_text(const AugmentSpec& a) {
  switch (a.kind) {
    case AugmentSpec::Kind::crop:
      return CallText("crop").place(size_text(a.height, a.width)).add_unless(0, "pad", static_cast<double>(a.pad)).text();
    case AugmentSpec::Kind::flip_horizontal: return "flip(horizontal)";
    case AugmentSpec::Kind::flip_vertical: return "flip(vertical)";
    case AugmentSpec::Kind::rotate: return CallText("rotate").place(exact(a.amount) + "deg").text();
    case AugmentSpec::Kind::shift: return CallText("shift").place(exact(100 * a.amount) + "%").text();
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

bool depends_on_the_end(const ScheduleSpec& schedule) {
  return schedule.kind == ScheduleSpec::Kind::cosine || schedule.kind == ScheduleSpec::Kind::one_cycle;
}

template <class T>
std::string texts(const std::vector<T>& items, std::string (*text)(const T&)) {
  std::vector<std::string> all;
  for (const T& item : items) all.push_back(text(item));
  return list_text(all);
}

}  // namespace

RecipeText recipe_text(const Recipe& recipe) {
  RecipeText text = {{"network", recipe.network},
                     {"loss", loss_text(recipe.loss)},
                     {"optimizer", optimizer_text(recipe.optimizer)},
                     {"schedule", schedule_text(recipe.schedule)},
                     {"augment", texts(recipe.augment, augment_text)},
                     {"preprocess", texts(recipe.dataset.preprocess, preprocess_text)},
                     {"normalize", normalize_text(recipe.dataset)}};
  if (depends_on_the_end(recipe.schedule)) text["epochs"] = std::to_string(recipe.epochs);
  return text;
}

}  // namespace netc
