// The interpreter's contractions against the definition: a loop over every point of the iteration space.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "compiler/interpret/evaluate.h"

namespace netc {
namespace {

// The definition: points outside of any tensor contribute nothing.
HostTensor by_definition(const Contraction& c, const HostTensor& first, const HostTensor& second) {
  const Shape& shape = c.tensors[static_cast<size_t>(c.output)].shape;
  HostTensor output{shape, std::vector<double>(static_cast<size_t>(element_count(shape)), 0.0)};
  std::vector<int64_t> point(c.axes.size(), 0);
  for (int64_t i = 0; i < c.multiply_adds(); ++i) {
    int64_t address[3];
    bool inside = true;
    for (size_t t = 0; t < 3; ++t) {
      address[t] = 0;
      for (size_t d = 0; d < c.tensors[t].shape.size(); ++d) {
        int64_t index = c.tensors[t].index[d].offset;
        for (const AxisTerm& term : c.tensors[t].index[d].terms) index += term.coefficient * point[static_cast<size_t>(term.axis)];
        inside &= index >= 0 && index < c.tensors[t].shape[d];
        address[t] = address[t] * c.tensors[t].shape[d] + index;
      }
    }
    if (inside)
      output.data[static_cast<size_t>(address[c.output])] += first.data[static_cast<size_t>(address[c.first_input()])] *
                                                            second.data[static_cast<size_t>(address[c.second_input()])];
    for (size_t a = point.size(); a-- > 0;) {
      if (++point[a] < c.axes[a].extent) break;
      point[a] = 0;
    }
  }
  return output;
}

HostTensor random_tensor(const Shape& shape, std::mt19937& random) {
  HostTensor tensor{shape, std::vector<double>(static_cast<size_t>(element_count(shape)))};
  std::uniform_real_distribution<double> draw(-1, 1);
  for (double& value : tensor.data) value = draw(random);
  return tensor;
}

void expect_definition(const Contraction& c, const std::string& name) {
  verify(c);
  std::mt19937 random(7);
  HostTensor first = random_tensor(c.tensors[static_cast<size_t>(c.first_input())].shape, random);
  HostTensor second = random_tensor(c.tensors[static_cast<size_t>(c.second_input())].shape, random);
  HostTensor expected = by_definition(c, first, second), got = evaluate_contraction(c, first, second);
  ASSERT_EQ(got.shape, expected.shape);
  for (size_t i = 0; i < got.data.size(); ++i)
    ASSERT_NEAR(got.data[i], expected.data[i], 1e-11) << name << "\n" << to_string(c) << "element " << i;
}

struct Geometry {
  int64_t n, c, k, groups, height, width, kh, kw, stride, dilation, pad;
};

Contraction convolution(const Geometry& g, int output) {
  Contraction c;
  int64_t oh = (g.height + 2 * g.pad - g.dilation * (g.kh - 1) - 1) / g.stride + 1;
  int64_t ow = (g.width + 2 * g.pad - g.dilation * (g.kw - 1) - 1) / g.stride + 1;
  c.axes = {{"g", g.groups}, {"n", g.n}, {"c", g.c}, {"k", g.k}, {"oh", oh}, {"ow", ow}, {"kh", g.kh}, {"kw", g.kw}};
  auto plain = [](int axis) { return AxisSum{{{axis, 1}}, 0}; };
  AxisSum channel{{{0, g.c}, {2, 1}}, 0}, filter{{{0, g.k}, {3, 1}}, 0};
  AxisSum ih{{{4, g.stride}, {6, g.dilation}}, -g.pad}, iw{{{5, g.stride}, {7, g.dilation}}, -g.pad};
  c.tensors[0] = {{g.n, g.groups * g.c, g.height, g.width}, {plain(1), channel, ih, iw}};
  c.tensors[1] = {{g.groups * g.k, g.c, g.kh, g.kw}, {filter, plain(2), plain(6), plain(7)}};
  c.tensors[2] = {{g.n, g.groups * g.k, oh, ow}, {plain(1), filter, plain(4), plain(5)}};
  c.output = output;
  return c;
}

TEST(Contraction, ConvolutionsEqualTheDefinition) {
  Geometry cases[] = {
      {2, 3, 4, 1, 5, 6, 3, 3, 1, 1, 1}, {1, 2, 3, 1, 7, 7, 3, 2, 2, 1, 1}, {1, 3, 2, 2, 9, 8, 3, 3, 1, 2, 2},
      {2, 1, 1, 5, 6, 6, 3, 3, 2, 1, 1}, {1, 70, 66, 1, 4, 4, 1, 1, 1, 1, 0}, {3, 9, 5, 1, 8, 11, 5, 1, 3, 1, 2},
      {1, 30, 5, 1, 6, 6, 3, 3, 1, 1, 1}, {1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 3},
  };
  for (const Geometry& g : cases)
    for (int output : {0, 1, 2}) expect_definition(convolution(g, output), "output " + std::to_string(output));
}

TEST(Contraction, MatrixProductsOfEveryTileRemainder) {
  for (int64_t m : {1, 4, 65})
    for (int64_t n : {1, 7, 130})
      for (int64_t k : {1, 3, 257}) {
        Contraction c;
        c.axes = {{"m", m}, {"n", n}, {"k", k}};
        auto plain = [](int axis) { return AxisSum{{{axis, 1}}, 0}; };
        c.tensors[0] = {{m, k}, {plain(0), plain(2)}};
        c.tensors[1] = {{n, k}, {plain(1), plain(2)}};
        c.tensors[2] = {{m, n}, {plain(0), plain(1)}};
        expect_definition(c, "matmul");
      }
}

TEST(Contraction, AxesOfExtentOneAndOneDimension) {
  Contraction c;  // y[i] = sum over k of x[i + k - 1] * w[k]: one checked dimension
  c.axes = {{"i", 9}, {"k", 3}, {"one", 1}};
  c.tensors[0] = {{9, 1}, {AxisSum{{{0, 1}, {1, 1}}, -1}, AxisSum{{{2, 1}}, 0}}};
  c.tensors[1] = {{3, 1}, {AxisSum{{{1, 1}}, 0}, AxisSum{{{2, 1}}, 0}}};
  c.tensors[2] = {{9}, {AxisSum{{{0, 1}}, 0}}};
  for (int output : {0, 1, 2}) {
    c.output = output;
    expect_definition(c, "one dimension");
  }
}

}  // namespace
}  // namespace netc
