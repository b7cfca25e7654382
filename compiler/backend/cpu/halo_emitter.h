// Writes the zero columns around what a kernel stores (Halo in lower/kernel.h): each task those next to its own block.
//
// Example, y [N, H, W, 16] with one column on both sides, a task per row: before the row's 16*W floats, and behind them,
// 16 zeros.
#pragma once

#include "compiler/backend/cpu/nest_emitter.h"

namespace netc {

// REQUIRES: the builder is in the task's scope.
void emit_halos(LaneBuilder& builder, const KernelBody& body, const TaskGrid& grid, const TaskBlock& block,
                const KernelPointers& pointers);

}  // namespace netc
