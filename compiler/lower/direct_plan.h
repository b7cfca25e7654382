// A contraction over channel-blocked operands, read where they lie: C stays in registers through the sum.
//
// Plain data, no code generation. One mechanism serves every direction; only the parts that variables play differ:
//                   lanes   group      rows     broadcast operand           lane operand
//   forward         ki      kb         ow       x[n, cb, s*oh+kh-p, …, ci]  w[kb, cb, kh, kw, ci, ki]
//   data gradient   ci      cb         iw       y[n, kb, …, ki]             w[cb, kb, kh, kw, ki, ci]
//   weight grad.    ki      kb         (kw) ci  x[n, cb, s*oh+kh-p, …, ci]  y[n, kb, oh, ow, ki]
//   linear          ki      kb         n        x[n, cb, ci]                w[kb, cb, ci, ki]
// A register tile is `tile_groups` blocks of 16 lanes times `tile_rows` rows. For every step of the sum it loads a
// vector per group from the lane operand, one scalar per row from the broadcast operand, and multiplies all pairs.
//
// A sum too long for the caches is cut into blocks; then C lies in the worker's scratch memory between them.
// Rows and groups of a task have pieces of two widths at most, so that every loop has a known shape.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "compiler/lower/gemm_form.h"

namespace netc {

constexpr int64_t kLaneBlock = 16;  // channels in a block of a blocked layout

// What a plan leaves open: what its cost model chooses, and what a benchmark may ask for instead.
struct DirectTile {
  int64_t groups = 1, rows = 1;
  bool group_innermost = false;  // of the loops over tiles; else outermost
  int64_t sum_block_bytes = 0;   // of both operands in one block of the sum; 0: not cut
  int64_t prefetch_steps = 0;    // how far ahead operands are fetched that both stream through the innermost loop
};

// V of the product is the broadcast operand, S the lane operand: rows are values of m, lanes and groups of n.
// Variables of m, n and batch that are neither are the outer ones.
struct DirectPlan : GemmForm {
  Shape output_block;                   // the task grid's
  int vector_lanes = 4;                 // f32 lanes of one vector
  int lane = -1, row = -1, group = -1;  // variables; row and group may be missing
  int merged = -1;                      // an outer variable that the rows run over too: pixels of an image as one row
  int64_t element_bytes = 4;            // of the operands
  bool pairs = false;                   // bf16: steps are added two by two, a pair's second step first, on any target
  bool dot_products = false;            // and the target has an instruction that does both
  DirectTile tile;
  std::vector<int> order;               // loops over tiles, outermost first
  std::vector<int> sums;                // variables of k, outermost first
  int split = -1;                       // position in `sums` that is cut into blocks; those before it are single
  int64_t partial_floats = 0;           // of PartialSums in one task

  bool is_outer(size_t v) const;
  int vectors() const { return static_cast<int>(kLaneBlock) / vector_lanes; }
  // Values of rows and groups in a task, in one phase.
  int64_t row_count(const GemmPhase& phase) const;
  int64_t group_count() const;
  int64_t steps() const;  // of the sum, in the longest phase
  // Whether every step of the sum reads new lines of both operands (weight gradient), which are fetched ahead then.
  bool streams() const;
  int64_t blocks_of_sum() const;
  // Floats between neighbours of a variable in C, relative to the task's first element.
  std::vector<int64_t> c_strides() const;
  int64_t c_floats() const;
  int64_t scratch_bytes() const;
};

// Operands are f32, or both are of one 16-bit type.
// nullopt where the body has no such form: lanes of 16 contiguous in the output and in one input, indices of
// the other that leave it along one sum at most. `tile`: instead of the plan's own choice.
// REQUIRES: body.contraction.
std::optional<DirectPlan> plan_direct(const KernelBody& body, const Target& target,
                                      const std::optional<DirectTile>& tile = std::nullopt);

// The whole body as one task with the sum in one piece and groups outermost, so that the lane operand is read from afar
// once: a product within another kernel's task.
std::optional<DirectPlan> plan_direct_task(const KernelBody& body, const Target& target);

// `count` in pieces of at most `most`, as even as possible: 14 by 12 is 7 + 7, 56 by 6 is six sixes and four fives.
struct Pieces {
  int64_t count, width, first;  // pieces, values of each, where they begin
};
std::vector<Pieces> balanced_pieces(int64_t count, int64_t most);

// A loop of the sum: variables that advance both operands evenly run as one.
struct SumLoop {
  int variable = -1;                // the innermost of those that run as one
  int64_t extent = 1;
  int64_t broadcast_stride = 0, lane_stride = 0;
  std::vector<int> checked;         // dimensions of the broadcast operand that bound it
  bool blocked = false;             // its range is a block of the sum
};
std::vector<SumLoop> sum_loops(const DirectPlan& plan, const GemmPhase& phase);

std::string to_string(const DirectPlan& plan);

}  // namespace netc
