#include "compiler/lower/winograd.h"

#include <algorithm>
#include <cmath>

#include "compiler/base/error.h"

namespace netc {
namespace {

constexpr int64_t kBlock = 16;

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

// The single axis of an index; -1: more than that.
int plain_axis(const AxisSum& sum) {
  return sum.terms.size() == 1 && sum.terms[0].coefficient == 1 && sum.offset == 0 ? sum.terms[0].axis : -1;
}

}  // namespace

const WinogradTransform& winograd_transform(int64_t tile) {
  static const WinogradTransform two = interpolate(2, {0, 1, -1});
  static const WinogradTransform four = interpolate(4, {0, 0.625, -0.625, 1.5, -1.5});
  NETC_CHECK(tile == 2 || tile == 4, "Winograd tiles of 2 or 4");
  return tile == 2 ? two : four;
}

std::optional<WinogradForm> winograd_form(const Contraction& c) {
  const ContractionTensor &x = c.tensors[0], &w = c.tensors[1], &y = c.tensors[2];
  if (c.output != 2 || c.axes.size() != 9 || x.shape.size() != 5 || w.shape.size() != 6 || y.shape.size() != 5) return std::nullopt;
  if (w.shape[2] != 3 || w.shape[3] != 3 || w.shape[4] != kBlock || w.shape[5] != kBlock) return std::nullopt;
  std::vector<int> in_y, in_w;
  for (const AxisSum& sum : y.index) in_y.push_back(plain_axis(sum));
  for (const AxisSum& sum : w.index) in_w.push_back(plain_axis(sum));
  const auto is = [](const AxisSum& sum, int a, int b) {
    return sum.terms == std::vector<AxisTerm>{{a, 1}, {b, 1}} || sum.terms == std::vector<AxisTerm>{{b, 1}, {a, 1}};
  };
  const int n = in_y[0], kb = in_y[1], oh = in_y[2], ow = in_y[3], ki = in_y[4];
  const int cb = in_w[1], kh = in_w[2], kw = in_w[3], ci = in_w[4];
  for (int axis : {n, kb, oh, ow, ki, cb, kh, kw, ci})
    if (axis < 0) return std::nullopt;
  if (in_w[0] != kb || in_w[5] != ki || plain_axis(x.index[0]) != n || plain_axis(x.index[1]) != cb || plain_axis(x.index[4]) != ci)
    return std::nullopt;
  if (!is(x.index[2], oh, kh) || !is(x.index[3], ow, kw)) return std::nullopt;
  for (size_t d = 0; d < y.shape.size(); ++d)
    if (y.shape[d] != c.axes[static_cast<size_t>(in_y[d])].extent) return std::nullopt;
  const WinogradForm form{y.shape[0], x.shape[1], y.shape[1], y.shape[2], y.shape[3], x.index[2].offset, x.index[3].offset};
  if (form.first_column < 0 || form.first_column + form.columns + 2 > x.shape[3]) return std::nullopt;
  return form;
}

KernelBody winograd_weights(const Shape& weights, const Winograd& winograd) {
  const Matrix& g = winograd_transform(winograd.tile).weights;
  const Shape shape = transformed_shape(weights, winograd), position(shape.begin() + 1, shape.end());
  KernelBody body;
  LoopNest& nest = body.nest;
  Dag& dag = nest.dag;
  body.operands.push_back({"w", DType::f32, weights, row_major_strides(weights)});
  nest.extents = position;
  nest.parallel = static_cast<int>(position.size());
  const auto combine = [&](const std::vector<double>& row, const auto& value) {
    ExprId sum = kNoExpr;
    for (size_t k = 0; k < row.size(); ++k) {
      if (row[k] == 0) continue;
      const ExprId term = row[k] == 1 ? value(k) : dag.mul(dag.real(row[k]), value(k));
      sum = sum == kNoExpr ? term : dag.add(sum, term);
    }
    return sum;
  };
  for (const std::vector<double>& gi : g)
    for (const std::vector<double>& gj : g) {
      const auto column = [&](size_t kw) {
        return combine(gi, [&](size_t kh) {
          return dag.load(0, {dag.axis(0), dag.axis(1), dag.index(static_cast<int64_t>(kh)), dag.index(static_cast<int64_t>(kw)),
                              dag.axis(2), dag.axis(3)});
        });
      };
      const int operand = static_cast<int>(body.operands.size());
      nest.stores.push_back({operand, combine(gj, column)});
      body.operands.push_back({"u", DType::f32, position, row_major_strides(position), Space::arena, true});
    }
  return body;
}

}  // namespace netc
