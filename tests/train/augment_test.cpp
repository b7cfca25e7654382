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

AffineMatrix draw_affine(const std::vector<AugmentSpec>& augment, ImageSize size, uint64_t seed, int64_t epoch,
                         int64_t sample) {
  return draw_augmentation(augment, size, {}, seed, epoch, sample).affine;
}

AugmentSpec of_kind(Kind kind, double amount = 0, int64_t height = 0, int64_t width = 0) {
  AugmentSpec spec;
  spec.kind = kind;
  spec.amount = amount;
  spec.height = height;
  spec.width = width;
  return spec;
}

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

// Where the corners of the result come from, as pixel edges: (top, left, bottom, right).
std::array<float, 4> edges(const AffineMatrix& m, float height, float width) {
  auto [top, left] = source_of(m, -0.5f, -0.5f);
  auto [bottom, right] = source_of(m, height - 0.5f, width - 0.5f);
  return {top + 0.5f, left + 0.5f, bottom + 0.5f, right + 0.5f};
}

TEST(Augment, ResizedCropsAreBoxesOfTheImage) {
  const AugmentSpec crop = of_kind(Kind::random_resized_crop, 0.25, 16, 12);
  EXPECT_EQ(augmented_size({crop}, kSize), (ImageSize{16, 12}));
  double smallest = 1, greatest = 0;
  for (int64_t sample = 0; sample < 1000; ++sample) {
    const CropBox box = draw_crop({crop}, 0, kSize, 1, 0, sample);
    const auto [top, left, bottom, right] = edges(draw_affine({crop}, kSize, 1, 0, sample), 16, 12);
    EXPECT_NEAR(top, box.top, 1e-4);
    EXPECT_NEAR(left, box.left, 1e-4);
    EXPECT_NEAR(bottom, box.top + box.height, 1e-4);
    EXPECT_NEAR(right, box.left + box.width, 1e-4);
    EXPECT_TRUE(box.top >= 0 && box.left >= 0 && box.top + box.height <= 32 && box.left + box.width <= 24);
    const double share = static_cast<double>(box.height * box.width) / (32 * 24);
    const double ratio = static_cast<double>(box.width) / static_cast<double>(box.height);
    EXPECT_TRUE(ratio > 0.65 && ratio < 1.5) << ratio;  // 3/4 to 4/3, in whole pixels
    smallest = std::min(smallest, share);
    greatest = std::max(greatest, share);
  }
  EXPECT_NEAR(smallest, 0.25, 0.03);
  EXPECT_GT(greatest, 0.9);
  // No box of these proportions has that area: the central one.
  const CropBox wide = draw_crop({of_kind(Kind::random_resized_crop, 1, 8, 8)}, 0, {10, 100}, 1, 0, 0);
  EXPECT_EQ((std::array{wide.top, wide.left, wide.height, wide.width}), (std::array<int64_t, 4>{0, 43, 10, 13}));
}

TEST(Augment, ScaleAndShearKeepTheCentre) {
  double smallest = 2, greatest = 0, steepest = 0;
  for (int64_t sample = 0; sample < 1000; ++sample) {
    const AffineMatrix scaled = draw_affine({of_kind(Kind::scale, 0.2)}, kSize, 1, 0, sample);
    const AffineMatrix sheared = draw_affine({of_kind(Kind::shear, 30)}, kSize, 1, 0, sample);
    for (const AffineMatrix& m : {scaled, sheared}) {
      auto [y, x] = source_of(m, 15.5f, 11.5f);
      EXPECT_NEAR(y, 15.5, 1e-4);
      EXPECT_NEAR(x, 11.5, 1e-4);
    }
    EXPECT_EQ(scaled[0], scaled[4]);
    smallest = std::min<double>(smallest, 1 / scaled[0]);
    greatest = std::max<double>(greatest, 1 / scaled[0]);
    EXPECT_EQ(sheared[0], 1);
    EXPECT_EQ(sheared[1], 0);
    EXPECT_EQ(sheared[4], 1);
    steepest = std::max<double>(steepest, std::abs(sheared[3]));
  }
  EXPECT_NEAR(smallest, 0.8, 0.01);
  EXPECT_NEAR(greatest, 1.2, 0.01);
  EXPECT_NEAR(steepest, std::tan(M_PI / 6), 0.01);
}

// The colour that a record makes of one, without clamping.
MeanColor painted(const ColorRecord& m, const MeanColor& rgb) {
  MeanColor out{};
  for (size_t c = 0; c < 3; ++c) out[c] = m[4 * c] * rgb[0] + m[4 * c + 1] * rgb[1] + m[4 * c + 2] * rgb[2] + m[4 * c + 3];
  return out;
}
double luma(const MeanColor& rgb) { return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]; }

