#include "compiler/lower/contraction_plan.h"

namespace netc {
namespace {

template <class Plan>
constexpr bool is_plan = !std::is_same_v<std::decay_t<Plan>, std::monostate>;

}  // namespace

ContractionPlan plan_contraction(const KernelBody& body, const Target& target, const std::optional<DirectTile>& tile) {
  if (!body.contraction || body.contraction->contraction.tf32) return {};  // rounding while multiplying is for tensor cores
  if (const Contraction& c = body.contraction->contraction; c.winograd) {
    if (c.output == 1) return plan_winograd_gradient(body, target);
    return plan_winograd(body, target);
  }
  if (std::optional<DirectPlan> plan = plan_direct(body, target, tile)) return *std::move(plan);
  if (std::optional<GemmPlan> plan = plan_gemm(body, target)) return *std::move(plan);
  return {};
}

const Shape* output_block(const ContractionPlan& plan) {
  return std::visit([](const auto& p) -> const Shape* {
    if constexpr (is_plan<decltype(p)>) return &p.output_block;
    else return nullptr;
  }, plan);
}

int64_t scratch_bytes(const ContractionPlan& plan) {
  return std::visit([](const auto& p) -> int64_t {
    if constexpr (is_plan<decltype(p)>) return p.scratch_bytes();
    else return 0;
  }, plan);
}

}  // namespace netc
