#include "compiler/lower/cuda_lanes.h"

#include <algorithm>

namespace netc {

bool lies_in_vectors(const LinearForm& offset, const KernelOperand& operand, int axis,
                     const std::vector<int>& merged) {
  if (!is_floating(operand.dtype) || operand.alignment % kVectorBytes != 0) return false;
  const int64_t vector = kVectorBytes / size_of(operand.dtype);
  if (offset.coefficient(axis) != 1 || offset.constant % vector != 0) return false;
  return std::all_of(offset.axes.begin(), offset.axes.end(),
                     [&](const auto& term) {
                       return term.first == axis || merged[static_cast<size_t>(term.first)] >= 0 ||
                              term.second % vector == 0;
                     }) &&
         std::all_of(offset.atoms.begin(), offset.atoms.end(),
                     [&](const auto& term) { return term.second % vector == 0; });
}

bool stores_in_vectors(const KernelBody& body, const IndexAnalysis& analysis, int axis,
                       const std::vector<int>& merged) {
  int64_t extent = body.nest.extents[static_cast<size_t>(axis)];
  for (int outer = axis - 1, last = axis; outer >= 0; --outer)
    if (merged[static_cast<size_t>(outer)] == last)
      extent *= body.nest.extents[static_cast<size_t>(last = outer)];
  return extent % kLanes == 0 &&
         std::all_of(body.nest.stores.begin(), body.nest.stores.end(), [&](const Store& store) {
           return lies_in_vectors(analysis.store_offset(store.output),
                                  body.operands[static_cast<size_t>(store.output)], axis, merged);
         });
}

}  // namespace netc
