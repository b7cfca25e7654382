#include "compiler/lower/cuda_gemm_plan.h"

#include <algorithm>

#include "compiler/base/error.h"
#include "compiler/lower/cuda_lanes.h"

namespace netc {
namespace {

constexpr int64_t kSmallest = 8;           // of m, n and k: below, threads would mostly idle
constexpr int64_t kMultiprocessors = 128;  // about what a large GPU has; tiles are the same on all of them

// Partial sums need n to be exactly the kept axes.
bool keeps_n(const GemmForm& form, const std::vector<int>& kept) {
  if (form.extent(GemmRole::batch) > 1) return false;
  for (const GemmVariable& v : form.variables) {
    if (v.dimension < 0 || v.extent == 1) continue;
    const bool is_kept = std::find(kept.begin(), kept.end(), v.dimension) != kept.end();
    if (is_kept != (v.role == GemmRole::n) || (is_kept && (v.scale > 1 || v.radix > 0))) return false;
  }
  return true;
}

// Whether neighbouring k are nearer to each other in memory than neighbours of the other role.
bool nearer_along_k(const GemmForm& form, const std::vector<GemmIndex>& index, GemmRole role) {
  const int k = form.last(GemmRole::k), other = form.last(role);
  if (k < 0) return false;
  if (other < 0) return true;
  return std::abs(memory_stride(index, static_cast<size_t>(k))) <
         std::abs(memory_stride(index, static_cast<size_t>(other)));
}

using Indices = std::vector<GemmIndex> GemmPhase::*;

bool starts_at_piece(const KernelBody& body, int operand) {
  return body.operands[static_cast<size_t>(operand)].alignment % kVectorBytes == 0;
}

// The variable of `role` whose neighbours an operand holds side by side in whole pieces of 16 bytes, in every
// phase; or -1.
int variable_in_pieces(const CudaGemmPlan& form, Indices operand, GemmRole role) {
  const int64_t piece = form.piece();
  for (size_t v = 0; v < form.variables.size(); ++v) {
    if (form.variables[v].role != role || form.variables[v].extent % piece != 0) continue;
    bool fits = true;
    for (const GemmPhase& phase : form.phases) {
      const std::vector<GemmIndex>& index = phase.*operand;
      if (phase.empty()) continue;
      fits = fits && memory_stride(index, v) == 1 &&
             (role != GemmRole::k || phase.k_extents[v] == form.variables[v].extent);
      int64_t constant = 0;
      for (const GemmIndex& i : index) {
        constant += i.constant * i.stride;
        fits = fits && !(i.coefficients[v] != 0 && i.checked);  // a piece is inside or outside as a whole
      }
      fits = fits && constant % piece == 0;
      for (size_t other = 0; other < form.variables.size(); ++other)
        fits = fits &&
               (other == v || form.variables[other].extent == 1 || memory_stride(index, other) % piece == 0);
    }
    if (fits) return static_cast<int>(v);
  }
  return -1;
}

// The tile with the least work of the multiprocessor that has most: whole tiles count, with their padding,
// and so does loading the operands again for every tile. Another one where that was measured to be faster.
void choose_tile(CudaGemmPlan& plan, const Target& target, std::vector<CudaTile> candidates,
                 double load_cost) {
  const int64_t m = plan.extent(GemmRole::m), n = plan.extent(GemmRole::n);
  double best = 0;
  for (auto [bm, bn] : candidates) {
    const int64_t tiles = ceil_div(m, bm) * ceil_div(n, bn) * plan.extent(GemmRole::batch) *
                          static_cast<int64_t>(plan.phases.size());
    const double elements = static_cast<double>(ceil_div(tiles, kMultiprocessors)) * bm * bn;
    const double cost = elements * (1.0 + load_cost / bm + load_cost / bn);
    if (best != 0 && cost >= best) continue;
    best = cost;
    plan.block_m = bm;
    plan.block_n = bn;
  }
  if (const std::optional<CudaTile> tile = chosen_tile(target, plan.key, candidates)) {
    plan.block_m = tile->m;
    plan.block_n = tile->n;
    plan.tile_measured = true;
  }
  plan.candidates = std::move(candidates);
}

void plan_arithmetic(CudaGemmPlan& plan, const Target& target) {
  choose_tile(plan, target, {{64, 64}, {64, 32}, {32, 64}, {32, 32}}, 16);
  plan.v_copy.k_inner = nearer_along_k(plan, plan.phases[0].v, GemmRole::m);
  plan.s_copy.k_inner = nearer_along_k(plan, plan.phases[0].s, GemmRole::n);
}

GemmCopy choose_copy(const CudaGemmPlan& form, Indices operand, GemmRole role, bool may_reorder,
                     bool aligned) {
  GemmCopy copy;
  copy.k_inner = nearer_along_k(form, form.phases[0].*operand, role);
  if (!aligned) return copy;
  if (const int k = variable_in_pieces(form, operand, GemmRole::k); k >= 0)
    return {GemmCopy::Kind::along_k, k, true};
  const int free = variable_in_pieces(form, operand, role);
  if (free >= 0 && (may_reorder || free == form.last(role))) return {GemmCopy::Kind::along_free, free, false};
  return copy;
}

void plan_tensor_cores(CudaGemmPlan& plan, const KernelBody& body, const Target& target, bool keeps) {
  plan.tensor_cores = true;
  plan.block_k = 64 / plan.element_bytes;  // rows of 64 bytes, two steps of a tensor product
  plan.stages = 4;
  choose_tile(plan, target, {{128, 128}, {128, 64}, {64, 64}}, 32);
  plan.threads = plan.block_m == 64 ? 128 : 256;
  plan.warps_m = plan.block_n == 128 ? 2 : plan.block_m / 32;
  plan.warps_n = plan.threads / 32 / plan.warps_m;
  plan.v_copy = choose_copy(plan, &GemmPhase::v, GemmRole::m, true, starts_at_piece(body, plan.v_operand));
  plan.s_copy = choose_copy(plan, &GemmPhase::s, GemmRole::n, !keeps, starts_at_piece(body, plan.s_operand));
  // Pieces along k need one innermost k for both operands.
  if (plan.v_copy.kind == GemmCopy::Kind::along_k && plan.s_copy.kind == GemmCopy::Kind::along_k &&
      plan.v_copy.variable != plan.s_copy.variable)
    plan.s_copy = {GemmCopy::Kind::gather, -1, true};
}

// The output's innermost variable, if everything that the epilogue stores has whole pieces along it, and
// every thread a piece.
int choose_lanes(const CudaGemmPlan& plan, const KernelBody& body) {
  if (plan.block_m * plan.block_n % (plan.threads * kLanes) != 0) return -1;
  const GemmRole role = plan.m_inner ? GemmRole::m : GemmRole::n;
  const int variable = plan.last(role);
  if (variable < 0 || plan.order(role).back() != static_cast<size_t>(variable)) return -1;
  const GemmVariable& v = plan.variables[static_cast<size_t>(variable)];
  if (v.scale > 1 || v.radix > 0 || (plan.m_inner && !body.partials.empty())) return -1;
  const std::vector<int> none(body.nest.extents.size(), -1);
  if (!stores_in_vectors(body, IndexAnalysis(body), v.dimension, none)) return -1;
  return variable;
}

std::optional<CudaGemmPlan> plan_form(const KernelBody& body, const Target& target,
                                      const std::vector<int>& kept, bool swap) {
  std::optional<GemmForm> form = gemm_form(body, swap);
  if (!form || (!kept.empty() && !keeps_n(*form, kept))) return std::nullopt;
  for (GemmRole role : {GemmRole::m, GemmRole::n, GemmRole::k})
    if (form->extent(role) < kSmallest) return std::nullopt;
  CudaGemmPlan plan;
  static_cast<GemmForm&>(plan) = *std::move(form);
  plan.key = product_key(body, swap);
  for (const GemmVariable& v : plan.variables)
    if (v.dimension >= 0 && v.extent > 1) plan.m_inner = v.role == GemmRole::m;  // the last one counts
  const DType v = body.operands[static_cast<size_t>(plan.v_operand)].dtype,
              s = body.operands[static_cast<size_t>(plan.s_operand)].dtype;
  plan.element_bytes = static_cast<int>(size_of(v));
  if (v == s && (v == DType::f16 || v == DType::bf16 || (v == DType::f32 && body.contraction->contraction.tf32)))
    plan_tensor_cores(plan, body, target, !kept.empty());
  else
    plan_arithmetic(plan, target);
  NETC_CHECK(plan.tensor_cores || !body.contraction->contraction.tf32, "f32 operands, to be rounded to tf32");
  plan.lane_variable = choose_lanes(plan, body);
  return plan;
}

}  // namespace

std::vector<size_t> CudaGemmPlan::order(GemmRole role) const {
  std::vector<size_t> result;
  int last = -1;
  for (const GemmCopy* copy : {&v_copy, &s_copy})
    if (copy->variable >= 0 && variables[static_cast<size_t>(copy->variable)].role == role)
      last = copy->variable;
  for (size_t v = 0; v < variables.size(); ++v)
    if (variables[v].role == role && static_cast<int>(v) != last) result.push_back(v);
  if (last >= 0) result.push_back(static_cast<size_t>(last));
  return result;
}

std::optional<CudaGemmPlan> plan_cuda_gemm(const KernelBody& body, const Target& target,
                                           const std::vector<int>& kept) {
  std::optional<CudaGemmPlan> plan = plan_form(body, target, kept, false);
  return plan ? plan : plan_form(body, target, kept, true);
}

std::string to_string(const CudaGemmPlan& plan) {
  const auto text = [](int64_t v) { return std::to_string(v); };
  static const char* const kCopies[] = {"element by element", "in pieces along k",
                                        "in pieces along its own axis"};
  std::string result = text(plan.blocks()) + " blocks of " + text(plan.threads) +
                       " threads: C[n][m] in tiles of " + text(plan.block_n) + "x" + text(plan.block_m) +
                       (plan.tile_measured ? " (measured)" : "") + ", n " + text(plan.extent(GemmRole::n)) +
                       ", m " + text(plan.extent(GemmRole::m)) + ", k " + text(plan.extent(GemmRole::k)) +
                       " by " + text(plan.block_k);
  if (plan.extent(GemmRole::batch) > 1) result += ", batch " + text(plan.extent(GemmRole::batch));
  if (plan.phases.size() > 1) result += ", " + text(static_cast<int64_t>(plan.phases.size())) + " phases";
  if (plan.tensor_cores)
    result += std::string(plan.element_bytes == 4 ? "; tensor cores in tf32, " : "; tensor cores, ") +
              text(plan.warps_n) + "x" + text(plan.warps_m) + " warps, " + text(plan.stages) + " stages; V " +
              kCopies[static_cast<int>(plan.v_copy.kind)] + ", S " +
              kCopies[static_cast<int>(plan.s_copy.kind)];
  if (plan.lane_variable >= 0) result += "; epilogue in pieces of " + text(kLanes);
  return result;
}

}  // namespace netc
