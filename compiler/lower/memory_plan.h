// The static memory plan: one arena, an offset for every buffer of a Schedule that is not state.
//
// A buffer lives from the kernel that first writes it (graph inputs: from the start) to the last one
// that uses it (graph outputs: to the end). Buffers that live at the same time do not overlap. A kernel
// may write its result over an operand that dies in it, if it loads that operand at its own index alone: then
// the two share one stretch.
//
// Example, y = relu(a); z = relu(y): y shares a's memory, z too; the arena has a's size.
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/lower/schedule.h"

namespace netc {

struct MemoryPlan {
  std::vector<int64_t> offsets;  // per buffer, multiples of kArenaAlignment; -1 for state and unused buffers
  int64_t arena_bytes = 0;
  int64_t lower_bound = 0;       // the most bytes that live at one time, in-place sharing included
  int64_t in_place = 0;          // buffers that share the memory of an operand
};

constexpr int64_t kArenaAlignment = 64;

MemoryPlan plan_memory(const Schedule& schedule);

// Proves that every kernel finds what it reads, by following who wrote each byte last, and that no kernel writes
// over an operand other than in place. THROWS InternalError.
void verify(const Schedule& schedule, const MemoryPlan& plan);

}  // namespace netc
