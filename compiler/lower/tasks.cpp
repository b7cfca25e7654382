#include "compiler/lower/tasks.h"

#include "compiler/lower/cuda_plan.h"

namespace netc {

bool is_cuda(const Target& target) {
  return target.kind != TargetKind::cpu;
}

int64_t task_count(const KernelBody& body, const Target& target) {
  return is_cuda(target) ? plan_cuda(body, target).blocks() : task_grid(body, target).tasks();
}

int64_t partial_rows(const KernelBody& body, const std::vector<int>& kept, const Target& target) {
  return is_cuda(target) ? plan_cuda(body, target, kept).rows : task_grid(body, target).partial_rows(kept);
}

}  // namespace netc
