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

}  // namespace netc
