#include "runtime/train/augment.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <utility>

#include "compiler/base/error.h"
#include "compiler/base/random.h"

namespace netc {
namespace {

constexpr uint32_t kAugment = path_key("augment"), kMix = path_key("mix"), kShuffle = path_key("shuffle");
constexpr uint64_t kDrawsEach = 64;  // of one entry, so that adding a draw moves no other
constexpr int kTries = 10;           // for a rectangle that fits
constexpr double kFar = 1e9;         // a coordinate beyond every picture

// 0..bound-1, each as likely as the other to 2^-32.
int64_t below(uint32_t bits, int64_t bound) {
  return static_cast<int64_t>((uint64_t{bits} * static_cast<uint64_t>(bound)) >> 32);
}

// The numbers of one entry of the list for one sample, each drawn by its place.
class Draws {
 public:
  Draws(uint64_t seed, uint32_t purpose, int64_t epoch, int64_t sample, size_t entry)
      : seed_(seed), purpose_(purpose), epoch_(epoch), sample_(sample), first_(kDrawsEach * entry) {}

  uint32_t bits(uint64_t place) const {
    return random_bits(seed_, purpose_, static_cast<uint64_t>(epoch_), static_cast<uint64_t>(sample_), first_ + place);
  }
  double uniform(uint64_t place) const { return uniform_from_bits(bits(place)); }
  double between(uint64_t place, double low, double high) const { return low + (high - low) * uniform(place); }
  double around(uint64_t place, double amount) const { return amount * (2 * uniform(place) - 1); }
  int64_t below(uint64_t place, int64_t bound) const { return netc::below(bits(place), bound); }
  bool coin(uint64_t place) const { return bits(place) >> 31; }

