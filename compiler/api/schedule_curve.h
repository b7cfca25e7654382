// A recipe's schedule of learning rates, to be seen before a training begins.
//
//   std::optional<ScheduleCurve> curve = schedule_curve(recipe, 50000);
//   sparkline(curve->rates, 60)       "▁▃▅▇█▇▅▃▂▁"
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compiler/base/recipe.h"

namespace netc {

struct ScheduleCurve {
  std::string text;  // as the recipe says: "[warmup(1epochs), cosine(peak = 0.1)]"
  std::vector<std::pair<double, double>> rates;  // (epoch, learning rate), from the first step to the last
  double highest = 0, last = 0;
};

// Whether the schedule has positions in steps, which are epochs only when the number of samples is known.
bool counts_steps(const ScheduleSpec& schedule);

// `samples`: of the training data, 0 if they are not known; then the schedule must not count steps, and is drawn as that of
// long epochs. A plateau, which the loss decides, is drawn without a decay.
// REQUIRES: samples > 0 or !counts_steps(recipe.schedule); at least one step.
ScheduleCurve schedule_curve(const Recipe& recipe, int64_t samples);

// `width` characters, each the mean of its part, from 0 to the highest value.
std::string sparkline(const std::vector<std::pair<double, double>>& points, int width);

}  // namespace netc
