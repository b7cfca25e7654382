// The learning rate of every step. One step is one update of the weights; steps count from 0.
//
//   float lr = learning_rate(recipe.schedule, step, {.steps_per_epoch = 390, .epochs = 30});
//
// With p = peak, t = step, and T = all steps of the training:
//   constant     p
//   step         p * gamma^floor(t / every)                          torch.optim.lr_scheduler.StepLR
//   multi_step   p * gamma^(number of milestones <= t)               MultiStepLR
//   exponential  p * gamma^floor(t / every)                          ExponentialLR, `every` being one epoch
//   cosine       floor + (p - floor) * (1 + cos(pi * t / T)) / 2     CosineAnnealingLR, T_max = T
//   one_cycle    cosine from start_factor * p to p at step peak_at * T - 1, then to floor at step T - 1
//                                                                    OneCycleLR, anneal_strategy = "cos"
//   polynomial   floor + (p - floor) * (1 - t / T)^power             PolynomialLR, total_iters = T
//   restarts     a cosine from p to floor in every period, each `growth` times as long as the one before
//                                                                    CosineAnnealingWarmRestarts
//   plateau      p * gamma^k, at least floor: k decays, each after more than `patience` epochs of no less loss
//                                                                    ReduceLROnPlateau(threshold = 1e-4)
// A warm-up of W steps comes first: p * (warmup_start + (1 - warmup_start) * t / W), as LinearLR. After
// it, cosine, one_cycle, polynomial and restarts span the steps that are left (t - W of T - W, as SequentialLR does); the
// milestones of the others are positions in the whole training.
//
// Stochastic weight averaging may end all of them at step S with a rate c of its own: p' * (1 - a) + c * a, p' being the
// schedule's rate at S, a = (1 - cos(pi * min(1, (t - S) / anneal))) / 2                     torch.optim.swa_utils.SWALR
#pragma once

#include <cstdint>
#include <optional>

#include "compiler/base/recipe.h"

namespace netc {

struct TrainingLength {
  int64_t steps_per_epoch = 1;
  int64_t epochs = 1;
  int64_t steps() const { return steps_per_epoch * epochs; }
};

// Steps of an epoch over so many samples, by the recipe's batch, accumulation and copies.
int64_t steps_per_epoch(const Recipe& recipe, int64_t samples);

// How a plateau has gone so far; the same for every other schedule.
struct PlateauState {
  std::optional<double> best;  // the least loss
  int64_t waited = 0;          // epochs since then, or since the last decay
  double factor = 1;           // of the learning rate
};

// REQUIRES: 0 <= step < length.steps().
double learning_rate(const ScheduleSpec& schedule, int64_t step, const TrainingLength& length,
                     const PlateauState& plateau = {});

// After an epoch: its loss, on the test data where there are some.
void observe_epoch(const ScheduleSpec& schedule, double loss, PlateauState& plateau);

// A position as a number of steps, rounded to the nearest.
int64_t to_steps(const Duration& duration, const TrainingLength& length);

// How many sets of weights are averaged after `step` steps: those after `start`, `start` + `every`, … steps.
int64_t averaged_models(const SwaSpec& swa, int64_t step, const TrainingLength& length);

}  // namespace netc
