// Which contractions a Winograd convolution (ir/winograd.h) can do.
#pragma once

#include <optional>

#include "compiler/ir/contraction.h"

namespace netc {

// Of the convolution's forward contraction or weight gradient in blocks, by position in its tensors:
//   x [n, cb, h, w, 16]   w [kb, cb, 3, 3, 16 ci, 16 ki]   y [n, kb, oh, ow, 16]
// of a weight gradient in parts (ops/split_sums.h), images and blocks of w are those of a part.
struct WinogradForm {
  int64_t images, inputs, outputs;    // inputs, outputs: blocks of channels
  int64_t rows, columns;              // of y
  int64_t first_row, first_column;    // of x's index, where oh = kh = 0 and ow = kw = 0; rows may leave x, columns do not
  int64_t parts = 1;
};

// nullopt: not such a contraction, or one that leaves x sideways.
std::optional<WinogradForm> winograd_form(const Contraction& contraction);

}  // namespace netc