 private:
  uint64_t seed_;
  uint32_t purpose_;
  int64_t epoch_, sample_;
  uint64_t first_;
};

// ---- geometry

using Matrix = std::array<double, 6>;
constexpr Matrix kSamePlace = {1, 0, 0, 0, 1, 0};

// First `inner`, then `outer`: p -> outer(inner(p)).
Matrix compose(const Matrix& outer, const Matrix& inner) {
  const Matrix &a = outer, &b = inner;
  return {a[0] * b[0] + a[1] * b[3], a[0] * b[1] + a[1] * b[4], a[0] * b[2] + a[1] * b[5] + a[2],
          a[3] * b[0] + a[4] * b[3], a[3] * b[1] + a[4] * b[4], a[3] * b[2] + a[4] * b[5] + a[5]};
}

// The linear map (yy, yx; xy, xx) about the centre.
Matrix about_centre(double yy, double yx, double xy, double xx, ImageSize size) {
  const double cy = static_cast<double>(size.height - 1) / 2, cx = static_cast<double>(size.width - 1) / 2;
  return {yy, yx, cy - yy * cy - yx * cx, xy, xx, cx - xy * cy - xx * cx};
}

Matrix rotation(double degrees, ImageSize size) {
  const double radians = degrees * std::numbers::pi / 180, c = std::cos(radians), s = std::sin(radians);
  // Rows grow downwards: what is seen at the right of the centre was below it before a turn to the left.
  return about_centre(c, s, -s, c, size);
}

// What is seen moves by these pixels.
Matrix translation(double down, double right) { return {1, 0, -down, 0, 1, -right}; }

// From the pixels of an out.height x out.width image to those of the box: centres lie on centres.
Matrix resized_box(const CropBox& box, ImageSize out) {
  const double sy = static_cast<double>(box.height) / static_cast<double>(out.height);
  const double sx = static_cast<double>(box.width) / static_cast<double>(out.width);
  return {sy, 0, static_cast<double>(box.top) + sy / 2 - 0.5, 0, sx, static_cast<double>(box.left) + sx / 2 - 0.5};
}

CropBox draw_box(const AugmentSpec& a, const Draws& draws, ImageSize image) {
  const double h = static_cast<double>(image.height), w = static_cast<double>(image.width);
  for (uint64_t attempt = 0; attempt < kTries; ++attempt) {
    const double area = h * w * draws.between(4 * attempt, a.amount, 1);
    const double ratio = std::exp(draws.around(4 * attempt + 1, std::log(4.0 / 3)));
    const auto width = static_cast<int64_t>(std::llround(std::sqrt(area * ratio)));
    const auto height = static_cast<int64_t>(std::llround(std::sqrt(area / ratio)));
    if (height < 1 || width < 1 || height > image.height || width > image.width) continue;
    return {draws.below(4 * attempt + 2, image.height - height + 1), draws.below(4 * attempt + 3, image.width - width + 1),
            height, width};
  }
  CropBox box{0, 0, image.height, image.width};
  if (w / h < 3.0 / 4) box.height = std::max<int64_t>(1, std::llround(w / 0.75));
  else if (w / h > 4.0 / 3) box.width = std::max<int64_t>(1, std::llround(h / 0.75));
  box.height = std::min(box.height, image.height);
  box.width = std::min(box.width, image.width);
  box.top = (image.height - box.height) / 2;
  box.left = (image.width - box.width) / 2;
  return box;
}

// ---- colours

// Three rows over (r, g, b, 1).
using ColorMatrix = std::array<double, 12>;
constexpr ColorMatrix kSameColor = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0};
constexpr std::array<double, 3> kLuma = {0.299, 0.587, 0.114};  // ITU-R BT.601

// First `inner`, then `outer`.
ColorMatrix compose(const ColorMatrix& outer, const ColorMatrix& inner) {
  ColorMatrix result{};
  for (size_t row = 0; row < 3; ++row)
    for (size_t column = 0; column < 4; ++column) {
      double sum = column == 3 ? outer[4 * row + 3] : 0;
      for (size_t k = 0; k < 3; ++k) sum += outer[4 * row + k] * inner[4 * k + column];
      result[4 * row + column] = sum;
    }
  return result;
}

ColorMatrix times(double factor) { return {factor, 0, 0, 0, 0, factor, 0, 0, 0, 0, factor, 0}; }

// factor * x + (1 - factor) * grey(x): 0 is grey, 1 changes nothing.
ColorMatrix saturation(double factor) {
  ColorMatrix m{};
  for (size_t row = 0; row < 3; ++row)
    for (size_t k = 0; k < 3; ++k) m[4 * row + k] = (row == k ? factor : 0) + (1 - factor) * kLuma[k];
  return m;
}

// The colour circle turned by a share of a full turn, brightness kept: a rotation of the YIQ colour space's I and Q.
ColorMatrix hue(double turn) {
  constexpr std::array<double, 9> kToYiq = {0.299, 0.587, 0.114, 0.595716, -0.274453, -0.321263, 0.211456, -0.522591, 0.311135};
  constexpr std::array<double, 9> kFromYiq = {1, 0.9563, 0.6210, 1, -0.2721, -0.6474, 1, -1.1070, 1.7046};
  const double c = std::cos(2 * std::numbers::pi * turn), s = std::sin(2 * std::numbers::pi * turn);
  const std::array<double, 9> turned = {1, 0, 0, 0, c, -s, 0, s, c};
  auto product = [](const std::array<double, 9>& a, const std::array<double, 9>& b) {
    std::array<double, 9> p{};
    for (size_t i = 0; i < 9; ++i)
      for (size_t k = 0; k < 3; ++k) p[i] += a[i / 3 * 3 + k] * b[3 * k + i % 3];
    return p;
  };
  const std::array<double, 9> m = product(kFromYiq, product(turned, kToYiq));
  return {m[0], m[1], m[2], 0, m[3], m[4], m[5], 0, m[6], m[7], m[8], 0};
}

// ---- a sample

// All augmentations of one sample as they accumulate.
class Drawing {
 public:
  Drawing(ImageSize size, const MeanColor& mean) : size_(size), mean_(mean) {}

