#include "compiler/lower/split_plan.h"

#include <algorithm>
#include <optional>

#include "compiler/lower/kernel.h"
#include "compiler/lower/layout.h"
#include "compiler/lower/machine_model.h"
#include "compiler/ops/split_sums.h"

namespace netc {
namespace {

constexpr int64_t kMostParts = 64;
constexpr double kLargestShare = 0.01;    // of the kernel's time, for the parts
constexpr double kLaunchSeconds = 5e-6;   // of the kernel that adds them

int64_t bytes_of(const ContractionTensor& tensor, DType dtype) { return element_count(tensor.shape) * size_of(dtype); }

// The kernel in the layouts that it wants; nullopt: parts do not lie so.
std::optional<KernelBody> body_of(const Contraction& logical, DType dtype, const LayoutOptions& options, bool blocked) {
  const std::optional<std::array<Layout, 3>> layouts = wanted_layouts(logical, options);
  if (layouts.has_value() != blocked) return std::nullopt;
  const Contraction c = layouts ? physical_contraction(logical, *layouts) : logical;
  KernelBody body;
  for (int t : {c.first_input(), c.second_input(), c.output}) {
    const Shape& shape = c.tensors[static_cast<size_t>(t)].shape;
    const bool written = t == c.output;
    body.operands.push_back({"", written ? DType::f32 : dtype, shape, row_major_strides(shape), Space::arena, written});
  }
  body.contraction = ContractionStage{c, 0, 1};
  body.nest.extents = body.operands.back().shape;
  body.nest.parallel = static_cast<int>(body.nest.extents.size());
  body.nest.stores = {{2, body.nest.dag.reduced(0)}};
  return body;
}

// How long workers are occupied until the last task is done, over the tasks' time. Some pools are small, some large.
double occupied(int64_t tasks) {
  double result = 0;
  for (const auto& [workers, share] : {std::pair{2, 0.6}, {16, 0.2}, {64, 0.2}})
    result += share * static_cast<double>(workers * ceil_div(tasks, workers)) / static_cast<double>(tasks);
  return result;
}

}  // namespace

int64_t choose_parts(const Contraction& weight_gradient, DType dtype, const LayoutOptions& options, const Target& target) {
  const auto& [x, weight, y] = weight_gradient.tensors;
  const MachineModel machine = machine_model(target);
  const int64_t speed = dtype == DType::bf16 && target.bf16_pairs ? 2 : 1;
  const double kernel = machine.seconds(2 * weight_gradient.multiply_adds() / speed, bytes_of(x, dtype) + bytes_of(y, dtype));
  const bool blocked = wanted_layouts(weight_gradient, options).has_value();
  int64_t best = 1;
  double least = 0;
  for (int64_t parts = 1; parts <= std::min(x.shape[0], kMostParts); ++parts) {
    if (x.shape[0] % parts != 0) continue;
    const double adding = parts == 1 ? 0 : kLaunchSeconds + machine.seconds(0, 2 * parts * bytes_of(weight, DType::f32));
    if (adding > kLargestShare * kernel) break;
    const std::optional<KernelBody> body = body_of(parts == 1 ? weight_gradient : split_images(weight_gradient, parts), dtype, options, blocked);
    if (!body) return 1;
    const double seconds = kernel * occupied(task_grid(*body, target).tasks()) + adding;
    if (least != 0 && seconds >= least) continue;
    least = seconds;
    best = parts;
  }
  return best;
}

}  // namespace netc
