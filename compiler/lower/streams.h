// Which launches of an entry may run side by side on a GPU: each gets a stream, and the launches of other streams that it waits for.
//
// Launches stay in the order of the entry, which is one that is right; a stream keeps it among its own. Two launches that touch the same
// bytes, one of them writing, must be ordered by streams and waits: values that one makes for the other, and memory that
// the plan of the arena gives to one value after another. So the arena stays as it is, and what shares memory runs one after the other.
//
// A launch leaves the main stream, 0, where it does not depend on what that stream did last, and one of the two has fewer blocks
// than the GPU runs at a time: alone it would leave multiprocessors idle. Launches with more blocks than that gain nothing by company.
//
// Example, an inception module at batch 1: its branches run on streams of their own; the module behind them waits for all.
#pragma once

#include <vector>

#include "compiler/base/program.h"
#include "compiler/lower/kernel.h"

namespace netc {

constexpr int32_t kStreams = 4;               // at most; as many as an inception module has branches
constexpr int64_t kBlocksAtATime = 2 * 128;   // two on each multiprocessor of a large GPU

// Sets Launch::stream and Launch::waits of all launches. REQUIRES: `bodies` of the program's kernels, in their order.
void plan_streams(EntryPoint& entry, const std::vector<KernelBody>& bodies);

}  // namespace netc