  void apply(const AugmentSpec& a, const Draws& draws) {
    switch (a.kind) {
      case AugmentSpec::Kind::crop: {
        const int64_t top = draws.below(0, size_.height + 2 * a.pad - a.height + 1) - a.pad;
        const int64_t left = draws.below(1, size_.width + 2 * a.pad - a.width + 1) - a.pad;
        move(translation(-static_cast<double>(top), -static_cast<double>(left)));
        size_ = {a.height, a.width};
        break;
      }
      case AugmentSpec::Kind::random_resized_crop: {
        const CropBox box = draw_box(a, draws, size_);
        bound(box);
        move(resized_box(box, {a.height, a.width}));
        size_ = {a.height, a.width};
        break;
      }
      case AugmentSpec::Kind::flip_horizontal:
        if (draws.coin(0)) move({1, 0, 0, 0, -1, static_cast<double>(size_.width - 1)});
        break;
      case AugmentSpec::Kind::flip_vertical:
        if (draws.coin(0)) move({-1, 0, static_cast<double>(size_.height - 1), 0, 1, 0});
        break;
      case AugmentSpec::Kind::rotate: move(rotation(draws.around(0, a.amount), size_)); break;
      case AugmentSpec::Kind::shift:
        move(translation(std::round(draws.around(0, a.amount) * static_cast<double>(size_.height)),
                         std::round(draws.around(1, a.amount) * static_cast<double>(size_.width))));
        break;
      case AugmentSpec::Kind::scale: {
        const double factor = 1 + draws.around(0, a.amount);
        move(about_centre(1 / factor, 0, 0, 1 / factor, size_));
        break;
      }
      case AugmentSpec::Kind::shear: shear_x(std::tan(draws.around(0, a.amount) * std::numbers::pi / 180)); break;
      case AugmentSpec::Kind::color_jitter: jitter(a, draws); break;
      case AugmentSpec::Kind::grayscale:
        if (draws.uniform(0) < a.probability) paint(saturation(0));
        break;
      case AugmentSpec::Kind::posterize:
        if (draws.uniform(0) < a.probability) posterize(8 - a.amount);
        break;
      case AugmentSpec::Kind::solarize:
        if (draws.uniform(0) < a.probability) threshold_ = static_cast<float>(a.amount);
        break;
      case AugmentSpec::Kind::invert:
        if (draws.uniform(0) < a.probability) paint({-1, 0, 0, 255, 0, -1, 0, 255, 0, 0, -1, 255});
        break;
      case AugmentSpec::Kind::autocontrast:
        if (draws.uniform(0) < a.probability) curves_.push_back(autocontrast);
        break;
      case AugmentSpec::Kind::equalize:
        if (draws.uniform(0) < a.probability) curves_.push_back(equalize);
        break;
      case AugmentSpec::Kind::sharpness:
        if (draws.uniform(0) < a.probability) sharpness_ *= a.amount;
        break;
      case AugmentSpec::Kind::erase: erase(a, draws); break;
      case AugmentSpec::Kind::cutout: cut_out(a, draws); break;
      case AugmentSpec::Kind::rand_augment:
        for (int64_t i = 0; i < a.count; ++i) {
          const auto place = static_cast<uint64_t>(4 * i);
          operate(draws.below(place, kOperations), static_cast<double>(a.magnitude) / 30, false, draws.coin(place + 1));
        }
        break;
      case AugmentSpec::Kind::trivial_augment:
        operate(draws.below(0, kOperations), static_cast<double>(draws.below(2, 31)) / 30, true, draws.coin(1));
        break;
      case AugmentSpec::Kind::mixup:
      case AugmentSpec::Kind::cutmix: break;  // draw_mix
    }
  }

  AugmentDraw result(const Picture& picture) const {
    AugmentDraw draw{};
    for (size_t i = 0; i < draw.affine.size(); ++i) draw.affine[i] = static_cast<float>(geometry_[i]);
    for (size_t i = 0; i < color_.size(); ++i) draw.color[i] = static_cast<float>(color_[i]);
    draw.color[12] = threshold_;
    draw.color[13] = step_;
    draw.erase = erased_;
    draw.sharpness = static_cast<float>(sharpness_);
    for (size_t i = 0; i < draw.box.size(); ++i) draw.box[i] = static_cast<float>(box_[i]);
    if (picture.pixels && !curves_.empty()) {
      draw.curves = straight_curves();
      for (const auto make : curves_) draw.curves = chained(make(histogram(picture, draw.color, *draw.curves)), *draw.curves);
    }
    return draw;
  }

 private:
  static constexpr int64_t kOperations = 14;

  void move(const Matrix& m) { geometry_ = compose(geometry_, m); }
  void paint(const ColorMatrix& m) {
    color_ = compose(m, color_);
    MeanColor next{};
    for (size_t row = 0; row < 3; ++row) {
      next[row] = m[4 * row + 3];
      for (size_t k = 0; k < 3; ++k) next[row] += m[4 * row + k] * mean_[k];
    }
    mean_ = next;
  }
  // What a crop takes lies within its box: the pixels beyond it are none. Where a picture was turned before, a crop's box is
  // none in the sample, and the one before it stays.
  void bound(const CropBox& box) {
    const Matrix& m = geometry_;
    if (m[1] != 0 || m[3] != 0) return;
    const auto within = [](double edge, double other, double& first, double& last) {
      first = std::max(first, std::min(edge, other));
      last = std::min(last, std::max(edge, other));
    };
    within(m[0] * static_cast<double>(box.top) + m[2], m[0] * static_cast<double>(box.top + box.height - 1) + m[2], box_[0], box_[2]);
    within(m[4] * static_cast<double>(box.left) + m[5], m[4] * static_cast<double>(box.left + box.width - 1) + m[5], box_[1], box_[3]);
  }
  void posterize(double bits_lost) { step_ = static_cast<float>(std::exp2(bits_lost)); }
  void shear_x(double tangent) { move(about_centre(1, 0, -tangent, 1, size_)); }
  void shear_y(double tangent) { move(about_centre(1, -tangent, 0, 1, size_)); }
  void contrast(double factor) {
    ColorMatrix m = times(factor);
    const double grey = kLuma[0] * mean_[0] + kLuma[1] * mean_[1] + kLuma[2] * mean_[2];
    for (size_t row = 0; row < 3; ++row) m[4 * row + 3] = (1 - factor) * grey;
    paint(m);
  }

