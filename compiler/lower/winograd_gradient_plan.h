// How the weight gradient of a Winograd convolution (ir/winograd.h) is cut into tasks, and a task's work: plain data, no code
// generation.
//
// A task takes a part of the images and blocks of input and output channels. For some tiles at a time, in the worker's scratch
// memory, it
//   1. transforms inputs and gradients (f32 or of 16 bits) in f32:   V[position][cb][tile][16], D[position][kb][tile][16]
//   2. for every position, adds a matrix product:      M[position][kb][cb][16 ci][16 ki] += V[position]^T * D[position]
// and after all tiles of the part
//   3. transforms M to the window, G^T M G, and stores it.
// The product is a direct contraction (lower/direct_plan.h). Parts are added by another kernel, in order (ops/split_sums.h), so the
// result depends on shapes and target alone.
#pragma once

#include <optional>
#include <string>

#include "compiler/ir/winograd_gradient.h"
#include "compiler/lower/contraction_layouts.h"
#include "compiler/lower/direct_plan.h"
#include "compiler/lower/winograd.h"

namespace netc {

// What the cost model chooses.
struct WinogradGradientBlock {
  int64_t inputs = 1, outputs = 1;    // blocks of channels in a task; divide the part's
  int64_t images = 1, tile_rows = 1;  // of the tiles that are transformed at a time; divide the part's images, an image's rows of tiles
};

struct WinogradGradientPlan {
  Winograd winograd;
  WinogradForm form;
  WinogradGradientBlock block;
  Shape output_block;       // the task grid's
  int vector_lanes = 4;
  KernelBody product;       // of one position: operands V [cb, tiles, 16], D [kb, tiles, 16], M [kb, cb, 16, 16] before and after
  DirectPlan product_plan;

  int64_t rows_of_tiles() const { return ceil_div(form.rows, winograd.tile); }
  int64_t columns_of_tiles() const { return ceil_div(form.columns, winograd.tile); }
  int64_t tiles() const { return block.images * block.tile_rows * columns_of_tiles(); }
  // Scratch memory in floats: a row of zeros that stands for those outside of the image, V, D, M, the product's own. Of a position a
  // line more than its data, so that positions do not fall into one set of the cache.
  int64_t v_pitch() const { return (block.inputs * tiles() + 1) * kLaneBlock; }
  int64_t d_pitch() const { return (block.outputs * tiles() + 1) * kLaneBlock; }
  int64_t m_pitch() const { return (block.inputs * block.outputs * kLaneBlock + 1) * kLaneBlock; }
  int64_t v_offset() const { return winograd.window() * kLaneBlock; }
  int64_t d_offset() const { return v_offset() + winograd.positions() * v_pitch(); }
  int64_t m_offset() const { return d_offset() + winograd.positions() * d_pitch(); }
  int64_t product_offset() const { return m_offset() + winograd.positions() * m_pitch(); }
  int64_t scratch_bytes() const { return 4 * product_offset() + product_plan.scratch_bytes(); }
};

// REQUIRES: body.contraction->contraction is a weight gradient with Contraction::winograd, and has a form for it.
WinogradGradientPlan plan_winograd_gradient(const KernelBody& body, const Target& target);

// What Winograd's algorithm sees of a convolution's weight gradient (whole, without groups) in so many parts of the images, over the
// layouts that its tensors will have; nothing, and the reason: it does not apply.
std::optional<WinogradForm> winograd_gradient_form(const Contraction& weight_gradient, int64_t parts, const LayoutOptions& layouts,
                                                   std::string& reason);

// With which tile and in how many parts a convolution's weight gradient (whole, without groups) is done faster than directly, by the
// estimated cycles; over the layouts that its tensors will have. `dtype`: of its operands.
WinogradGradientChoice choose_winograd_gradient(const Contraction& weight_gradient, DType dtype, const LayoutOptions& layouts,
                                                const Target& target);

std::string to_string(const WinogradGradientPlan& plan);

}  // namespace netc
