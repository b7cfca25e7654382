// How a planned entry scales to more threads than this machine has, from its tasks alone.
//
// Launches run one after the other; the tasks of one launch go to the threads in contiguous ranges of equal length, as the thread pool
// shares them out, so the longest range has ceil(tasks / threads) of them. A launch's work is what its multiply-adds or
// its bytes take one thread at least (machine_model.h), spread evenly over its tasks.
//
//   critical path = sum over launches of work * ceil(tasks / threads) / tasks,   ideal = sum of work / threads
//
// Example: one launch of 6 tasks with 4 threads: two rounds where 1.5 were ideal, 1.33.
#pragma once

#include <cstddef>
#include <vector>

#include "compiler/base/program.h"
#include "compiler/lower/machine_model.h"

namespace netc {

struct Scaling {
  int threads = 1;
  double ideal_seconds = 0, path_seconds = 0;
  double ratio() const { return ideal_seconds > 0 ? path_seconds / ideal_seconds : 1; }
};

Scaling scaling(const EntryPoint& entry, const MachineModel& machine, int threads);

// A launch that keeps threads waiting.
struct NarrowLaunch {
  size_t launch = 0;     // into EntryPoint::launches
  double lost = 0;       // what it adds to the critical path, as a share of the entry's ideal time
};

// Those that lose at least `share` of the ideal time, the worst first.
std::vector<NarrowLaunch> narrow_launches(const EntryPoint& entry, const MachineModel& machine, int threads, double share);

}  // namespace netc