  // In an order that is drawn too, as torchvision's ColorJitter.
  void jitter(const AugmentSpec& a, const Draws& draws) {
    std::array<int, 4> order = {0, 1, 2, 3};
    for (int64_t i = 3; i > 0; --i)
      std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(draws.below(static_cast<uint64_t>(3 + i), i + 1))]);
    for (int which : order) {
      if (which == 0 && a.brightness > 0) paint(times(1 + draws.around(0, a.brightness)));
      if (which == 1 && a.contrast > 0) contrast(1 + draws.around(1, a.contrast));
      if (which == 2 && a.saturation > 0) paint(saturation(1 + draws.around(2, a.saturation)));
      if (which == 3 && a.hue > 0) paint(hue(draws.around(3, a.hue)));
    }
  }

  // A rectangle of a share of the area from 2 % to `amount`, sides from 0.3 to 1 / 0.3 (Zhong et al. 2017).
  void erase(const AugmentSpec& a, const Draws& draws) {
    if (draws.uniform(0) >= a.probability) return;
    for (uint64_t attempt = 0; attempt < kTries; ++attempt) {
      const uint64_t place = 4 * attempt + 4;
      const double smallest = std::min(0.02, a.amount);
      const double area = draws.between(place, smallest, a.amount) * static_cast<double>(size_.height * size_.width);
      const double ratio = std::exp(draws.around(place + 1, std::log(1 / 0.3)));
      const auto height = static_cast<int64_t>(std::llround(std::sqrt(area * ratio)));
      const auto width = static_cast<int64_t>(std::llround(std::sqrt(area / ratio)));
      if (height < 1 || width < 1 || height >= size_.height || width >= size_.width) continue;
      const int64_t top = draws.below(place + 2, size_.height - height + 1);
      const int64_t left = draws.below(place + 3, size_.width - width + 1);
      return set_erased(top, left, top + height, left + width);
    }
  }

  // A hole whose centre lies anywhere in the image (DeVries and Taylor 2017).
  void cut_out(const AugmentSpec& a, const Draws& draws) {
    const int64_t top = draws.below(0, size_.height) - a.height / 2, left = draws.below(1, size_.width) - a.width / 2;
    set_erased(top, left, top + a.height, left + a.width);
  }

  void set_erased(int64_t top, int64_t left, int64_t bottom, int64_t right) {
    erased_ = {static_cast<float>(top), static_cast<float>(left), static_cast<float>(bottom), static_cast<float>(right)};
  }

  // The operations of RandAugment and TrivialAugment (Cubuk et al. 2020, Müller and Hutter 2021), those of torchvision at its
  // magnitudes; `wide` are TrivialAugment's. `share`: 0..1.
  void operate(int64_t operation, double share, bool wide, bool negative) {
    const double sign = negative ? -1 : 1, strength = sign * (wide ? 0.99 : 0.9) * share;
    const double h = static_cast<double>(size_.height), w = static_cast<double>(size_.width);
    switch (operation) {
      case 0: break;
      case 1: shear_x(sign * (wide ? 0.99 : 0.3) * share); break;
      case 2: shear_y(sign * (wide ? 0.99 : 0.3) * share); break;
      case 3: move(translation(0, std::trunc(sign * share * (wide ? 32 : w * 150 / 331)))); break;
      case 4: move(translation(std::trunc(sign * share * (wide ? 32 : h * 150 / 331)), 0)); break;
      case 5: move(rotation(sign * share * (wide ? 135 : 30), size_)); break;
      case 6: paint(times(1 + strength)); break;
      case 7: paint(saturation(1 + strength)); break;
      case 8: contrast(1 + strength); break;
      case 9: posterize(std::round(share * (wide ? 6 : 4))); break;
      case 10: threshold_ = static_cast<float>(255 * (1 - share)); break;
      case 11: sharpness_ *= 1 + strength; break;
      case 12: curves_.push_back(autocontrast); break;
      case 13: curves_.push_back(equalize); break;
      default: throw InternalError("no such operation");
    }
  }

  ImageSize size_;
  MeanColor mean_;
  Matrix geometry_ = kSamePlace;
  ColorMatrix color_ = kSameColor;
  float threshold_ = std::numeric_limits<float>::infinity();
  float step_ = 0;
  double sharpness_ = 1;
  std::array<double, 4> box_ = {-kFar, -kFar, kFar, kFar};
  std::vector<ToneCurves (*)(const Histogram&)> curves_;
  EraseRecord erased_ = {};
};

