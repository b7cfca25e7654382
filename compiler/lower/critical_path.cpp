#include "compiler/lower/critical_path.h"

#include <algorithm>

#include "compiler/base/shape.h"

namespace netc {
namespace {

double ideal_of(const Launch& launch, const MachineModel& machine, int threads) {
  return machine.seconds(launch.flops, launch.bytes) / threads;
}

double path_of(const Launch& launch, const MachineModel& machine, int threads) {
  const int64_t tasks = std::max<int64_t>(launch.tasks, 1);
  return machine.seconds(launch.flops, launch.bytes) * static_cast<double>(ceil_div(tasks, threads)) / static_cast<double>(tasks);
}

}  // namespace

Scaling scaling(const EntryPoint& entry, const MachineModel& machine, int threads) {
  Scaling result{threads, 0, 0};
  for (const Launch& launch : entry.launches) {
    result.ideal_seconds += ideal_of(launch, machine, threads);
    result.path_seconds += path_of(launch, machine, threads);
  }
  return result;
}

std::vector<NarrowLaunch> narrow_launches(const EntryPoint& entry, const MachineModel& machine, int threads, double share) {
  const double ideal = scaling(entry, machine, threads).ideal_seconds;
  std::vector<NarrowLaunch> narrow;
  for (size_t i = 0; i < entry.launches.size(); ++i) {
    const Launch& launch = entry.launches[i];
    const double lost = (path_of(launch, machine, threads) - ideal_of(launch, machine, threads)) / ideal;
    if (lost >= share) narrow.push_back({i, lost});
  }
  std::stable_sort(narrow.begin(), narrow.end(), [](const NarrowLaunch& a, const NarrowLaunch& b) { return a.lost > b.lost; });
  return narrow;
}

}  // namespace netc
