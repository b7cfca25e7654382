// Evaluates scalar expressions (ir/dag.h) at a point of a loop nest, or at `width` neighbouring points
// of one axis, the vector axis, at once.
//
// A value that does not vary along the vector axis stays scalar and is spread only where it meets one that
// does. Every value is emitted in the outermost scope in which its axes are known. Loads along the vector axis
// become vector loads (stride 1), broadcasts (stride 0) or gathers; guards become masks.
#pragma once

#include <optional>

#include "compiler/lower/index_analysis.h"
#include "compiler/backend/cpu/lane_builder.h"

namespace netc {

// What kernels reach their data through; all known at the function's entry.
struct KernelPointers {
  std::vector<llvm::Value*> operands;  // the first element of each
  llvm::Value* scalars = nullptr;      // RuntimeScalars
};

class Expressions {
 public:
  // `merged` as from merge_axes. `vector_axis`: -1 for none (then width is 1).
  Expressions(LaneBuilder& builder, const KernelBody& body, IndexAnalysis& analysis, KernelPointers pointers,
              const std::vector<int>& merged, int vector_axis, int width);

  // The loops set the point: `value` (i64) of an axis, known from the current scope on. What a loop's range (or a constant)
  // says of comparisons is used: where a guard always holds, nothing is checked.
  void set_axis(int axis, llvm::Value* value, std::optional<IndexRange> range = std::nullopt);
  // Moves the point along an axis that is set already, from the current scope on: unrolled neighbours share
  // the address of the first one. Ends with the scope: shift by 0, or set the axis again.
  void shift_axis(int axis, int64_t distance);
  // From here on the point is one of `width` neighbours on this axis, at the distance of its shift. What lies far apart along
  // the lanes and side by side along the axis is loaded for all of them, once, and transposed. -1: no longer.
  // REQUIRES: the same code reaches all of the neighbours.
  void set_square(int axis);
  // Lanes that count; nullptr: all.
  void set_mask(llvm::Value* mask) { mask_ = mask; }
  llvm::Value* mask() const { return mask_; }
  // Result of a reduction, f32, scalar or one per lane, known from the current scope on.
  void set_reduced(std::vector<llvm::Value*> values);

  // An expression's value: a scalar where it does not vary along the vector axis.
  llvm::Value* value(ExprId id);
  // The same with a value per lane (the scalar itself at width 1).
  llvm::Value* lanes(ExprId id);
  // A linear form with a value per lane, as i32 or i64.
  llvm::Value* lanes(const LinearForm& form);
  // Address of operand[form] at the first lane.
  llvm::Value* pointer(int operand, const LinearForm& form);
  // Stores f32, scalar or per lane, at operand[form + extra].
  void store(int operand, const LinearForm& form, llvm::Value* value, llvm::Value* extra = nullptr);

  llvm::Type* lane_type(llvm::Type* element) const;
  llvm::Type* index_type() const { return index_type_; }
  bool vector_is_parallel() const { return vector_axis_ >= 0 && vector_axis_ < body_.nest.parallel; }

 private:
  bool varies(AxisSet set) const { return (set & vector_set_) != 0; }
  // The scope in which a value is known; an address, at the point before shifts.
  int level_of(AxisSet set) const;
  int level_of(const LinearForm& form);
  int64_t shift_of(const LinearForm& form) const;
  llvm::Value* compute(const Expr& e, bool vector);
  llvm::Value* index_arithmetic(const Expr& e, bool vector);
  llvm::Value* arithmetic(const Expr& e, bool vector);
  llvm::Value* argument(const Expr& e, int i, bool vector);
  llvm::Value* argument_of(ExprId id, bool vector);
  llvm::Value* divide(llvm::Value* x, const Expr& e, bool remainder);
  llvm::Value* scalar(const LinearForm& form);
  llvm::Value* weighted_sum(const LinearForm& form);
  LinearForm terms_at(const LinearForm& form, int level);
  llvm::Value* unshifted(const LinearForm& form);
  llvm::Value* unshifted_pointer(int operand, const LinearForm& form);
  llvm::Value* runtime_scalar(size_t offset, llvm::Type* type);
  llvm::Value* less(const Expr& e, bool vector);
  llvm::Value* uniform(const Expr& e, bool vector);
  llvm::Value* load(const Expr& e, bool vector);
  llvm::Value* load_index(const Expr& e, bool vector);
  llvm::Value* load_raw(const Expr& e, bool vector);
  llvm::Value* load_scalar(const Expr& e, const LinearForm& form, llvm::Value* extra);
  llvm::Value* load_strided(int operand, const LinearForm& form, int64_t stride, llvm::Value* mask);
  llvm::Value* load_square(int operand, const LinearForm& form, int64_t stride);
  llvm::Value* gather(int operand, const LinearForm& form, llvm::Value* extra, llvm::Value* mask);
  llvm::Type* storage_type(int operand);
  llvm::Align alignment(int operand) const;

  LaneBuilder& b_;
  const KernelBody& body_;
  const Dag& dag_;
  IndexAnalysis& analysis_;
  KernelPointers pointers_;
  std::vector<int> merged_;
  int vector_axis_, width_;
  AxisSet vector_set_ = 0;      // what varies from lane to lane
  llvm::Type* index_type_;      // of an index per lane: i32 where all offsets fit
  std::vector<llvm::Value*> axis_values_;  // at the first lane
  std::vector<int> axis_levels_;
  std::vector<std::optional<IndexRange>> ranges_;  // of each axis before shifts, where less than all is known
  std::vector<int64_t> shifts_;
  std::vector<int> shift_levels_;
  std::vector<llvm::Value*> reduced_;
  int reduced_level_ = 0;
  llvm::Value* mask_ = nullptr;
  int square_ = -1;
  std::map<std::pair<int, LinearForm>, std::vector<llvm::Value*>> squares_;  // by operand and address of the first neighbour
};

}  // namespace netc
