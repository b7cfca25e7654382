// Learning rates against PyTorch's schedulers (torch 1.13, values printed by them), and their edges.
#include "runtime/train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace netc {
namespace {

constexpr TrainingLength kLength{.steps_per_epoch = 4, .epochs = 5};

std::vector<double> rates(const ScheduleSpec& s, TrainingLength length = kLength) {
  std::vector<double> all;
  for (int64_t step = 0; step < length.steps(); ++step) all.push_back(learning_rate(s, step, length));
  return all;
}

void expect_near(const std::vector<double>& actual, const std::vector<double>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-9) << "step " << i;
}

ScheduleSpec make(ScheduleSpec::Kind kind, double peak) {
  ScheduleSpec s;
  s.kind = kind;
  s.peak = peak;
  return s;
}

TEST(Schedule, Constant) {
  expect_near(rates(make(ScheduleSpec::Kind::constant, 0.3), {1, 3}), {0.3, 0.3, 0.3});
}

TEST(Schedule, StepDecaysPerPeriod) {
  ScheduleSpec s = make(ScheduleSpec::Kind::step, 1);
  s.gamma = 0.5;
  s.every = {2, true};
  expect_near(rates(s), {1, 1, 1, 1, 1, 1, 1, 1, .5, .5, .5, .5, .5, .5, .5, .5, .25, .25, .25, .25});
  s.every = {8, false};
  EXPECT_EQ(learning_rate(s, 8, kLength), 0.5);
}

TEST(Schedule, MultiStepDecaysAtMilestones) {
  ScheduleSpec s = make(ScheduleSpec::Kind::multi_step, 1);
  s.at = {{1, true}, {6, false}};
  expect_near(rates(s, {4, 2}), {1, 1, 1, 1, .1, .1, .01, .01});
}

TEST(Schedule, ExponentialDecaysPerEpoch) {
  ScheduleSpec s = make(ScheduleSpec::Kind::exponential, 1);
  s.gamma = 0.5;
  expect_near(rates(s, {2, 3}), {1, 1, .5, .5, .25, .25});
}

TEST(Schedule, CosineAnnealing) {
  ScheduleSpec s = make(ScheduleSpec::Kind::cosine, 1);
  s.floor = 0.1;  // CosineAnnealingLR(T_max = 4, eta_min = 0.1)
  expect_near(rates(s, {4, 1}),
              {1, 0.1 + 0.9 * (1 + std::sqrt(0.5)) / 2, 0.55, 0.1 + 0.9 * (1 - std::sqrt(0.5)) / 2});
}

TEST(Schedule, OneCycle) {
  ScheduleSpec s = make(ScheduleSpec::Kind::one_cycle, 1);
  s.floor =
      0.04 /
      1e4;  // OneCycleLR(max_lr = 1, total_steps = 10): div_factor 25, final_div_factor 1e4, pct_start 0.3
  auto down = [&](double share) { return s.floor + (1 - s.floor) / 2 * (1 + std::cos(M_PI * share)); };
  expect_near(rates(s, {10, 1}), {0.04, 0.52, 1, down(1. / 7), down(2. / 7), down(3. / 7), down(4. / 7),
                                  down(5. / 7), down(6. / 7), s.floor});
}

TEST(Schedule, OneCycleOfFewSteps) {
  for (int64_t steps : {1, 2, 3})
    for (double rate : rates(make(ScheduleSpec::Kind::one_cycle, 1), {steps, 1})) {
      EXPECT_GE(rate, 0);
      EXPECT_LE(rate, 1);
    }
}

TEST(Schedule, Polynomial) {
  ScheduleSpec s = make(ScheduleSpec::Kind::polynomial, 1);
  expect_near(rates(s, {4, 2}), {1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125});
  s.power = 2;
  expect_near(rates(s, {4, 2}), {1.0, 0.765625, 0.5625, 0.390625, 0.25, 0.140625, 0.0625, 0.015625});
}

TEST(Schedule, WarmRestarts) {
  ScheduleSpec s = make(ScheduleSpec::Kind::restarts, 1);
  s.every = {2, false};
  s.growth = 2;
  s.floor = 0.1;
  expect_near(rates(s, {4, 4}),
              {1.0, 0.55, 1.0, 0.8681980515, 0.55, 0.2318019485, 1.0, 0.9657457896, 0.8681980515, 0.7222075446, 0.55,
               0.3777924554, 0.2318019485, 0.1342542104, 1.0, 0.9913533762});
  s.every = {0.5, true};
  EXPECT_NEAR(learning_rate(s, 1, {4, 4}), 0.55, 1e-9);
}

TEST(Schedule, PlateauFollowsTheLoss) {
  ScheduleSpec s = make(ScheduleSpec::Kind::plateau, 1);
  s.gamma = 0.5;
  s.patience = 1;
  PlateauState plateau;
  std::vector<double> seen;
  for (double loss : {1.0, 0.9, 0.95, 0.9, 0.91, 0.92, 0.8, 0.85, 0.86, 0.87, 0.88, 0.79995, 0.5}) {
    observe_epoch(s, loss, plateau);
    seen.push_back(learning_rate(s, 0, kLength, plateau));
  }
  expect_near(seen, {1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125, 0.0625, 0.0625, 0.0625});
  s.floor = 0.1;
  EXPECT_EQ(learning_rate(s, 0, kLength, plateau), 0.1);
  observe_epoch(make(ScheduleSpec::Kind::constant, 1), 9, plateau);  // no other schedule waits
  EXPECT_EQ(plateau.waited, 0);
}

TEST(Schedule, WarmupThenTheRest) {
  ScheduleSpec s = make(ScheduleSpec::Kind::cosine, 1);
  s.warmup = {1, true};
  s.warmup_start = 0.2;
  std::vector<double> r = rates(s, {4, 3});
  expect_near({r.begin(), r.begin() + 5}, {0.2, 0.4, 0.6, 0.8, 1});
  EXPECT_NEAR(r[8], 0.5, 1e-12);  // half of what is left
  s.warmup = {100, true};         // longer than the training
  EXPECT_LT(rates(s).back(), 1);
}

}  // namespace
}  // namespace netc