// Beta(alpha, alpha) for alpha <= 1, by Jöhnk's method.
double draw_beta(double alpha, const Draws& draws) {
  for (uint64_t place = 8;; place += 2) {
    const double x = std::pow(draws.uniform(place), 1 / alpha), y = std::pow(draws.uniform(place + 1), 1 / alpha);
    if (x + y > 0 && x + y <= 1) return x / (x + y);
  }
}

}  // namespace

ImageSize augmented_size(const std::vector<AugmentSpec>& augment, ImageSize size) {
  for (const AugmentSpec& a : augment) {
    if (a.kind == AugmentSpec::Kind::random_resized_crop) size = {a.height, a.width};
    if (a.kind != AugmentSpec::Kind::crop) continue;
    if (a.height > size.height + 2 * a.pad || a.width > size.width + 2 * a.pad) {
      auto text = [](int64_t h, int64_t w) { return std::to_string(h) + "x" + std::to_string(w); };
      throw RuntimeError("E0710", "crop(" + text(a.height, a.width) + ", pad = " + std::to_string(a.pad) +
                                      ") exceeds its padded image of " +
                                      text(size.height + 2 * a.pad, size.width + 2 * a.pad));
    }
    size = {a.height, a.width};
  }
  return size;
}

AugmentDraw draw_augmentation(const std::vector<AugmentSpec>& augment, ImageSize input, const MeanColor& mean,
                              uint64_t seed, int64_t epoch, int64_t sample, size_t first, const Picture& picture) {
  Drawing drawing(input, mean);
  for (size_t i = first; i < augment.size(); ++i) drawing.apply(augment[i], Draws(seed, kAugment, epoch, sample, i));
  return drawing.result(picture);
}

CropBox draw_crop(const std::vector<AugmentSpec>& augment, size_t index, ImageSize image, uint64_t seed, int64_t epoch,
                  int64_t sample) {
  NETC_CHECK(augment.at(index).kind == AugmentSpec::Kind::random_resized_crop, "draw_crop of another augmentation");
  return draw_box(augment[index], Draws(seed, kAugment, epoch, sample, index), image);
}

MixRecord draw_mix(const std::vector<AugmentSpec>& augment, ImageSize size, int64_t batch, uint64_t seed, int64_t epoch,
                   int64_t sample) {
  const Draws draws(seed, kMix, epoch, sample, 0);
  std::vector<const AugmentSpec*> mixing;
  for (const AugmentSpec& a : augment)
    if (a.kind == AugmentSpec::Kind::mixup || a.kind == AugmentSpec::Kind::cutmix) mixing.push_back(&a);
  NETC_CHECK(!mixing.empty(), "nothing mixes samples");
  const AugmentSpec& a = *mixing[static_cast<size_t>(draws.below(0, static_cast<int64_t>(mixing.size())))];
  const double share = draw_beta(a.amount, draws);
  const auto partner = static_cast<float>(draws.below(1, batch));
  if (a.kind == AugmentSpec::Kind::mixup)
    return {partner, static_cast<float>(share), 0, 0, 0, 0, static_cast<float>(share)};
  // A rectangle of 1 - share of the area about a centre anywhere, cut off at the edges.
  const double side = std::sqrt(1 - share);
  auto span = [&](uint64_t place, int64_t extent) {
    const auto half = static_cast<int64_t>(side * static_cast<double>(extent)) / 2;
    const int64_t centre = draws.below(place, extent);
    return std::pair(std::max<int64_t>(centre - half, 0), std::min(centre + half, extent));
  };
  const auto [top, bottom] = span(2, size.height);
  const auto [left, right] = span(3, size.width);
  const double covered = static_cast<double>((bottom - top) * (right - left)) / static_cast<double>(size.height * size.width);
  return {partner, 1, static_cast<float>(top), static_cast<float>(left), static_cast<float>(bottom),
          static_cast<float>(right), static_cast<float>(1 - covered)};
}

std::vector<int64_t> epoch_order(int64_t count, uint64_t seed, int64_t epoch) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = count - 1; i > 0; --i) {
    uint32_t bits = random_bits(seed, kShuffle, static_cast<uint64_t>(epoch), 0, static_cast<uint64_t>(i));
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(below(bits, i + 1))]);
  }
  return order;
}

}  // namespace netc
