// How a direct contraction's step reads its operands and multiplies them: the format, apart from the loops.
//
//   f32, or 16-bit values widened as they are read: a step at a time, a multiply-add of f32 lanes.
//   Pairs of bf16 (DirectPlan::dot_products): two steps at a time, a dot product of two for every lane. The lane operand's two
//   blocks of lanes are interleaved in the register; a row's two scalars are neighbours in memory, or, where both
//   operands stream, are brought together in lines of the stack that all rows are broadcast from.
//
// The instruction adds a pair's second step first. Where there is none, the loops take the steps of a pair in that order, one at
// a time, and the sums have the same bits. (Without a fused multiply-add, unless a product leaves f32's range.)
#pragma once

#include <memory>

#include "compiler/backend/cpu/lane_builder.h"
#include "compiler/lower/direct_plan.h"

namespace netc {

class DirectOperands {
 public:
  virtual ~DirectOperands() = default;
  virtual int64_t steps() const = 0;  // that are taken at a time; `count` below is at most that
  // A block of lanes: one value for each of its vectors.
  virtual std::vector<llvm::Value*> lanes(llvm::Value* address, int64_t count) = 0;
  // The rows' scalars, from the first row's address on; row(): one of them, in all lanes.
  virtual void start_rows(llvm::Value* address, int64_t count) = 0;
  virtual llvm::Value* row(int64_t number) = 0;
  virtual llvm::Value* multiply_add(llvm::Value* lanes, llvm::Value* row, llvm::Value* sum) = 0;
};

struct DirectFormat {
  DType broadcast = DType::f32, lanes = DType::f32;
  int64_t rows = 1, row_stride = 0;  // of the tile
  int64_t broadcast_step = 0, lane_step = 0;  // elements from one step to the next
};

std::unique_ptr<DirectOperands> direct_operands(LaneBuilder& builder, const DirectPlan& plan, const DirectFormat& format);

}  // namespace netc
