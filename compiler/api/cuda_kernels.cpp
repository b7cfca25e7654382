#include "compiler/api/cuda_kernels.h"

#include <algorithm>
#include <map>

namespace netc {

std::vector<CudaKernel> cuda_kernels(const ProgramPlan& plan) {
  std::map<std::string, const std::vector<std::string>*> reasons;  // by label
  for (const LoweredGraph& graph : plan.graphs)
    for (const ScheduledKernel& kernel : graph.schedule.kernels)
      reasons.try_emplace(kernel.label, &kernel.reasons);

  std::vector<CudaKernel> kernels;
  for (size_t i = 0; i < plan.kernels.bodies.size(); ++i)
    kernels.push_back({plan.kernels.names[i], &plan.kernels.bodies[i], {}});
  for (const EntryPoint& entry : plan.program.entries)
    for (const Launch& launch : entry.launches) {
      std::vector<std::string>& notes = kernels[static_cast<size_t>(launch.kernel)].notes;
      if (std::find(notes.begin(), notes.end(), launch.label) == notes.end()) notes.push_back(launch.label);
    }
  for (CudaKernel& kernel : kernels) {
    if (kernel.notes.empty()) continue;
    const auto found = reasons.find(kernel.notes.front());
    if (found != reasons.end())
      kernel.notes.insert(kernel.notes.end(), found->second->begin(), found->second->end());
  }
  return kernels;
}

}  // namespace netc
