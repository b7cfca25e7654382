#include "runtime/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "compiler/base/error.h"

namespace netc {
namespace {

// From `from` at share 0 to `to` at share 1, along half a cosine.
double cosine_between(double from, double to, double share) {
  return to + (from - to) / 2 * (1 + std::cos(std::numbers::pi * share));
}

double one_cycle(const ScheduleSpec& s, int64_t step, int64_t steps) {
  const double t = static_cast<double>(step), last = static_cast<double>(steps) - 1;
  const double top =
      std::max(s.peak_at * static_cast<double>(steps) - 1, 0.0);  // trainings of a few steps start there
  if (t < top) return cosine_between(s.peak * s.start_factor, s.peak, t / top);
  return last > top ? cosine_between(s.peak, s.floor, (t - top) / (last - top)) : s.peak;
}

// How many whole periods lie before `step`. A period of 0 stands for one epoch.
double decays(const Duration& every, int64_t step, const TrainingLength& length) {
  int64_t period = every.count > 0 ? to_steps(every, length) : length.steps_per_epoch;
  return static_cast<double>(step / std::max<int64_t>(period, 1));
}

double restarts(const ScheduleSpec& s, int64_t after, const TrainingLength& length) {
  double period = static_cast<double>(std::max<int64_t>(to_steps(s.every, length), 1)), t = static_cast<double>(after);
  while (t >= period) {
    t -= period;
    period *= s.growth;
  }
  return cosine_between(s.peak, s.floor, t / period);
}

// Without averaging.
double scheduled_rate(const ScheduleSpec& s, int64_t step, const TrainingLength& length, const PlateauState& plateau) {
  const int64_t warmup = to_steps(s.warmup, length);
  if (step < warmup) {
    double share = static_cast<double>(step) / static_cast<double>(warmup);
    return s.peak * (s.warmup_start + (1 - s.warmup_start) * share);
  }
  const int64_t after = step - warmup, left = std::max<int64_t>(length.steps() - warmup, 1);
  switch (s.kind) {
    case ScheduleSpec::Kind::constant:
      return s.peak;
    case ScheduleSpec::Kind::step:
    case ScheduleSpec::Kind::exponential:
      return s.peak * std::pow(s.gamma, decays(s.every, step, length));
    case ScheduleSpec::Kind::multi_step: {
      auto passed = std::count_if(s.at.begin(), s.at.end(), [&](const Duration& milestone) {
        return to_steps(milestone, length) <= step;
      });
      return s.peak * std::pow(s.gamma, static_cast<double>(passed));
    }
    case ScheduleSpec::Kind::cosine:
      return cosine_between(s.peak, s.floor, static_cast<double>(after) / static_cast<double>(left));
    case ScheduleSpec::Kind::one_cycle:
      return one_cycle(s, after, left);
    case ScheduleSpec::Kind::polynomial:
      return s.floor + (s.peak - s.floor) * std::pow(1 - static_cast<double>(after) / static_cast<double>(left), s.power);
    case ScheduleSpec::Kind::restarts:
      return restarts(s, after, length);
    case ScheduleSpec::Kind::plateau:
      return std::max(s.peak * plateau.factor, s.floor);
  }
  throw InternalError("scheduled_rate: no such kind");
}

}  // namespace

int64_t to_steps(const Duration& duration, const TrainingLength& length) {
  double steps = duration.count * (duration.in_epochs ? static_cast<double>(length.steps_per_epoch) : 1.0);
  return static_cast<int64_t>(std::llround(std::clamp(steps, 0.0, 1e15)));
}

int64_t steps_per_epoch(const Recipe& recipe, int64_t samples) {
  return samples * recipe.copies / (recipe.batch * recipe.optimizer.accumulate);
}

void observe_epoch(const ScheduleSpec& s, double loss, PlateauState& plateau) {
  if (s.kind != ScheduleSpec::Kind::plateau) return;
  constexpr double kThreshold = 1e-4;  // relative: less progress is none
  if (!plateau.best || loss < *plateau.best * (1 - kThreshold)) {
    plateau.best = loss;
    plateau.waited = 0;
  } else if (++plateau.waited > s.patience) {
    plateau.factor *= s.gamma;
    plateau.waited = 0;
  }
}

int64_t averaged_models(const SwaSpec& swa, int64_t step, const TrainingLength& length) {
  const int64_t start = to_steps(swa.start, length), every = std::max<int64_t>(to_steps(swa.every, length), 1);
  return step < start ? 0 : (step - start) / every + 1;
}

double learning_rate(const ScheduleSpec& schedule, int64_t step, const TrainingLength& length, const PlateauState& plateau) {
  const int64_t from = to_steps(schedule.averaging_from, length);
  if (!schedule.averaging_rate || step < from) return scheduled_rate(schedule, step, length, plateau);
  const double anneal = static_cast<double>(std::max<int64_t>(to_steps(schedule.anneal, length), 1));
  const double share = std::min(static_cast<double>(step - from + (schedule.anneal.count > 0 ? 0 : 1)) / anneal, 1.0);
  return cosine_between(scheduled_rate(schedule, from, length, plateau), *schedule.averaging_rate, share);
}

}  // namespace netc