TEST(Augment, ColorsKeepWhatTheyShould) {
  const MeanColor mean = {100, 150, 50}, red = {200, 30, 60};
  auto draw = [&](AugmentSpec spec, int64_t sample) {
    spec.kind = Kind::color_jitter;
    return draw_augmentation({spec}, kSize, mean, 1, 0, sample).color;
  };
  AugmentSpec brightness, contrast, saturation, hue, all;
  all.brightness = brightness.brightness = all.contrast = contrast.contrast = 0.4;
  all.saturation = saturation.saturation = 0.4;
  all.hue = hue.hue = 0.5;
  double least = 9, most = 0;
  for (int64_t sample = 0; sample < 500; ++sample) {
    const MeanColor bright = painted(draw(brightness, sample), red);
    EXPECT_NEAR(bright[1] / bright[0], red[1] / red[0], 1e-5);
    least = std::min(least, bright[0] / red[0]);
    most = std::max(most, bright[0] / red[0]);
    EXPECT_NEAR(luma(painted(draw(contrast, sample), mean)), luma(mean), 1e-3);      // the mean grey stays
    EXPECT_NEAR(luma(painted(draw(saturation, sample), red)), luma(red), 1e-3);      // the brightness stays
    EXPECT_NEAR(luma(painted(draw(hue, sample), red)), luma(red), 0.2);
    for (double grey : painted(draw(hue, sample), {80, 80, 80})) EXPECT_NEAR(grey, 80, 0.1);  // grey has no hue
    AugmentSpec grayscale = of_kind(Kind::grayscale);
    for (double value : painted(draw_augmentation({grayscale}, kSize, mean, 1, 0, sample).color, red))
      EXPECT_NEAR(value, luma(red), 1e-3);
    EXPECT_EQ(draw(all, sample)[12], std::numeric_limits<float>::infinity());
  }
  EXPECT_NEAR(least, 0.6, 0.01);
  EXPECT_NEAR(most, 1.4, 0.01);
  // Half a turn and another one is the colour itself.
  const ColorRecord plain = draw_augmentation({of_kind(Kind::flip_horizontal)}, kSize, mean, 1, 0, 0).color;
  EXPECT_EQ(painted(plain, red), red);
}

TEST(Augment, ErasesRectanglesWithin) {
  int erased = 0;
  AugmentSpec erase = of_kind(Kind::erase, 0.33);
  erase.probability = 0.5;
  for (int64_t sample = 0; sample < 1000; ++sample) {
    const EraseRecord r = draw_augmentation({erase}, kSize, {}, 1, 0, sample).erase;
    if (r[2] == 0) continue;
    ++erased;
    EXPECT_TRUE(r[0] >= 0 && r[1] >= 0 && r[2] <= 32 && r[3] <= 24 && r[0] < r[2] && r[1] < r[3]);
    const double share = (r[2] - r[0]) * (r[3] - r[1]) / (32 * 24);
    EXPECT_TRUE(share > 0.01 && share < 0.37) << share;
  }
  EXPECT_NEAR(erased, 500, 60);
  for (int64_t sample = 0; sample < 100; ++sample) {
    const EraseRecord hole = draw_augmentation({of_kind(Kind::cutout, 0, 8, 6)}, kSize, {}, 1, 0, sample).erase;
    EXPECT_EQ(hole[2] - hole[0], 8);
    EXPECT_EQ(hole[3] - hole[1], 6);
  }
}

TEST(Augment, MixesWithTheBatch) {
  std::set<float> partners;
  double sum = 0;
  for (int64_t sample = 0; sample < 2000; ++sample) {
    const MixRecord mixup = draw_mix({of_kind(Kind::mixup, 0.2)}, kSize, 16, 1, 0, sample);
    partners.insert(mixup[0]);
    EXPECT_EQ(mixup[1], mixup[6]);
    EXPECT_EQ(mixup[4] - mixup[2], 0);
    sum += mixup[1];
    const MixRecord cutmix = draw_mix({of_kind(Kind::cutmix, 1)}, kSize, 16, 1, 0, sample);
    EXPECT_EQ(cutmix[1], 1);
    EXPECT_NEAR(cutmix[6], 1 - (cutmix[4] - cutmix[2]) * (cutmix[5] - cutmix[3]) / (32 * 24), 1e-6);
    EXPECT_TRUE(cutmix[2] >= 0 && cutmix[3] >= 0 && cutmix[4] <= 32 && cutmix[5] <= 24);
  }
  EXPECT_EQ(partners.size(), 16u);
  EXPECT_NEAR(sum / 2000, 0.5, 0.03);
  int both = 0;
  for (int64_t sample = 0; sample < 1000; ++sample)
    both += draw_mix({of_kind(Kind::mixup, 1), of_kind(Kind::cutmix, 1)}, kSize, 16, 1, 0, sample)[1] == 1;
  EXPECT_NEAR(both, 500, 60);
}

TEST(Augment, RandAndTrivialAugmentUseEveryOperation) {
  AugmentSpec rand = of_kind(Kind::rand_augment), trivial = of_kind(Kind::trivial_augment);
  rand.count = 1;
  rand.magnitude = 9;
  const AugmentDraw plain = draw_augmentation({}, kSize, {9, 9, 9}, 1, 0, 0);
  for (const AugmentSpec& spec : {rand, trivial}) {
    std::vector<std::byte> pixels(3 * 32 * 24);
    for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::byte>(i % 7 * 20 + i % 5);
    const Picture picture{pixels.data(), 3, 32 * 24};
    std::set<std::tuple<AffineMatrix, ColorRecord, float, std::optional<ToneCurves>>> seen;
    int unchanged = 0;
    for (int64_t sample = 0; sample < 4000; ++sample) {
      const AugmentDraw draw = draw_augmentation({spec}, kSize, {9, 9, 9}, 1, 0, sample, 0, picture);
      seen.insert({draw.affine, draw.color, draw.sharpness, draw.curves});
      unchanged += draw.affine == plain.affine && draw.color == plain.color && draw.sharpness == 1 && !draw.curves;
    }
    // One magnitude: 9 operations with a sign, and posterize, solarize, autocontrast, equalize, identity.
    if (spec.kind == Kind::rand_augment) EXPECT_EQ(seen.size(), 23u);
    else EXPECT_GT(seen.size(), 300u);
    EXPECT_GT(unchanged, 4000 / 14 / 2);
    EXPECT_LT(unchanged, 4000 / 14 * 2);
  }
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
