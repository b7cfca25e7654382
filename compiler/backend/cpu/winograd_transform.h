// Small constant matrices applied to vectors of lanes, in few additions.
//
// Rows and columns of Winograd's matrices come in pairs that differ in signs only, (p(x), p(-x)): the parts
// that both share are computed once.
//   {4 1 -4 -1, 4 -1 -4 1} x   ->   e = 4 x0 - 4 x2, o = x1 - x3;   e + o, e - o
#pragma once

#include "compiler/backend/cpu/lane_builder.h"
#include "compiler/ir/winograd.h"

namespace netc {

// matrix * values. No value is null.
std::vector<llvm::Value*> apply(LaneBuilder& builder, const Matrix& matrix, const std::vector<llvm::Value*>& values);

Matrix transposed(const Matrix& matrix);

// matrix * tile * matrix^T in f32, of a block of 16 channels in vectors of the type: element (i, j) of the result goes to `to` at
// (i * rows of the matrix + j) * pitch floats. `rows`: addresses of the tile's rows, whose pixels are neighbours and of the type `dtype`;
// pixels from `columns` on are not read and count as zero.
void transform_tile(LaneBuilder& builder, const Matrix& matrix, llvm::FixedVectorType* vector, DType dtype,
                    const std::vector<llvm::Value*>& rows, int64_t columns, llvm::Value* to, int64_t pitch);

}  // namespace netc
