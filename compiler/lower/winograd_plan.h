// How a Winograd convolution (ir/winograd.h) is cut into tasks, and a task's work: plain data, no code generation.
//
// A task takes a block of tiles (images x tile rows x tile columns) and of output channels. In the worker's scratch memory it
//   1. transforms its inputs, of all channels, which may be of 16 bits, in f32:   V[position][cb][tile][16]
//   2. for every position, multiplies matrices directly:  M[position][kb][tile][16] = V[position] * U[position]
//   3. transforms the outputs, in registers, and evaluates the body's stores on them.
// The matrix product is a direct contraction (lower/direct_plan.h) with tiles as rows and the sum over all channels in registers.
// U is read once a task, so tasks have as many tiles as pays; of V and M, one position at a time is in use.
#pragma once

#include <optional>
#include <string>

#include "compiler/ir/weight_transforms.h"
#include "compiler/lower/contraction_layouts.h"
#include "compiler/lower/direct_plan.h"
#include "compiler/lower/winograd.h"

namespace netc {

// Tiles and blocks of output channels in a task: what the cost model chooses, and what a benchmark may ask for instead.
struct WinogradBlock {
  int64_t images = 1, tile_rows = 1, tile_columns = 1, outputs = 1;
};

struct WinogradPlan {
  Winograd winograd;
  WinogradForm form;
  WinogradBlock block;   // the last tiles may reach beyond the output, the last tasks may have fewer
  Shape output_block;    // the task grid's
  int vector_lanes = 4;
  KernelBody product;    // of one position: operands V [cb, tiles, 16], U [kb, cb, 16, 16], M [kb, tiles, 16]
  DirectPlan product_plan;
  double cycles = 0;     // estimated, of all tasks

  int64_t tiles() const { return block.images * block.tile_rows * block.tile_columns; }
  int64_t partials = 0;  // of the body's partial sums
  // Scratch memory in floats: partial sums [which][kb][16], a row of zeros that stands for those outside of the image, V, M, the
  // product's own.
  int64_t zeros_offset() const;
  int64_t v_offset() const;
  int64_t m_offset() const;
  int64_t product_offset() const;
  int64_t scratch_bytes() const;
  // Of a position; a line more than its data, so that positions do not fall into one set of the cache.
  int64_t v_pitch() const { return (form.inputs * tiles() + 1) * kLaneBlock; }
  int64_t m_pitch() const { return (block.outputs * tiles() + 1) * kLaneBlock; }
};

// REQUIRES: body.contraction->contraction.winograd, and a form for it.
WinogradPlan plan_winograd(const KernelBody& body, const Target& target, const std::optional<WinogradBlock>& block = std::nullopt);

// The tile with which a contraction over blocks is done faster than directly, by the estimated cycles; none if none is. `dtype`: of its
// operands.
WinogradChoice choose_winograd(const Contraction& contraction, DType dtype, WeightTransforms weights, const Target& target);
// The same of one over dense tensors, in the layouts that it will get.
WinogradChoice choose_winograd(const Contraction& logical, DType dtype, WeightTransforms weights, const LayoutOptions& layouts,
                               const Target& target);

std::string to_string(const WinogradPlan& plan);

}  // namespace netc
