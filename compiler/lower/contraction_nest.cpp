#include "compiler/lower/contraction_nest.h"

#include "compiler/base/error.h"

namespace netc {
namespace {

int64_t extent_of(const Contraction& c, int axis) { return c.axes[static_cast<size_t>(axis)].extent; }

// g*C + c of a grouped convolution. (A window of its own stride, s*oh + kh, looks the same, but is
// better solved for oh.)
bool is_radix(const Contraction& c, const AxisSum& sum) {
  return sum.terms.size() == 2 && c.role(sum.terms[0].axis) == AxisRole::batch && sum.offset == 0 && sum.terms[1].coefficient == 1 &&
         sum.terms[0].coefficient == extent_of(c, sum.terms[1].axis);
}

// The axis to solve for: the longest, the first of equal ones. In a data gradient that is the output
// pixel rather than the kernel's row, except where the kernel is larger than the image.
int axis_to_solve(const Contraction& c, const AxisSum& sum) {
  int best = -1;
  for (const AxisTerm& term : sum.terms)
    if (best < 0 || extent_of(c, term.axis) > extent_of(c, best)) best = term.axis;
  return best;
}

}  // namespace

std::vector<SolvedDimension> solve_output(const Contraction& c) {
  std::vector<SolvedDimension> solved;
  const ContractionTensor& out = c.tensors[static_cast<size_t>(c.output)];
  for (size_t d = 0; d < out.shape.size(); ++d) {
    const AxisSum& sum = out.index[d];
    using Kind = SolvedDimension::Kind;
    NETC_CHECK(!sum.terms.empty(), "an output index has an axis");
    if (sum.terms.size() == 1 && sum.terms[0].coefficient == 1 && sum.offset == 0 &&
        out.shape[d] <= extent_of(c, sum.terms[0].axis))
      solved.push_back({Kind::plain, sum.terms[0].axis, -1});
    else if (is_radix(c, sum))
      solved.push_back({Kind::radix, sum.terms[0].axis, sum.terms[1].axis});
    else
      solved.push_back({Kind::quotient, axis_to_solve(c, sum), -1});
  }
  return solved;
}

KernelBody contraction_as_nest(const KernelBody& body) {
  NETC_CHECK(!body.contraction->contraction.winograd, "Winograd's convolutions have a form of their own");
  const Contraction& c = body.contraction->contraction;
  const ContractionTensor& out = c.tensors[static_cast<size_t>(c.output)];
  const std::vector<SolvedDimension> solved = solve_output(c);

  KernelBody result = body;
  result.contraction.reset();
  LoopNest& nest = result.nest;
  Dag& dag = nest.dag;

  // Axes that the output determines, then the summed ones, then those solved for in terms of the others.
  std::vector<ExprId> value(c.axes.size(), kNoExpr);
  std::vector<bool> pending(c.axes.size(), false);
  for (size_t d = 0; d < solved.size(); ++d) {
    const SolvedDimension& s = solved[d];
    const ExprId index = dag.axis(static_cast<int>(d));
    switch (s.kind) {
      case SolvedDimension::Kind::plain: value[static_cast<size_t>(s.axis)] = index; break;
      case SolvedDimension::Kind::radix:
        value[static_cast<size_t>(s.axis)] = dag.index_floor_div(index, extent_of(c, s.inner_axis));
        value[static_cast<size_t>(s.inner_axis)] = dag.index_floor_mod(index, extent_of(c, s.inner_axis));
        break;
      case SolvedDimension::Kind::quotient: pending[static_cast<size_t>(s.axis)] = true; break;
    }
  }
  for (size_t a = 0; a < c.axes.size(); ++a)
    if (value[a] == kNoExpr && !pending[a]) {
      value[a] = dag.axis(static_cast<int>(nest.extents.size()));
      nest.extents.push_back(c.axes[a].extent);
    }
  ExprId guard = kNoExpr;
  for (size_t d = 0; d < solved.size(); ++d) {
    if (solved[d].kind != SolvedDimension::Kind::quotient) continue;
    ExprId rest = dag.index_add(dag.axis(static_cast<int>(d)), dag.index(-out.index[d].offset));
    int64_t divisor = 1;
    for (const AxisTerm& term : out.index[d].terms) {
      if (term.axis == solved[d].axis) {
        divisor = term.coefficient;
        continue;
      }
      const ExprId other = value[static_cast<size_t>(term.axis)];
      NETC_CHECK(other != kNoExpr, "an output index with two unknown axes");
      rest = dag.index_sub(rest, dag.index_mul(other, term.coefficient));
    }
    NETC_CHECK(divisor > 0, "an output index with a negative coefficient");
    const ExprId quotient = dag.index_floor_div(rest, divisor);
    if (divisor > 1)
      guard = dag.logical_and(guard, dag.index_equal(dag.index_floor_mod(rest, divisor), dag.index(0)));
    guard = dag.logical_and(guard, dag.in_range(quotient, extent_of(c, solved[d].axis)));
    value[static_cast<size_t>(solved[d].axis)] = quotient;
  }

  auto load = [&](int tensor, int operand) {
    const ContractionTensor& t = c.tensors[static_cast<size_t>(tensor)];
    std::vector<ExprId> indices;
    ExprId inside = guard;
    for (size_t d = 0; d < t.shape.size(); ++d) {
      ExprId index = dag.index(t.index[d].offset);
      int64_t low = t.index[d].offset, high = low;
      for (const AxisTerm& term : t.index[d].terms) {
        index = dag.index_add(index, dag.index_mul(value[static_cast<size_t>(term.axis)], term.coefficient));
        const int64_t reach = term.coefficient * (extent_of(c, term.axis) - 1);
        (reach < 0 ? low : high) += reach;
      }
      if (low < 0 || high >= t.shape[d]) inside = dag.logical_and(inside, dag.in_range(index, t.shape[d]));
      indices.push_back(index);
    }
    const ExprId element = dag.load(operand, indices, inside);
    return c.tf32 ? dag.unary(ExprKind::round_tf32, element) : element;
  };
  const ExprId product = dag.mul(load(c.first_input(), body.contraction->lhs), load(c.second_input(), body.contraction->rhs));
  nest.reductions = {{ReduceKind::sum, product}};
  return result;
}

}  // namespace netc
