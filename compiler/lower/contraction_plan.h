// How a kernel's contraction is done: which of the algorithms, and its plan. The one place that decides it, for task
// grids, scratch memory and code alike.
#pragma once

#include <optional>
#include <variant>

#include "compiler/lower/direct_plan.h"
#include "compiler/lower/gemm_plan.h"
#include "compiler/lower/winograd_gradient_plan.h"
#include "compiler/lower/winograd_plan.h"

namespace netc {

// monostate: no contraction, or one that contraction_as_nest serves best.
using ContractionPlan = std::variant<std::monostate, WinogradPlan, WinogradGradientPlan, DirectPlan, GemmPlan>;

// `tile`: of a direct contraction, instead of the plan's own choice.
ContractionPlan plan_contraction(const KernelBody& body, const Target& target, const std::optional<DirectTile>& tile = std::nullopt);

// Of the task grid; null where the plan does not say.
const Shape* output_block(const ContractionPlan& plan);

int64_t scratch_bytes(const ContractionPlan& plan);

}  // namespace netc
