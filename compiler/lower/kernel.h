// A kernel's body: what one launch computes, after fusion, before any backend (decision 3).
//
// It is a loop nest over operands as they lie in memory (lower/layout.h). With a contraction, the nest has no reductions of its own: its
// parallel axes are the dimensions of the contraction's output, `reduced(0)` is the contraction's
// result there, and the stores are the epilogue (bias, residual, activation, …). Loads and stores
// name operands by position; a store's index is the parallel index itself, scaled by the operand's strides, so that
// an operand may be a slice of a larger buffer (concat).
//
// A written operand may be the same memory as a read one (in place, and state updates): then the read one
// is loaded at the parallel index alone, so a task that computes all of a point's values before it stores any is right.
// No other two operands overlap where one is written; backends must not claim more.
//
// Example, conv + bias + relu: operands x, w, bias, y; contraction {lhs x, rhs w};
//   stores { y: max(reduced(0) + load(2, {a1}), 0) }
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compiler/base/program.h"
#include "compiler/base/target.h"
#include "compiler/ir/contraction.h"
#include "compiler/ir/loop_nest.h"

namespace netc {

// Columns of zeros on both sides of one dimension of a written operand: where a later kernel reads beyond the
// edges instead of checking for them. Shape, strides and view are those of what lies between. The task that stores at
// index 0 writes the positions -before..-1, the one that stores at the last index the `after` behind it.
struct Halo {
  int dimension = -1;  // -1: none
  int64_t before = 0, after = 0;
  bool operator==(const Halo&) const = default;
};

constexpr int kOperandAlignment = 16;  // what vector loads want

struct KernelOperand {
  std::string name;  // for dumps
  DType dtype = DType::f32;
  Shape shape;
  Shape strides;     // in elements; row-major within a buffer that may be larger than the operand
  Space space = Space::arena;
  bool written = false;
  Halo halo{};  // of a written one
  int alignment = kOperandAlignment;  // of its first element, in bytes: less in some slices of a buffer
  bool operator==(const KernelOperand&) const = default;
};

// A part of a halo: `shape` positions from element `offset` on (relative to the operand's first, perhaps negative),
// with the operand's strides. They belong to the task that stores at index `at` of the halo's dimension.
struct HaloMargin {
  Shape shape;
  int64_t offset = 0, at = 0;
};
std::vector<HaloMargin> halo_margins(const KernelOperand& operand);

struct ContractionStage {
  Contraction contraction;
  int lhs = 0, rhs = 1;  // operands for contraction.first_input() and second_input()
};

// Per task, the sum of `body` over the task's share of all parallel axes except the kept ones, written to row
// `task_row` of operand `output` ([rows, product of the kept extents], the kept axes row-major). A later kernel adds
// the rows in order: how batch norm's statistics are taken by the kernel that computes its input, with the same bits at any
// number of threads.
struct PartialSum {
  std::vector<int> kept;   // the parallel axes that stay, ascending: channels, or blocks of channels and channels in a block
  ExprId body = kNoExpr;   // over parallel axes and reduced()
  int output = 0;
};

struct KernelBody {
  std::vector<KernelOperand> operands;
  LoopNest nest;
  std::optional<ContractionStage> contraction;
  std::vector<PartialSum> partials;
};

// How a body is cut into tasks: a pure function of body and target. Tasks enumerate blocks of parallel axes.
struct TaskGrid {
  Shape block;      // extent of a task's block per parallel axis (the last block of an axis may be smaller)
  Shape blocks;     // number of blocks per axis; their product is the number of tasks, row-major
  static TaskGrid of(const Shape& extents, Shape block);
  int64_t tasks() const { return element_count(blocks); }
  // Rows of a PartialSum's output: blocks over all axes but the kept ones.
  int64_t partial_rows(const std::vector<int>& kept) const;
};
TaskGrid task_grid(const KernelBody& body, const Target& target);

// THROWS InternalError with the first broken invariant.
void verify(const KernelBody& body);
std::string to_string(const KernelBody& body);

// Whether the body's partial sums, which all keep the same axes, keep this one.
bool is_kept(const KernelBody& body, int axis);

// Equal texts mean equal kernels: names are left out, so that identical layers share code.
std::string identity(const KernelBody& body);

}  // namespace netc
