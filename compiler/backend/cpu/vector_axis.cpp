#include "compiler/backend/cpu/vector_axis.h"

#include <algorithm>

namespace netc {
namespace {

// Relative costs of one access by a vector, in units of an arithmetic instruction.
constexpr double kBroadcast = 0.3, kContiguous = 1, kPair = 2.5, kGather = 16, kScatter = 24, kTransposed = 3, kMask = 1,
                 kHorizontal = 12;

struct Access {
  LinearForm offset;
  AxisSet guard = 0;
  bool in_reduction = false, is_store = false;
};

std::vector<Access> accesses(const KernelBody& body, IndexAnalysis& analysis) {
  std::vector<Access> found;
  const Dag& dag = body.nest.dag;
  auto collect = [&](const std::vector<ExprId>& roots, bool in_reduction) {
    visit_postorder(dag, roots, [&](ExprId id) {
      const Expr& e = dag[id];
      if (e.kind != ExprKind::load && e.kind != ExprKind::index_load) return;
      found.push_back({analysis.offset(static_cast<int>(e.integer), e.indices),
                       e.args[0] == kNoExpr ? AxisSet{0} : analysis.dependencies(e.args[0]), in_reduction, false});
    });
  };
  std::vector<ExprId> bodies, values;
  for (const Reduction& r : body.nest.reductions) bodies.push_back(r.body);
  for (const Store& s : body.nest.stores) values.push_back(s.value);
  for (const PartialSum& p : body.partials) values.push_back(p.body);
  collect(bodies, true);
  collect(values, false);
  for (const Store& s : body.nest.stores) found.push_back({analysis.store_offset(s.output), 0, false, true});
  return found;
}

// Whether squares of both axes can be loaded along `square` and transposed.
bool transposes(const Access& access, int axis, int square, IndexAnalysis& analysis) {
  const int64_t stride = access.offset.coefficient(axis);
  if (access.is_store || access.guard != 0 || stride == 0 || stride == 1 || stride == 2 || access.offset.coefficient(square) != 1) return false;
  AxisSet scattered = 0;
  for (auto [atom, c] : access.offset.atoms) scattered |= analysis.dependencies(atom);
  return !(scattered & (axis_bit(axis) | axis_bit(square)));
}

double access_cost(const Access& access, int axis, int square, IndexAnalysis& analysis) {
  for (auto [atom, c] : access.offset.atoms)
    if (analysis.dependencies(atom) & axis_bit(axis)) return kGather;
  if (square >= 0 && transposes(access, axis, square, analysis)) return kTransposed;
  const double mask = access.guard & axis_bit(axis) ? kMask : 0;
  switch (access.offset.coefficient(axis)) {
    case 0: return mask ? kGather : kBroadcast;
    case 1: return kContiguous + mask;
    case 2: return access.is_store ? kScatter : kPair + 2 * mask;
    default: return access.is_store ? kScatter : kGather;
  }
}

// The other axis of squares, for a map.
int square_axis(const KernelBody& body, const std::vector<Access>& all, int axis, int width, const std::vector<int>& merged,
                const Shape& extents, IndexAnalysis& analysis) {
  if (!body.nest.reductions.empty() || !body.partials.empty() || merged_extent(axis, merged, extents) < width) return -1;
  for (int square = body.nest.parallel - 1; square >= 0; --square) {
    if (square == axis || merged[static_cast<size_t>(square)] >= 0 || merged_extent(square, merged, extents) < width) continue;
    if (std::any_of(all.begin(), all.end(), [&](const Access& a) { return transposes(a, axis, square, analysis); })) return square;
  }
  return -1;
}

}  // namespace

int64_t merged_extent(int axis, const std::vector<int>& merged, const Shape& extents) {
  int64_t extent = extents[static_cast<size_t>(axis)];
  for (int outer = axis - 1; outer >= 0; --outer)
    if (merged[static_cast<size_t>(outer)] == axis) {
      extent *= extents[static_cast<size_t>(outer)];
      axis = outer;
    }
  return extent;
}

VectorChoice choose_vector_axis(const KernelBody& body, IndexAnalysis& analysis, const std::vector<int>& merged,
                                const Shape& block, const Target& target) {
  const std::vector<Access> all = accesses(body, analysis);
  Shape extents = body.nest.extents;
  for (size_t a = 0; a < block.size(); ++a) extents[a] = block[a];
  const double reduction_count = static_cast<double>(body.nest.reduction_count());
  const double instructions = static_cast<double>(body.nest.dag.size()) * 0.5;

  VectorChoice best;
  double best_cost = 0;
  const int constant = constant_axis(body, analysis);
  const double shared = constant < 0 ? 1 : static_cast<double>(extents[static_cast<size_t>(constant)]);  // points of a load
  for (int axis = 0; axis < static_cast<int>(extents.size()); ++axis) {
    if (axis == constant || extents[static_cast<size_t>(axis)] == 1 || merged[static_cast<size_t>(axis)] >= 0) continue;
    const bool reduced = axis >= body.nest.parallel;
    const int64_t extent = merged_extent(axis, merged, extents);
    int width = target.vector_lanes;
    while (width > 4 && width / 2 >= extent) width /= 2;
    const int square = reduced || constant >= 0 ? -1 : square_axis(body, all, axis, width, merged, extents, analysis);
    double cost = instructions;
    for (const Access& access : all) {
      if (access.in_reduction) cost += access_cost(access, axis, square, analysis);
      else if (!reduced) cost += access_cost(access, axis, square, analysis) / (access.is_store ? reduction_count : reduction_count * shared);
    }
    if (reduced) cost += kHorizontal * static_cast<double>(body.nest.reductions.size()) * width / reduction_count;
    // Per element that counts: the last vector of a row may be partly empty.
    cost *= static_cast<double>(ceil_div(extent, width)) / static_cast<double>(extent);
    if (best.axis < 0 || cost < best_cost) {
      best = {axis, width, constant, square};
      best_cost = cost;
    }
  }
  return best;
}

}  // namespace netc
