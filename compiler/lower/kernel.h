// A kernel's body: what one launch computes, after fusion, before any backend (decision 3).
//
// It is a loop nest over dense operands. With a contraction, the nest has no reductions of its own: its
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

struct KernelOperand {
  std::string name;  // for dumps
  DType dtype = DType::f32;
  Shape shape;
  Shape strides;     // in elements; row-major within a buffer that may be larger than the operand
  Space space = Space::arena;
  bool written = false;
  bool operator==(const KernelOperand&) const = default;
};

struct ContractionStage {
  Contraction contraction;
  int lhs = 0, rhs = 1;  // operands for contraction.first_input() and second_input()
};

// Per task, the sum of `body` over the task's share of all parallel axes except `kept`, written to row
// `task_row` of operand `output` ([rows, extent of kept]). A later kernel adds the rows in order: how batch norm's
// statistics are taken in the epilogue of a convolution with the same bits at any number of threads.
struct PartialSum {
  int kept = 1;            // the parallel axis that stays (channels)
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
  int64_t tasks() const { return element_count(blocks); }
  // Rows of a PartialSum's output: blocks over all axes but `kept`.
  int64_t partial_rows(int kept) const { return tasks() / blocks[static_cast<size_t>(kept)]; }
};
TaskGrid task_grid(const KernelBody& body, const Target& target);

// THROWS InternalError with the first broken invariant.
void verify(const KernelBody& body);
std::string to_string(const KernelBody& body);

// Equal texts mean equal kernels: names are left out, so that identical layers share code.
std::string identity(const KernelBody& body);

}  // namespace netc
