#include "compiler/lower/cuda_plan.h"

#include <algorithm>

#include "compiler/lower/contraction_nest.h"
#include "compiler/lower/cuda_lanes.h"
#include "compiler/lower/index_analysis.h"

namespace netc {
namespace {

constexpr int kThreads = 256, kWarp = 32;
constexpr int64_t kRowTermsOfThread = 64;  // terms of a partial sum that a thread adds up
constexpr int64_t kManyPoints = 1 << 15;   // enough threads for a large GPU without sharing points

int last_axis(const std::vector<int>& axes, const Shape& extents) {
  for (size_t i = axes.size(); i-- > 0;)
    if (extents[static_cast<size_t>(axes[i])] > 1) return axes[i];
  return -1;
}

// Whether more operands have neighbouring terms side by side in memory than neighbouring points.
bool terms_are_contiguous(const KernelBody& body, const NestAxes& axes) {
  IndexAnalysis analysis(body);
  const int point = last_axis(axes.points, body.nest.extents),
            term = last_axis(axes.terms, body.nest.extents);
  if (term < 0) return false;
  int balance = 0;
  const auto count = [&](const LinearForm& offset) {
    balance += (offset.coefficient(term) == 1) - (point >= 0 && offset.coefficient(point) == 1);
  };
  // Partial sums themselves do not count: placement asks for their rows before it adds them.
  const bool stores_at_each_term =
      body.nest.reductions.empty() || axes.points.size() < static_cast<size_t>(body.nest.parallel);
  std::vector<ExprId> roots;
  if (stores_at_each_term)
    for (const Store& s : body.nest.stores) roots.push_back(s.value), count(analysis.store_offset(s.output));
  else
    for (const Reduction& r : body.nest.reductions) roots.push_back(r.body);
  visit_postorder(body.nest.dag, roots, [&](ExprId id) {
    const Expr& e = body.nest.dag[id];
    if (e.kind == ExprKind::load || e.kind == ExprKind::index_load)
      count(analysis.offset(static_cast<int>(e.integer), e.indices));
  });
  return balance > 0;
}

// With partial sums, axes count as they are: placement asks for their rows before it adds them.
int choose_lanes(const KernelBody& body, const NestAxes& axes, const std::vector<int>& kept) {
  const int axis = last_axis(axes.points, body.nest.extents);
  if (axis < 0) return 1;
  IndexAnalysis analysis(body);
  const std::vector<int> merged = kept.empty() ? merge_axes(body, analysis, body.nest.parallel_extents())
                                               : std::vector<int>(body.nest.extents.size(), -1);
  return stores_in_vectors(body, analysis, axis, merged) ? kLanes : 1;
}

// The smallest power of two that is at least `value`, within [1, kThreads].
int power_of_two(int64_t value) {
  int power = 1;
  while (power < value && power < kThreads) power *= 2;
  return power;
}

}  // namespace

NestAxes nest_axes(const KernelBody& body, const std::vector<int>& kept) {
  NestAxes axes;
  for (int a = 0; a < static_cast<int>(body.nest.extents.size()); ++a) {
    const bool parallel = a < body.nest.parallel;
    if (!kept.empty() && !parallel) continue;  // summed by one thread, at each of its terms
    (parallel && (kept.empty() || std::find(kept.begin(), kept.end(), a) != kept.end()) ? axes.points
                                                                                        : axes.terms)
        .push_back(a);
  }
  return axes;
}

CudaPlan plan_cuda(const KernelBody& given, const Target& target, std::vector<int> kept) {
  if (kept.empty() && !given.partials.empty()) kept = given.partials[0].kept;
  CudaPlan plan;
  if (given.contraction) plan.gemm = plan_cuda_gemm(given, target, kept);
  if (plan.gemm) {
    plan.rows = plan.gemm->rows();
    return plan;
  }
  const KernelBody body = given.contraction ? contraction_as_nest(given) : given;
  const NestAxes axes = nest_axes(body, kept);
  const auto product = [&](const std::vector<int>& list) {
    int64_t count = 1;
    for (int a : list) count *= body.nest.extents[static_cast<size_t>(a)];
    return count;
  };
  plan.threads = kThreads;
  plan.points = product(axes.points);
  plan.terms = product(axes.terms);

  plan.terms_inner = plan.terms > 1 && terms_are_contiguous(body, axes);
  if (body.nest.reductions.empty() && !plan.terms_inner) plan.lanes = choose_lanes(body, axes, kept);
  const int64_t groups = plan.points / plan.lanes;  // of points that threads take
  int term_threads = 1;
  if (plan.terms_inner) {
    term_threads = plan.terms >= 4 * kThreads || plan.points < 64 ? power_of_two(plan.terms) : kWarp;
    term_threads = std::min(term_threads, power_of_two(plan.terms));
  } else if (plan.terms > 1 && (!kept.empty() || plan.points < kManyPoints)) {
    term_threads = kThreads / std::max(power_of_two(groups), 1);
    term_threads = std::min(std::max(term_threads, kThreads / kWarp), power_of_two(plan.terms));
  }
  plan.point_threads = kThreads / term_threads;
  plan.row_terms = plan.terms;
  if (!kept.empty()) {
    plan.row_terms = std::min(plan.terms, term_threads * kRowTermsOfThread);
    plan.rows = ceil_div(plan.terms, plan.row_terms);
  }
  return plan;
}

}  // namespace netc
