#include "runtime/train/tone_curve.h"

#include <algorithm>
#include <cmath>

namespace netc {
namespace {

size_t level_of(double value) {
  return static_cast<size_t>(std::clamp(std::floor(value + 0.5), 0.0, 255.0));
}

// As the operator color_sample.
double painted(const std::array<float, 14>& m, size_t row, const std::array<double, 3>& rgb) {
  const float* weights = m.data() + 4 * row;
  double value =
      std::clamp(weights[0] * rgb[0] + weights[1] * rgb[1] + weights[2] * rgb[2] + weights[3], 0.0, 255.0);
  if (value >= m[12]) value = 255 - value;
  return m[13] > 0 ? std::floor(value / m[13]) * m[13] : value;
}

}  // namespace

ToneCurves straight_curves() {
  ToneCurves curves;
  for (ToneCurve& curve : curves)
    for (size_t i = 0; i < kTones; ++i) curve[i] = static_cast<float>(i);
  return curves;
}

Histogram histogram(const Picture& picture, const std::array<float, 14>& color, const ToneCurves& curves) {
  Histogram levels{};
  const auto plane = static_cast<size_t>(picture.plane);
  for (size_t i = 0; i < plane; ++i) {
    std::array<double, 3> rgb{};
    for (size_t c = 0; c < 3; ++c)
      rgb[c] = static_cast<double>(picture.pixels[picture.channels == 1 ? i : c * plane + i]);
    for (size_t c = 0; c < 3; ++c) {
      const ToneCurve& curve = curves[picture.channels == 1 ? 0 : c];
      ++levels[c][level_of(curve[level_of(painted(color, picture.channels == 1 ? 0 : c, rgb))])];
    }
  }
  return levels;
}

ToneCurves autocontrast(const Histogram& levels) {
  ToneCurves curves = straight_curves();
  for (size_t c = 0; c < curves.size(); ++c) {
    const auto occurs = [](int64_t count) { return count > 0; };
    const auto first = std::find_if(levels[c].begin(), levels[c].end(), occurs);
    if (first == levels[c].end()) continue;
    const auto last = std::find_if(levels[c].rbegin(), levels[c].rend(), occurs);
    const auto low = static_cast<double>(first - levels[c].begin()),
               high = 255 - static_cast<double>(last - levels[c].rbegin());
    if (low == high) continue;
    for (size_t i = 0; i < kTones; ++i)
      curves[c][i] =
          static_cast<float>(std::clamp((static_cast<double>(i) - low) * (255 / (high - low)), 0.0, 255.0));
  }
  return curves;
}

ToneCurves equalize(const Histogram& levels) {
  ToneCurves curves = straight_curves();
  for (size_t c = 0; c < curves.size(); ++c) {
    int64_t all = 0, brightest = 0;  // pixels; those of the greatest level
    for (int64_t count : levels[c]) {
      all += count;
      if (count > 0) brightest = count;
    }
    const int64_t step = (all - brightest) / 255;
    if (step == 0) continue;  // too few to be spread
    int64_t below = 0;
    for (size_t i = 0; i < kTones; ++i) {
      curves[c][i] = i == 0 ? 0 : static_cast<float>(std::min<int64_t>((below + step / 2) / step, 255));
      below += levels[c][i];
    }
  }
  return curves;
}

ToneCurves chained(const ToneCurves& outer, const ToneCurves& inner) {
  ToneCurves curves;
  for (size_t c = 0; c < curves.size(); ++c)
    for (size_t i = 0; i < kTones; ++i) curves[c][i] = outer[c][level_of(inner[c][i])];
  return curves;
}

}  // namespace netc
