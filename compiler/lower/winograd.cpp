#include "compiler/lower/winograd.h"

namespace netc {
namespace {

constexpr int64_t kBlock = 16;

// The single axis of an index; -1: more than that.
int plain_axis(const AxisSum& sum) {
  return sum.terms.size() == 1 && sum.terms[0].coefficient == 1 && sum.offset == 0 ? sum.terms[0].axis : -1;
}

// Takes the axis of the parts, with the coefficient of its first term, out of the first index of all tensors; how many there are.
int64_t take_parts(Contraction& c) {
  if (c.output != 1 || c.tensors[0].index.empty() || c.tensors[0].index[0].terms.size() != 2) return 1;
  const int part = c.tensors[0].index[0].terms[0].axis;
  for (ContractionTensor& tensor : c.tensors) {
    AxisSum& sum = tensor.index[0];
    if (sum.terms.size() != 2 || sum.terms[0].axis != part) return 0;
    tensor.shape[0] = sum.terms[0].coefficient;
    sum.terms.erase(sum.terms.begin());
  }
  return c.axes[static_cast<size_t>(part)].extent;
}

}  // namespace

std::optional<WinogradForm> winograd_form(const Contraction& contraction) {
  if (contraction.output == 0) return std::nullopt;
  Contraction c = contraction;
  const int64_t parts = take_parts(c);
  const bool in_parts = c.tensors[0].index != contraction.tensors[0].index;
  const ContractionTensor &x = c.tensors[0], &w = c.tensors[1], &y = c.tensors[2];
  if (parts == 0 || c.axes.size() != (in_parts ? 10 : 9)) return std::nullopt;
  if (x.shape.size() != 5 || w.shape.size() != 6 || y.shape.size() != 5) return std::nullopt;
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
  const WinogradForm form{y.shape[0], x.shape[1], y.shape[1], y.shape[2], y.shape[3], x.index[2].offset, x.index[3].offset, parts};
  if (form.first_column < 0 || form.first_column + form.columns + 2 > x.shape[3]) return std::nullopt;
  return form;
}

}  // namespace netc
