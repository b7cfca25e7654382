// In how many parts a weight gradient sums over its images, so that many workers have tasks.
//
// A weight gradient has one task for each block of its weight, and every task reads all images: 3x3 64-64 at 56x56 has 16 tasks,
// too few for 64 threads. In parts it has as many for each part; the parts lie in a buffer and are added behind it. The choice
// depends on shapes and target alone, as tasks do.
#pragma once

#include <cstdint>

#include "compiler/base/dtype.h"
#include "compiler/base/target.h"
#include "compiler/ir/contraction.h"
#include "compiler/lower/contraction_layouts.h"

namespace netc {

// Of the contraction of a convolution's weight gradient without groups, over operands of the type. 1 where parts gain nothing, or
// would take more than 1 % of the kernel's time to write and add.
int64_t choose_parts(const Contraction& weight_gradient, DType dtype, const LayoutOptions& options, const Target& target);

}  // namespace netc
