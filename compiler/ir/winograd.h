// Winograd's convolution F(m x m, 3 x 3): a 3x3 convolution of stride 1 with a fraction of the products
// (S. Winograd, "Arithmetic Complexity of Computations", 1980; A. Lavin, S. Gray, "Fast Algorithms for
// Convolutional Neural Networks", CVPR 2016).
//
//   y = A^T [ sum over channels of (G w G^T) * (B^T x B) ] A       for every tile of m x m outputs
// of the (m+2) x (m+2) inputs x around them; * multiplies elements. F(2) needs 4, F(4) 2.25 products an output, a
// window has 9. The weights' part, U = G w G^T, is computed once. The gradient of the weights is the adjoint, with as many products:
//   dw = G^T [ sum over tiles of (B^T x B) * (A dy A^T) ] G
//
// Error. The transforms add and subtract what nearly cancels, so an error is relative to the largest values around it, not
// to its own result. The matrices interpolate at 0, infinity and +-1 for F(2), +-5/8 and +-3/2 for F(4): exact in binary, and
// measured to be the best of some hundred candidates. Root mean square of the error, as a multiple of direct summation's in f32:
//   F(2) 0.7,   F(4) 2.0   (with the customary +-1 and +-2: 4.5)
// What is promised, and tested, is tests/tolerance.h's `winograd_tolerance`. An infinity or NaN in x makes all outputs of its tiles NaN.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "compiler/base/shape.h"

namespace netc {

struct Winograd {
  int64_t tile = 4;  // m: tiles of tile x tile outputs; 2 or 4
  int64_t window() const { return tile + 2; }  // of inputs around a tile
  int64_t positions() const { return window() * window(); }
  bool operator==(const Winograd&) const = default;
};

struct WinogradChoice {
  std::optional<Winograd> winograd;
  std::string reason;  // why a convolution is done so, or not
};

// "F(4, 3)"
std::string to_string(const Winograd& winograd);

// Of U: its positions, row-major, before what the weights have without their window, which is their dimensions 2 and 3:
// [k, c, 3, 3] to [positions, k, c], [kb, cb, 3, 3, ci, ki] to [positions, kb, cb, ci, ki].
Shape transformed_shape(const Shape& weights, const Winograd& winograd);

using Matrix = std::vector<std::vector<double>>;

struct WinogradTransform {
  Matrix input;    // B^T, (m+2) x (m+2)
  Matrix weights;  // G, (m+2) x 3
  Matrix output;   // A^T, m x (m+2)
};

// REQUIRES: tile is 2 or 4.
const WinogradTransform& winograd_transform(int64_t tile);

}  // namespace netc
