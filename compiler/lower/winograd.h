// Winograd's convolution F(m x m, 3 x 3): a 3x3 convolution of stride 1 with a fraction of the products
// (S. Winograd, "Arithmetic Complexity of Computations", 1980; A. Lavin, S. Gray, "Fast Algorithms for
// Convolutional Neural Networks", CVPR 2016).
//
//   y = A^T [ sum over channels of (G w G^T) * (B^T x B) ] A       for every tile of m x m outputs
// of the (m+2) x (m+2) inputs x around them; * multiplies elements. F(2) needs 4, F(4) 2.25 products an output, a
// window has 9. The weights' part, U = G w G^T, is computed once (winograd_weights).
//
// Error. The transforms add and subtract what nearly cancels, so an error is relative to the largest values around it, not
// to its own result. The matrices interpolate at 0, infinity and +-1 for F(2), +-5/8 and +-3/2 for F(4): exact in binary, and
// measured to be the best of some hundred candidates. Root mean square of the error, as a multiple of direct summation's in f32:
//   F(2) 0.7,   F(4) 2.0   (with the customary +-1 and +-2: 4.5)
// What is promised, and tested, is tests/tolerance.h's `winograd_tolerance`. An infinity or NaN in x makes all outputs of its tiles NaN.
#pragma once

#include <optional>
#include <vector>

#include "compiler/lower/kernel.h"

namespace netc {

using Matrix = std::vector<std::vector<double>>;

struct WinogradTransform {
  Matrix input;    // B^T, (m+2) x (m+2)
  Matrix weights;  // G, (m+2) x 3
  Matrix output;   // A^T, m x (m+2)
};

// REQUIRES: tile is 2 or 4.
const WinogradTransform& winograd_transform(int64_t tile);

// Of the convolution's forward contraction in blocks, by position in its tensors:
//   x [n, cb, h, w, 16]   w [kb, cb, 3, 3, 16 ci, 16 ki]   y [n, kb, oh, ow, 16]
struct WinogradForm {
  int64_t images, inputs, outputs;    // inputs, outputs: blocks of channels
  int64_t rows, columns;              // of y
  int64_t first_row, first_column;    // of x's index, where oh = kh = 0 and ow = kw = 0; rows may leave x, columns do not
};

// nullopt: not such a contraction, or one that leaves x sideways.
std::optional<WinogradForm> winograd_form(const Contraction& contraction);


// The kernel that makes U of w: operand 0 is w, operand 1 + p is position p of U, [kb, cb, 16 ci, 16 ki].
KernelBody winograd_weights(const Shape& weights, const Winograd& winograd);

}  // namespace netc
