#include "compiler/ir/winograd.h"

#include <algorithm>
#include <cmath>

#include "compiler/base/error.h"

namespace netc {
namespace {

// Coefficients, lowest power first, of the product of (x - p) over all points but `skip` (-1: over all).
std::vector<double> product_of_factors(const std::vector<double>& points, int skip) {
  std::vector<double> result{1};
  for (size_t l = 0; l < points.size(); ++l) {
    if (static_cast<int>(l) == skip) continue;
    std::vector<double> next(result.size() + 1, 0.0);
    for (size_t i = 0; i < result.size(); ++i) {
      next[i + 1] += result[i];
      next[i] -= result[i] * points[l];
    }
    result = std::move(next);
  }
  return result;
}

// Toom and Cook's construction with infinity as the last point, transposed: outputs are the inner products of a window of 3.
WinogradTransform interpolate(int64_t tile, const std::vector<double>& points) {
  const size_t count = points.size(), window = count + 1;
  WinogradTransform t{Matrix(window, std::vector<double>(window, 0.0)), Matrix(window, std::vector<double>(3, 0.0)),
                      Matrix(static_cast<size_t>(tile), std::vector<double>(window, 0.0))};
  for (size_t j = 0; j < count; ++j) {
    const std::vector<double> factors = product_of_factors(points, static_cast<int>(j));
    double norm = 1;
    for (size_t l = 0; l < count; ++l)
      if (l != j) norm *= points[j] - points[l];
    std::copy(factors.begin(), factors.end(), t.input[j].begin());
    for (size_t k = 0; k < 3; ++k) t.weights[j][k] = std::pow(points[j], k) / norm;
    for (size_t i = 0; i < t.output.size(); ++i) t.output[i][j] = std::pow(points[j], i);
  }
  const std::vector<double> factors = product_of_factors(points, -1);
  std::copy(factors.begin(), factors.end(), t.input[count].begin());
  t.weights[count][2] = 1;
  t.output.back()[count] = 1;
  return t;
}

}  // namespace

std::string to_string(const Winograd& winograd) { return "F(" + std::to_string(winograd.tile) + ", 3)"; }

Shape transformed_shape(const Shape& weights, const Winograd& winograd) {
  NETC_CHECK(weights.size() >= 4 && weights[2] == 3 && weights[3] == 3, "weights with a window of 3x3");
  Shape shape{winograd.positions(), weights[0], weights[1]};
  shape.insert(shape.end(), weights.begin() + 4, weights.end());
  return shape;
}

const WinogradTransform& winograd_transform(int64_t tile) {
  static const WinogradTransform two = interpolate(2, {0, 1, -1});
  static const WinogradTransform four = interpolate(4, {0, 0.625, -0.625, 1.5, -1.5});
  NETC_CHECK(tile == 2 || tile == 4, "Winograd tiles of 2 or 4");
  return tile == 2 ? two : four;
}

}  // namespace netc
