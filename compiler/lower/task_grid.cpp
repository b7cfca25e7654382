// How a kernel is cut into tasks: a pure function of shapes and target (decision 7), so that results
// do not depend on the number of threads.
//
// Inner axes stay whole, because their elements are neighbours in memory; the axis at which a
// task's work would exceed the budget is split, and all axes outside it are enumerated.
//   relu over [64, 16, 28, 28], budget 32768 elements: block [2, 16, 28, 28], 32 tasks.
#include <algorithm>

#include "compiler/lower/contraction_plan.h"
#include "compiler/lower/index_analysis.h"
#include "compiler/lower/kernel.h"

namespace netc {
namespace {

// Elements (times reduction steps) of one task: some 10-50 us of element-wise work, but small enough
// that a kernel of medium size still occupies many threads.
constexpr int64_t kLargestTask = 65536, kSmallestTask = 4096, kWantedTasks = 32;

// Whether no reduced load moves along its last dimension with the last parallel axis: channel sums of
// [N, C, H, W], row sums; but not column sums.
bool reduction_ignores_last_axis(const LoopNest& nest) {
  if (nest.reductions.empty() || nest.parallel == 0) return false;
  std::vector<ExprId> bodies;
  for (const Reduction& r : nest.reductions) bodies.push_back(r.body);
  bool ignores = true;
  visit_postorder(nest.dag, bodies, [&](ExprId id) {
    const Expr& e = nest.dag[id];
    if ((e.kind != ExprKind::load && e.kind != ExprKind::index_load) || e.indices.empty()) return;
    AffineIndex last;
    if (!as_affine(nest.dag, e.indices.back(), last) || last.coefficients.count(nest.parallel - 1)) ignores = false;
  });
  return ignores;
}

}  // namespace

TaskGrid TaskGrid::of(const Shape& extents, Shape block) {
  TaskGrid grid;
  for (size_t i = 0; i < extents.size(); ++i) grid.blocks.push_back(ceil_div(extents[i], block[i]));
  grid.block = std::move(block);
  return grid;
}

TaskGrid task_grid(const KernelBody& body, const Target& target) {
  const Shape extents = body.nest.parallel_extents();
  const ContractionPlan plan = plan_contraction(body, target);
  if (const Shape* block = output_block(plan)) return TaskGrid::of(extents, *block);

  int64_t per_element = body.nest.reduction_count();
  if (body.contraction) per_element = std::max<int64_t>(1, body.contraction->contraction.multiply_adds() /
                                                               body.nest.parallel_count());
  const int64_t total = body.nest.parallel_count() * per_element;
  const int64_t budget = std::clamp(total / kWantedTasks, kSmallestTask, kLargestTask);
  // Blocks of the innermost axis are whole vectors, unless the lanes will be along the reduction.
  const int64_t granule = reduction_ignores_last_axis(body.nest) ? 1 : 64;

  Shape block(extents.size(), 1);
  int64_t work = per_element;
  IndexAnalysis analysis(body);
  const int whole = constant_axis(body, analysis);
  if (whole >= 0) work *= block[static_cast<size_t>(whole)] = extents[static_cast<size_t>(whole)];
  for (size_t i = extents.size(); i-- > 0;) {
    if (static_cast<int>(i) == whole) continue;
    if (work * extents[i] <= budget) {
      block[i] = extents[i];
      work *= extents[i];
      continue;
    }
    int64_t part = std::max<int64_t>(1, budget / work);
    if (i + 1 == extents.size()) part = ceil_div(part, granule) * granule;
    part = std::min(part, extents[i]);
    // Even blocks: 100 in blocks of at most 64 is 50 and 50, not 64 and 36.
    part = ceil_div(extents[i], ceil_div(extents[i], part));
    if (i + 1 == extents.size() && granule > 1) part = std::min(extents[i], ceil_div(part, 16) * 16);
    block[i] = part;
    break;
  }
  return TaskGrid::of(extents, block);
}

}  // namespace netc
