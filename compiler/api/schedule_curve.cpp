#include "compiler/api/schedule_curve.h"

#include <algorithm>
#include <cmath>

#include "compiler/base/error.h"
#include "runtime/train/recipe_text.h"
#include "runtime/train/schedule.h"

namespace netc {

bool counts_steps(const ScheduleSpec& schedule) {
  const auto in_steps = [](const Duration& d) { return d.count > 0 && !d.in_epochs; };
  if (schedule.averaging_rate && (in_steps(schedule.averaging_from) || in_steps(schedule.anneal))) return true;
  return in_steps(schedule.warmup) || in_steps(schedule.every) || std::any_of(schedule.at.begin(), schedule.at.end(), in_steps);
}

ScheduleCurve schedule_curve(const Recipe& recipe, int64_t samples) {
  constexpr int64_t kLongEpoch = 1000, kPoints = 600;  // steps; of the curve
  NETC_CHECK(samples > 0 || !counts_steps(recipe.schedule), "a schedule in steps needs the number of samples");
  const TrainingLength length{samples > 0 ? steps_per_epoch(recipe, samples) : kLongEpoch, recipe.epochs};
  NETC_CHECK(length.steps() > 0, "a schedule of no steps");
  ScheduleCurve curve;
  const RecipeText text = recipe_text(recipe);
  curve.text = text.at("schedule");
  if (recipe.optimizer.swa) curve.text += ", swa = " + text.at("swa");
  const int64_t points = std::min(kPoints, length.steps());
  for (int64_t i = 0; i < points; ++i) {
    const int64_t step = points == 1 ? 0 : i * (length.steps() - 1) / (points - 1);
    const double rate = learning_rate(recipe.schedule, step, length);
    curve.rates.emplace_back(static_cast<double>(step) / static_cast<double>(length.steps_per_epoch), rate);
    curve.highest = std::max(curve.highest, rate);
  }
  curve.last = curve.rates.back().second;
  return curve;
}

std::string sparkline(const std::vector<std::pair<double, double>>& points, int width) {
  constexpr const char* kBars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  double highest = 0;
  for (const auto& [x, y] : points) highest = std::max(highest, y);
  std::string text;
  const size_t count = points.size(), columns = std::min(count, static_cast<size_t>(width));
  for (size_t i = 0; i < columns; ++i) {
    const size_t begin = i * count / columns, end = (i + 1) * count / columns;
    double sum = 0;
    for (size_t k = begin; k < end; ++k) sum += points[k].second;
    const double share = highest > 0 ? sum / static_cast<double>(end - begin) / highest : 0;
    text += kBars[static_cast<size_t>(std::clamp(std::floor(share * 8), 0.0, 7.0))];
  }
  return text;
}

}  // namespace netc
