// What indices look like: linear forms over axes, their ranges, and on which axes a value depends.
//
// Quasi-affine indices become affine wherever they are: div and mod of one value that meet again
// cancel, and a div or mod whose remainder is known from ranges disappears. Reading [N, C*H*W] through a
// reshape to [N, C, H, W] ends as the plain address that it is:
//   (a1 div 49)*49 + (a1 mod 49)  ->  a1
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "compiler/lower/kernel.h"

namespace netc {

// constant + sum of coefficient * axis + sum of coefficient * atom. An atom is an index expression
// that is not linear. Axes of extent 1 never appear.
struct LinearForm {
  int64_t constant = 0;
  std::map<int, int64_t> axes;
  std::map<ExprId, int64_t> atoms;
  auto operator<=>(const LinearForm&) const = default;

  int64_t coefficient(int axis) const {
    auto found = axes.find(axis);
    return found == axes.end() ? 0 : found->second;
  }
};

struct IndexRange {
  int64_t low, high;
};

// The set of axes (bit per axis) that a value depends on; kReducedBit: on a reduction's result.
using AxisSet = uint64_t;
constexpr AxisSet kReducedBit = AxisSet{1} << 63;
constexpr AxisSet axis_bit(int axis) { return AxisSet{1} << axis; }

class IndexAnalysis {
 public:
  explicit IndexAnalysis(const KernelBody& body);

  const LinearForm& linear(ExprId index);
  // Element offset of operand[indices].
  LinearForm offset(int operand, const std::vector<ExprId>& indices);
  // Element offset at which a parallel index is stored.
  LinearForm store_offset(int operand) const;

  // What the form is between, over all of the nest, or while each axis is within the range given for it.
  std::optional<IndexRange> range(const LinearForm& form) { return range(form, extents_); }
  std::optional<IndexRange> range(const LinearForm& form, const std::vector<IndexRange>& axes);
  const std::vector<IndexRange>& axis_ranges() const { return extents_; }
  // Whether a < b, where that is the same for all axes within these ranges. REQUIRES: an index_less.
  std::optional<bool> compare(const Expr& less, const std::vector<IndexRange>& axes);
  AxisSet dependencies(ExprId id);
  AxisSet dependencies(const LinearForm& form);
  // Whether an index comes from data (loaded, or from a real), so that its range is not known.
  bool from_data(ExprId index);

  // Every maximal linear form of the kernel: addresses, compared indices, arguments of atoms.
  std::vector<LinearForm> all_forms();

 private:
  std::optional<IndexRange> range(ExprId index, const std::vector<IndexRange>& axes);
  LinearForm make_linear(ExprId index);
  LinearForm divide(ExprId index, bool remainder);
  void simplify(LinearForm& form);
  bool is_quotient(ExprId candidate, ExprId dividend, int64_t divisor) const;

  const KernelBody& body_;
  const Dag& dag_;
  std::vector<IndexRange> extents_;  // per axis, all of it
  std::map<ExprId, LinearForm> linear_;
  std::map<ExprId, AxisSet> dependencies_;
};

// The values of a parallel axis at which guards within the reductions hold whatever the other axes are: the columns
// of a pooling whose windows do not leave the image. Guards that rarely hold, or at values apart, do not count. nullopt: all values, or none.
std::optional<IndexRange> guard_free_range(const KernelBody& body, IndexAnalysis& analysis, int axis);

// The parallel axis along which a map differs by constants alone: comparisons of this axis with numbers select them, and no load
// moves with it. The positions of a Winograd transform of weights. Unrolled as the innermost loop, its comparisons are
// decided in advance and its loads are shared. -1: none.
int constant_axis(const KernelBody& body, IndexAnalysis& analysis);

// Which axes may be run as one: merged[a] is the next inner axis whose loop runs over a's range too, or
// -1. `block` is the task's block of the parallel axes: an axis that is split takes no outer one in.
std::vector<int> merge_axes(const KernelBody& body, IndexAnalysis& analysis, const Shape& block);

}  // namespace netc
