// When a GPU's thread takes several neighbours of the output: where what they load and store lies side by
// side, in whole vectors of 16 bytes.
//
//   y[n, h, w, c] = max(x[n, h, w, c] + bias[c], 0) in bf16, 64 channels:  y and x one vector each, bias two
//   (f32)
#pragma once

#include <vector>

#include "compiler/lower/index_analysis.h"

namespace netc {

constexpr int kLanes = 8;  // neighbours of a thread: a vector of 16-bit values
constexpr int64_t kVectorBytes = 16;

// Whether an operand's elements at kLanes neighbours of `axis`, from a multiple of kLanes on, are whole
// vectors, and at aligned addresses. `merged`: axes that run in another one's (merge_axes).
bool lies_in_vectors(const LinearForm& offset, const KernelOperand& operand, int axis,
                     const std::vector<int>& merged);

// Whether a thread may take kLanes neighbours of `axis`: its extent, with axes merged into it, is a multiple
// of them, and everything stored lies in vectors.
bool stores_in_vectors(const KernelBody& body, const IndexAnalysis& analysis, int axis,
                       const std::vector<int>& merged);

}  // namespace netc
