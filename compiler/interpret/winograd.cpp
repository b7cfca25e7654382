// A convolution by Winograd's algorithm, in double precision: for every position its inputs are transformed, multiplied
// by the position's weights as a contraction without window, and added to the outputs.
#include <functional>

#include "compiler/base/error.h"
#include "compiler/interpret/evaluate.h"

namespace netc {
namespace {

// The image's dimensions of x: those whose index is a sum of the output's axis and the window's.
struct ImageDimension {
  size_t in_x = 0, in_y = 0;
  int axis = 0;         // of the output
  int64_t offset = 0;   // of x's index where both axes are 0
};

ImageDimension find_dimension(const Contraction& c, int window_axis) {
  const ContractionTensor &x = c.tensors[0], &y = c.tensors[2];
  for (size_t d = 0; d < x.index.size(); ++d) {
    const AxisSum& sum = x.index[d];
    if (sum.terms.size() != 2 || sum.terms[0].coefficient != 1 || sum.terms[1].coefficient != 1) continue;
    const int other = sum.terms[0].axis == window_axis ? 1 : 0;
    if (sum.terms[static_cast<size_t>(1 - other)].axis != window_axis) continue;
    const int axis = sum.terms[static_cast<size_t>(other)].axis;
    for (size_t e = 0; e < y.index.size(); ++e)
      if (y.index[e] == AxisSum{{{axis, 1}}, 0}) return {d, e, axis, sum.offset};
  }
  throw InternalError("Winograd's convolution has strides of 1");
}

// Calls `visit` with every index of a shape, in row-major order.
void for_each_index(const Shape& shape, const std::function<void(const Shape&)>& visit) {
  Shape index(shape.size(), 0);
  for (int64_t i = element_count(shape); i > 0; --i) {
    visit(index);
    for (size_t d = shape.size(); d-- > 0 && ++index[d] == shape[d];) index[d] = 0;
  }
}

size_t position_of(const Shape& index, const Shape& shape) {
  int64_t position = 0;
  for (size_t d = 0; d < shape.size(); ++d) position = position * shape[d] + index[d];
  return static_cast<size_t>(position);
}

class WinogradEvaluation {
 public:
  WinogradEvaluation(const Contraction& c, const HostTensor& x, const HostTensor& transformed)
      : c_(c), x_(x), u_(transformed), transform_(winograd_transform(c.winograd->tile)), tile_(c.winograd->tile) {
    const ContractionTensor& w = c.tensors[1];
    NETC_CHECK(x.shape == c.tensors[0].shape && transformed.shape == c.second_shape(), "a contraction's input has another shape");
    for (size_t i = 0; i < 2; ++i) image_[i] = find_dimension(c, w.index[2 + i].terms.at(0).axis);
    make_product();
  }

  HostTensor run() {
    const Shape& shape = c_.tensors[2].shape;
    HostTensor y{shape, std::vector<double>(static_cast<size_t>(element_count(shape)), 0.0)};
    const auto window = static_cast<size_t>(c_.winograd->window());
    const int64_t size = element_count(product_.tensors[1].shape);
    for (size_t i = 0; i < window; ++i)
      for (size_t j = 0; j < window; ++j) {
        const auto begin = u_.data.begin() + static_cast<int64_t>(i * window + j) * size;
        add(y, evaluate_contraction(product_, inputs(i, j), {product_.tensors[1].shape, {begin, begin + size}}), i, j);
      }
    return y;
  }

 private:
  // Of one position: the contraction with tiles for pixels and a window of 1x1.
  void make_product() {
    product_ = c_;
    product_.winograd.reset();
    Shape& weights = product_.tensors[1].shape;
    for (size_t i = 0; i < 2; ++i) {
      const ImageDimension& d = image_[i];
      const int64_t tiles = ceil_div(c_.axes[static_cast<size_t>(d.axis)].extent, tile_);
      product_.axes[static_cast<size_t>(d.axis)].extent = tiles;
      product_.axes[static_cast<size_t>(c_.tensors[1].index[2 + i].terms[0].axis)].extent = 1;
      weights[2 + i] = 1;
      product_.tensors[0].shape[d.in_x] = tiles;
      product_.tensors[0].index[d.in_x].offset = 0;
      product_.tensors[2].shape[d.in_y] = tiles;
    }
  }

  // B^T x B at (i, j), of all tiles.
  HostTensor inputs(size_t i, size_t j) const {
    HostTensor v{product_.tensors[0].shape, {}};
    for_each_index(v.shape, [&](const Shape& index) {
      double sum = 0;
      for (size_t a = 0; a < transform_.input[i].size(); ++a)
        for (size_t b = 0; b < transform_.input[j].size(); ++b) {
          const double factor = transform_.input[i][a] * transform_.input[j][b];
          Shape from = index;
          const bool inside = move(from, 0, a) && move(from, 1, b);
          if (factor != 0 && inside) sum += factor * x_.data[position_of(from, x_.shape)];
        }
      v.data.push_back(sum);
    });
    return v;
  }

  // From a tile to its input number `place` along one dimension; false: outside of the image.
  bool move(Shape& index, size_t dimension, size_t place) const {
    const ImageDimension& d = image_[dimension];
    index[d.in_x] = index[d.in_x] * tile_ + static_cast<int64_t>(place) + d.offset;
    return index[d.in_x] >= 0 && index[d.in_x] < x_.shape[d.in_x];
  }

  // Adds A^T m A's part of position (i, j) to the outputs.
  void add(HostTensor& y, const HostTensor& product, size_t i, size_t j) const {
    for_each_index(y.shape, [&](const Shape& index) {
      Shape from = index;
      const auto place = [&](const ImageDimension& d) {
        from[d.in_y] = index[d.in_y] / tile_;
        return static_cast<size_t>(index[d.in_y] % tile_);
      };
      const double factor = transform_.output[place(image_[0])][i] * transform_.output[place(image_[1])][j];
      if (factor != 0) y.data[position_of(index, y.shape)] += factor * product.data[position_of(from, product.shape)];
    });
  }

  const Contraction& c_;
  const HostTensor &x_, &u_;
  const WinogradTransform& transform_;
  const int64_t tile_;
  ImageDimension image_[2];
  Contraction product_;
};

}  // namespace

HostTensor evaluate_winograd(const Contraction& contraction, const HostTensor& x, const HostTensor& transformed) {
  return WinogradEvaluation(contraction, x, transformed).run();
}

}  // namespace netc
