// How many bytes live at the fullest moment of a graph's kernels: the arena before there is a Schedule, estimated.
//
// What a memory plan would find (memory_plan.h), from the fusion alone: lives from the kernel that writes a value to the last one that
// reads it, results over operands of the same size that die where they are made. Layouts are not chosen yet, so halos, padding lanes
// and converted copies are missing, as is partial sums' memory; a plan that packs well takes this and little more.
//
// Example, y = relu(a); z = conv(y), all of 1 MiB: 2 MiB, for y and z; y lies where a lay.
#pragma once

#include <cstdint>

#include "compiler/lower/fuse.h"

namespace netc {

int64_t estimate_live_bytes(const Graph& graph, const Fusion& fusion);

}  // namespace netc
