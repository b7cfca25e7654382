// Whether streams and waits order whatever touches the same memory. Independent of the planner: each operand's elements are listed,
// and every granule of memory remembers who wrote it last and who has read it since.
#pragma once

#include <string>
#include <vector>

#include "compiler/base/program.h"
#include "compiler/lower/kernel.h"

namespace netc {

// The first two launches that are in no order and should be, in words; empty: there are none. `granule`: bytes of the arena that are one
// place; more take less memory here, and call slices that share one a race.
std::string find_race(const EntryPoint& entry, int64_t state_bytes, const std::vector<KernelBody>& bodies, int64_t granule = 2);

}  // namespace netc
