// Which axis of a loop nest becomes lanes.
#pragma once

#include "compiler/lower/index_analysis.h"
#include "compiler/base/target.h"

namespace netc {

struct VectorChoice {
  int axis = -1;      // -1: none, scalar code
  int width = 1;
  int constant = -1;  // the axis of constants (lower/index_analysis.h), innermost and unrolled
  int square = -1;  // an axis along which loads are contiguous that are not so along the lanes: squares of both are transposed
};

// The axis with the least estimated cost per element: contiguous loads and stores, full vectors. The loops that run as
// one with their inner neighbour (`merged`) are counted there.
VectorChoice choose_vector_axis(const KernelBody& body, IndexAnalysis& analysis, const std::vector<int>& merged,
                                const Shape& block, const Target& target);

// The extent of the loop over `axis` and all axes merged into it. `extents`: per axis, of the whole or of a block.
int64_t merged_extent(int axis, const std::vector<int>& merged, const Shape& extents);

}  // namespace netc
