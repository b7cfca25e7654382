#include "compiler/lower/split_contraction.h"

#include <algorithm>

#include "compiler/base/error.h"
#include "compiler/lower/cuda_gemm_plan.h"
#include "compiler/lower/tasks.h"

namespace netc {
namespace {

constexpr int64_t kEnoughTiles = 256;  // two for each multiprocessor of a large GPU
constexpr int64_t kLeastSteps = 8;  // of k in a part: fewer, and filling the pipeline takes most of the time

bool has_term(const AxisSum& sum, int axis) {
  return std::any_of(sum.terms.begin(), sum.terms.end(), [&](const AxisTerm& t) { return t.axis == axis; });
}

// Whether the axis is summed over, and both inputs have a dimension of their own or a part of one for it.
bool may_split(const Contraction& c, int axis) {
  const auto in = [&](int tensor) {
    const auto& index = c.tensors[static_cast<size_t>(tensor)].index;
    return std::any_of(index.begin(), index.end(), [&](const AxisSum& sum) { return has_term(sum, axis); });
  };
  return !in(c.output) && in(c.first_input()) && in(c.second_input());
}

// The first axis with enough values, of those that may be split; else the longest one; -1: none.
int axis_to_split(const Contraction& c, int64_t parts) {
  int longest = -1;
  for (size_t a = 0; a < c.axes.size(); ++a) {
    if (!may_split(c, static_cast<int>(a))) continue;
    if (c.axes[a].extent >= parts) return static_cast<int>(a);
    if (longest < 0 || c.axes[a].extent > c.axes[static_cast<size_t>(longest)].extent)
      longest = static_cast<int>(a);
  }
  return longest;
}

// Values in a part: all parts have as many, if some number of parts that is not much larger than `parts`
// allows it.
int64_t values_of_part(int64_t extent, int64_t parts) {
  for (int64_t p = parts; p <= std::min(extent, parts + parts / 2); ++p)
    if (extent % p == 0) return extent / p;
  return ceil_div(extent, parts);
}

// The axis becomes an outer one, a dimension of the output before all others, and an inner one.
Contraction with_parts(const Contraction& whole, int axis, int64_t values, int64_t parts) {
  Contraction c = whole;
  const int outer = static_cast<int>(c.axes.size());
  c.axes.push_back({c.axes[static_cast<size_t>(axis)].name + "_part", parts});
  c.axes[static_cast<size_t>(axis)].extent = values;
  for (ContractionTensor& tensor : c.tensors)
    for (AxisSum& sum : tensor.index) {
      const auto term =
          std::find_if(sum.terms.begin(), sum.terms.end(), [&](const AxisTerm& t) { return t.axis == axis; });
      if (term != sum.terms.end()) sum.terms.insert(term, {outer, term->coefficient * values});
    }
  ContractionTensor& output = c.tensors[static_cast<size_t>(c.output)];
  output.shape.insert(output.shape.begin(), parts);
  output.index.insert(output.index.begin(), AxisSum{{{outer, 1}}, 0});
  verify(c);
  return c;
}

KernelOperand rows_operand(const Shape& shape, bool written) {
  KernelOperand rows;
  rows.name = "parts";
  rows.shape = shape;
  rows.strides = row_major_strides(shape);
  rows.written = written;
  return rows;
}

KernelBody product_of(const KernelBody& body, Contraction contraction) {
  const ContractionStage& stage = *body.contraction;
  const Shape shape = contraction.tensors[static_cast<size_t>(contraction.output)].shape;
  KernelBody product;
  product.operands = {body.operands[static_cast<size_t>(stage.lhs)],
                      body.operands[static_cast<size_t>(stage.rhs)], rows_operand(shape, true)};
  product.nest.extents = shape;
  product.nest.parallel = static_cast<int>(shape.size());
  product.nest.stores = {{2, product.nest.dag.reduced(0)}};
  product.contraction = ContractionStage{std::move(contraction), 0, 1};
  return product;
}

// Operands that the epilogue loads, and all that are written.
std::vector<int> operands_of_epilogue(const KernelBody& body) {
  std::vector<bool> used(body.operands.size(), false);
  std::vector<ExprId> roots;
  for (const Store& s : body.nest.stores) roots.push_back(s.value);
  for (const PartialSum& p : body.partials) roots.push_back(p.body);
  visit_postorder(body.nest.dag, roots, [&](ExprId id) {
    const Expr& e = body.nest.dag[id];
    if (e.kind == ExprKind::load || e.kind == ExprKind::index_load)
      used[static_cast<size_t>(e.integer)] = true;
  });
  std::vector<int> kept;
  for (size_t i = 0; i < used.size(); ++i)
    if (used[i] || body.operands[i].written) kept.push_back(static_cast<int>(i));
  return kept;
}

KernelBody sum_of(const KernelBody& body, const Shape& rows, const std::vector<int>& kept) {
  KernelBody sum;
  std::vector<int> position(body.operands.size(), -1);
  sum.operands = {rows_operand(rows, false)};
  for (int operand : kept) {
    position[static_cast<size_t>(operand)] = static_cast<int>(sum.operands.size());
    sum.operands.push_back(body.operands[static_cast<size_t>(operand)]);
  }
  sum.nest.extents = body.nest.extents;
  sum.nest.parallel = body.nest.parallel;
  sum.nest.extents.push_back(rows[0]);
  Dag& dag = sum.nest.dag;
  std::vector<ExprId> element{dag.axis(body.nest.parallel)};
  for (int a = 0; a < body.nest.parallel; ++a) element.push_back(dag.axis(a));
  sum.nest.reductions = {{ReduceKind::sum, dag.load(0, element)}};
  Dag::Substitution substitution;
  substitution.load = [&](const Expr& load, const std::vector<ExprId>& indices, ExprId guard) {
    const int operand = position[static_cast<size_t>(load.integer)];
    return load.kind == ExprKind::index_load ? dag.index_load(operand, indices)
                                             : dag.load(operand, indices, guard);
  };
  const auto import = [&](ExprId root) { return dag.import(body.nest.dag, root, substitution); };
  for (const Store& s : body.nest.stores)
    sum.nest.stores.push_back({position[static_cast<size_t>(s.output)], import(s.value)});
  for (const PartialSum& p : body.partials)
    sum.partials.push_back({p.kept, import(p.body), position[static_cast<size_t>(p.output)]});
  return sum;
}

}  // namespace

SplitContraction split_contraction(const KernelBody& body, int64_t parts) {
  const Contraction& whole = body.contraction->contraction;
  const int axis = axis_to_split(whole, parts);
  NETC_CHECK(axis >= 0 && parts > 1, "a sum to split");
  const int64_t extent = whole.axes[static_cast<size_t>(axis)].extent;
  const int64_t values = values_of_part(extent, std::min(parts, extent));
  SplitContraction split;
  split.product = product_of(body, with_parts(whole, axis, values, ceil_div(extent, values)));
  split.kept = operands_of_epilogue(body);
  split.sum = sum_of(body, split.product.nest.extents, split.kept);
  return split;
}

std::optional<SplitContraction> split_contraction(const KernelBody& body, const Target& target) {
  if (!body.contraction || !is_cuda(target)) return std::nullopt;
  Target untuned = target;  // measured tiles are those of the parts' product, which must not change with them
  untuned.features.clear();
  const std::optional<CudaGemmPlan> plan = plan_cuda_gemm(body, untuned, {});
  if (!plan) return std::nullopt;
  const int64_t steps = ceil_div(plan->extent(GemmRole::k), plan->block_k);
  const int64_t parts = std::min(ceil_div(kEnoughTiles, plan->blocks()), steps / kLeastSteps);
  const int axis = axis_to_split(body.contraction->contraction, parts);
  if (parts < 2 || axis < 0 || body.contraction->contraction.axes[static_cast<size_t>(axis)].extent < 2)
    return std::nullopt;
  SplitContraction split = split_contraction(body, parts);
  split.reason = "the sum is cut into " + std::to_string(split.product.nest.extents[0]) +
                 " parts, because its " + std::to_string(plan->blocks()) + " tiles are few";
  return split;
}

}  // namespace netc
