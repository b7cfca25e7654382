#include "compiler/lower/fuse_statistics.h"

namespace netc {
namespace {

// For a load x[a2, a0, 0] of a value over the contraction's output: which of its axes a0 and a2 are.
bool map_axes(const Dag& dag, const Expr& load, const Shape& value, const Shape& output, std::vector<int>& axes) {
  std::vector<int> to = squeezed_axes(value, output);
  for (size_t d = 0; d < value.size(); ++d) {
    if (value[d] == 1) continue;
    const Expr& e = dag[load.indices[d]];
    if (e.kind != ExprKind::axis || axes[static_cast<size_t>(e.integer)] >= 0) return false;
    axes[static_cast<size_t>(e.integer)] = to[d];
  }
  return true;
}

}  // namespace

Statistics match_statistics(const Graph& graph, const FusedKernel& kernel, const FlatNest& flat,
                            const std::function<bool(ValueId)>& in_kernel) {
  const Dag& dag = flat.nest.dag;
  const Shape output = kernel.nest.parallel_extents();
  Statistics s;
  s.axes.assign(flat.nest.extents.size(), -1);
  int kept = 0;
  for (int a = 0; a < flat.nest.parallel; ++a)
    if (flat.nest.extents[static_cast<size_t>(a)] != 1) s.column = a, ++kept;
  if (kept != 1) return s;
  for (const Reduction& r : flat.nest.reductions)
    if (r.kind != ReduceKind::sum) return s;

  bool fits = element_count(flat.nest.extents) == kernel.nest.parallel_count(), found = false;
  visit_postorder(dag, roots_of(flat.nest), [&](ExprId id) {
    const Expr& e = dag[id];
    if (e.kind != ExprKind::load && e.kind != ExprKind::index_load) return;
    ValueId value = flat.operands[static_cast<size_t>(e.integer)];
    fits = fits && is_affine_load(dag, e);
    if (!fits || !in_kernel(value)) return;
    const Shape& shape = graph.type(value).shape;
    std::vector<int> axes(s.axes.size(), -1);
    fits = kernel.result_of(value) && same_squeezed(shape, output) && map_axes(dag, e, shape, output, axes) &&
           (!found || axes == s.axes);
    s.axes = axes;
    found = true;
  });
  for (size_t a = 0; a < s.axes.size(); ++a) fits = fits && (s.axes[a] >= 0 || flat.nest.extents[a] == 1);
  s.matched = fits && found;
  if (s.matched) s.kept = s.axes[static_cast<size_t>(s.column)];
  return s;
}

}  // namespace netc
