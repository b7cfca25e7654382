// Precision, recall, F1 and calibration error against their definitions, worked out by hand.
#include "runtime/train/classification.h"

#include <gtest/gtest.h>

#include <cmath>

namespace netc {
namespace {

TEST(ClassificationReport, CountsAndScores) {
  ClassificationReport report(3);
  const std::pair<int64_t, int64_t> samples[] = {{0, 0}, {0, 0}, {0, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 0}, {0, 0}};  // (label, predicted)
  for (const auto& [label, predicted] : samples) {
    std::vector<float> p(3, 0.1f);
    p[static_cast<size_t>(predicted)] = 0.8f;
    report.add(p, label);
  }
  report.add(std::vector<float>{1, 0, 0}, 255);  // an ignored label
  report.add(std::vector<float>{1, 0, 0}, -1);
  EXPECT_EQ(report.samples(), 8);
  EXPECT_EQ(report.count(0, 0), 3);
  EXPECT_EQ(report.count(0, 1), 1);
  EXPECT_EQ(report.count(1, 0), 1);
  EXPECT_DOUBLE_EQ(report.scores(0).precision, 3.0 / 4);
  EXPECT_DOUBLE_EQ(report.scores(0).recall, 3.0 / 4);
  EXPECT_DOUBLE_EQ(report.scores(1).f1, 3.0 / 4);
  EXPECT_EQ(report.scores(1).samples, 4);
  EXPECT_EQ(report.scores(2).f1, 0);  // nothing is divided
  EXPECT_EQ(report.scores(2).precision, 0);
  EXPECT_DOUBLE_EQ(report.mean_scores().recall, (0.75 + 0.75 + 0) / 3);
  // All are 0.8 sure, and 6 of 8 are right.
  EXPECT_NEAR(report.calibration_error(), 0.8 - 0.75, 1e-7);
}

TEST(ClassificationReport, CalibrationErrorByBins) {
  ClassificationReport report(2);
  for (int i = 0; i < 10; ++i) report.add(std::vector<float>{0.95f, 0.05f}, i < 9 ? 0 : 1);  // 0.05 too sure
  for (int i = 0; i < 10; ++i) report.add(std::vector<float>{0.6f, 0.4f}, i < 9 ? 0 : 1);    // 0.3 not sure enough
  EXPECT_NEAR(report.calibration_error(), (0.05 + 0.3) / 2, 1e-6);
  report.add(std::vector<float>{1, 0}, 0);  // the last bin holds 1
  EXPECT_NEAR(report.calibration_error(), (10 * 0.05 + 10 * 0.3) / 21, 0.02);
}

TEST(ClassificationReport, TakesTheFirstOfEqualsAndSurvivesNan) {
  ClassificationReport report(2);
  report.add(std::vector<float>{0.5f, 0.5f}, 1);
  EXPECT_EQ(report.count(1, 0), 1);
  report.add(std::vector<float>{NAN, NAN}, 1);
  EXPECT_EQ(report.samples(), 2);
}

}  // namespace
}  // namespace netc
