#include "runtime/train/augment.h"

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include "compiler/base/error.h"
#include "compiler/base/random.h"

namespace netc {
namespace {

constexpr uint32_t kAugment = path_key("augment"), kShuffle = path_key("shuffle");
constexpr uint64_t kDrawsEach = 4;  // of one augmentation, so that adding a draw moves no other

// 0..bound-1, each as likely as the other to 2^-32.
int64_t below(uint32_t bits, int64_t bound) {
  return static_cast<int64_t>((uint64_t{bits} * static_cast<uint64_t>(bound)) >> 32);
}

using Matrix = std::array<double, 6>;

// First `inner`, then `outer`: p -> outer(inner(p)).
Matrix compose(const Matrix& outer, const Matrix& inner) {
  const Matrix &a = outer, &b = inner;
  return {a[0] * b[0] + a[1] * b[3], a[0] * b[1] + a[1] * b[4], a[0] * b[2] + a[1] * b[5] + a[2],
          a[3] * b[0] + a[4] * b[3], a[3] * b[1] + a[4] * b[4], a[3] * b[2] + a[4] * b[5] + a[5]};
}

Matrix rotation(double degrees, ImageSize size) {
  const double radians = degrees * std::numbers::pi / 180, c = std::cos(radians), s = std::sin(radians);
  const double cy = static_cast<double>(size.height - 1) / 2, cx = static_cast<double>(size.width - 1) / 2;
  // Rows grow downwards: what is seen at the right of the centre was below it before a turn to the left.
  return {c, s, cy - c * cy - s * cx, -s, c, cx + s * cy - c * cx};
}

}  // namespace

ImageSize augmented_size(const std::vector<AugmentSpec>& augment, ImageSize size) {
  for (const AugmentSpec& a : augment) {
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

AffineMatrix draw_affine(const std::vector<AugmentSpec>& augment, ImageSize size, uint64_t seed,
                         int64_t epoch, int64_t sample) {
  Matrix total = {1, 0, 0, 0, 1, 0};
  for (size_t i = 0; i < augment.size(); ++i) {
    const AugmentSpec& a = augment[i];
    auto bits = [&](uint64_t draw) {
      return random_bits(seed, kAugment, static_cast<uint64_t>(epoch), static_cast<uint64_t>(sample),
                         kDrawsEach * i + draw);
    };
    auto between = [&](uint64_t draw, double amount) {
      return amount * (2 * uniform_from_bits(bits(draw)) - 1);
    };
    const double h = static_cast<double>(size.height), w = static_cast<double>(size.width);
    Matrix m = {1, 0, 0, 0, 1, 0};
    switch (a.kind) {
      case AugmentSpec::Kind::crop:
        m[2] = static_cast<double>(below(bits(0), size.height + 2 * a.pad - a.height + 1) - a.pad);
        m[5] = static_cast<double>(below(bits(1), size.width + 2 * a.pad - a.width + 1) - a.pad);
        size = {a.height, a.width};
        break;
      case AugmentSpec::Kind::flip_horizontal:
        if (bits(0) >> 31) m = {1, 0, 0, 0, -1, w - 1};
        break;
      case AugmentSpec::Kind::flip_vertical:
        if (bits(0) >> 31) m = {-1, 0, h - 1, 0, 1, 0};
        break;
      case AugmentSpec::Kind::rotate:
        m = rotation(between(0, a.amount), size);
        break;
      case AugmentSpec::Kind::shift:
        m[2] = std::round(between(0, a.amount) * h);
        m[5] = std::round(between(1, a.amount) * w);
        break;
    }
    total = compose(total, m);
  }
  AffineMatrix result;
  for (size_t i = 0; i < result.size(); ++i) result[i] = static_cast<float>(total[i]);
  return result;
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
