// Augmentation records: what each kind does to pixel coordinates, how a list composes, and what a draw
// depends on. The order of an epoch is a permutation of its own.
#include "runtime/train/augment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "compiler/base/error.h"

namespace netc {
namespace {

using Kind = AugmentSpec::Kind;
constexpr ImageSize kSize{32, 24};

std::pair<float, float> source_of(const AffineMatrix& m, float y, float x) {
  return {m[0] * y + m[1] * x + m[2], m[3] * y + m[4] * x + m[5]};
}

TEST(Augment, FlipsHalfOfTheSamples) {
  for (Kind kind : {Kind::flip_horizontal, Kind::flip_vertical}) {
    int flipped = 0;
    for (int64_t sample = 0; sample < 2000; ++sample) {
      auto [y, x] = source_of(draw_affine({{kind, 0, 0, 0, 0}}, kSize, 1, 0, sample), 0, 0);
      if (y == 0 && x == 0) continue;
      EXPECT_EQ(std::make_pair(y, x),
                kind == Kind::flip_horizontal ? std::make_pair(0.f, 23.f) : std::make_pair(31.f, 0.f));
      ++flipped;
    }
    EXPECT_NEAR(flipped, 1000, 100);
  }
}

TEST(Augment, CropReachesEveryOffset) {
  std::set<std::pair<float, float>> offsets;
  const std::vector<AugmentSpec> crop = {{Kind::crop, 32, 24, 2, 0}};
  EXPECT_EQ(augmented_size(crop, kSize), kSize);
  for (int64_t sample = 0; sample < 2000; ++sample)
    offsets.insert(source_of(draw_affine(crop, kSize, 1, 0, sample), 0, 0));
  EXPECT_EQ(offsets.size(), 25u);
  EXPECT_EQ(*offsets.begin(), std::make_pair(-2.f, -2.f));
  EXPECT_EQ(*offsets.rbegin(), std::make_pair(2.f, 2.f));
  EXPECT_THROW(augmented_size({{Kind::crop, 37, 24, 2, 0}}, kSize), RuntimeError);
}

TEST(Augment, RotationTurnsAboutTheCentre) {
  const std::vector<AugmentSpec> rotate = {{Kind::rotate, 0, 0, 0, 30}};
  double low = 0, high = 0;
  for (int64_t sample = 0; sample < 2000; ++sample) {
    AffineMatrix m = draw_affine(rotate, kSize, 1, 0, sample);
    auto [cy, cx] = source_of(m, 15.5f, 11.5f);
    EXPECT_NEAR(cy, 15.5, 1e-4);
    EXPECT_NEAR(cx, 11.5, 1e-4);
    auto [y, x] = source_of(m, 14.5f, 11.5f);  // one above the centre
    EXPECT_NEAR(std::hypot(y - cy, x - cx), 1, 1e-4);
    double degrees = std::atan2(x - cx, cy - y) * 180 / M_PI;  // from the right of "up": counter-clockwise
    low = std::min(low, degrees);
    high = std::max(high, degrees);
  }
  EXPECT_NEAR(low, -30, 0.5);
  EXPECT_NEAR(high, 30, 0.5);
}

TEST(Augment, ShiftsByWholePixels) {
  float furthest = 0;
  for (int64_t sample = 0; sample < 500; ++sample) {
    auto [y, x] = source_of(draw_affine({{Kind::shift, 0, 0, 0, 0.125}}, kSize, 1, 0, sample), 0, 0);
    EXPECT_EQ(y, std::round(y));
    EXPECT_EQ(x, std::round(x));
    furthest = std::max({furthest, std::abs(y), std::abs(x)});
  }
  EXPECT_EQ(furthest, 4);
}

TEST(Augment, TheListIsAppliedInOrder) {
  // First a crop of the left or right half, then a flip of that half: pixel 0 comes from column 0, 1, 2 or 3.
  std::set<float> columns;
  for (int64_t sample = 0; sample < 200; ++sample)
    columns.insert(source_of(draw_affine({{Kind::crop, 1, 2, 0, 0}, {Kind::flip_horizontal, 0, 0, 0, 0}},
                                         {1, 4}, 1, 0, sample),
                             0, 0)
                       .second);
  EXPECT_EQ(columns, (std::set<float>{0, 1, 2, 3}));
}

TEST(Augment, DependsOnSeedEpochAndSampleOnly) {
  const std::vector<AugmentSpec> rotate = {{Kind::rotate, 0, 0, 0, 30}};
  AffineMatrix m = draw_affine(rotate, kSize, 1, 2, 3);
  EXPECT_EQ(m, draw_affine(rotate, kSize, 1, 2, 3));
  EXPECT_NE(m, draw_affine(rotate, kSize, 2, 2, 3));
  EXPECT_NE(m, draw_affine(rotate, kSize, 1, 3, 3));
  EXPECT_NE(m, draw_affine(rotate, kSize, 1, 2, 4));
}

TEST(EpochOrder, IsAUniformPermutation) {
  std::map<std::vector<int64_t>, int> seen;
  for (int64_t epoch = 0; epoch < 24000; ++epoch) ++seen[epoch_order(4, 9, epoch)];
  EXPECT_EQ(seen.size(), 24u);
  for (const auto& [order, count] : seen) EXPECT_NEAR(count, 1000, 150);
  std::vector<int64_t> order = epoch_order(1000, 1, 0), sorted = order;
  EXPECT_NE(order, epoch_order(1000, 1, 1));
  std::sort(sorted.begin(), sorted.end());
  for (int64_t i = 0; i < 1000; ++i) EXPECT_EQ(sorted[static_cast<size_t>(i)], i);
}

}  // namespace
}  // namespace netc
