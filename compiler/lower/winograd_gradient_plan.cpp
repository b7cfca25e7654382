#include "compiler/lower/winograd_gradient_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "compiler/base/error.h"
#include "compiler/lower/layout.h"
#include "compiler/lower/winograd_machine.h"
#include "compiler/ops/split_sums.h"

namespace netc {
namespace {

constexpr int64_t kMostParts = 64;
constexpr int64_t kFewestTiles = 16, kMostTiles = 96;  // transformed at a time
constexpr int64_t kMostBlocks = 8;   // of channels, of a task
constexpr double kLeastGain = 1.15;  // below which the direct contraction's smaller error decides
constexpr double kAddingCycles = 2e4;  // of a kernel more, which adds the parts

WinogradGradientPlan with_block(const Winograd& winograd, const WinogradForm& form, const WinogradGradientBlock& block) {
  WinogradGradientPlan plan;
  plan.winograd = winograd;
  plan.form = form;
  plan.block = block;
  return plan;
}

// Cycles of one task.
double task_cycles(const WinogradMachine& machine, const WinogradGradientPlan& plan) {
  const auto inputs = static_cast<double>(plan.block.inputs), outputs = static_cast<double>(plan.block.outputs);
  const auto tiles = static_cast<double>(plan.tiles()), positions = static_cast<double>(plan.winograd.positions());
  const double turns = static_cast<double>((plan.form.images / plan.block.images) * (plan.rows_of_tiles() / plan.block.tile_rows));
  // Sums come from the second-level cache and go back there for every turn.
  const double moved = 4 * kLaneBlock * machine.vectors * inputs * outputs;
  const double product = machine.product(plan.block.inputs * kLaneBlock, plan.block.outputs, plan.tiles()) + moved;
  const double transforms = tiles * (inputs * machine.input_transform(plan.winograd) + outputs * machine.gradient_transform(plan.winograd));
  return turns * (transforms + positions * product) + inputs * outputs * machine.weight_gradient_transform(plan.winograd);
}

// How long workers are occupied until the last of the tasks is done. Some pools are small, some large.
double occupied(int64_t tasks) {
  double result = 0;
  for (const auto& [workers, share] : {std::pair{2, 0.7}, {8, 0.15}, {16, 0.12}, {64, 0.03}})
    result += share * static_cast<double>(workers * ceil_div(tasks, workers));
  return result;
}

double cycles_of(const WinogradMachine& machine, const WinogradGradientPlan& plan) {
  const WinogradForm& form = plan.form;
  const int64_t tasks = form.parts * (form.inputs / plan.block.inputs) * (form.outputs / plan.block.outputs);
  return task_cycles(machine, plan) * occupied(tasks);
}

std::vector<int64_t> divisors(int64_t n) {
  std::vector<int64_t> result;
  for (int64_t d = 1; d <= n; ++d)
    if (n % d == 0) result.push_back(d);
  return result;
}

// The plan with the fewest cycles, of those whose scratch memory stays in the second-level cache; with the smallest block, if
// none does.
WinogradGradientPlan choose_block(const WinogradMachine& machine, const Winograd& winograd, const WinogradForm& form, const Target& target) {
  WinogradGradientPlan plan = with_block(winograd, form, {});
  WinogradGradientBlock best;
  double least = 0;
  const auto consider = [&](const WinogradGradientBlock& block, bool fewest) {
    plan.block = block;
    const int64_t tiles = plan.tiles();
    if (tiles > kMostTiles || (tiles < kFewestTiles && !fewest) || 4 * plan.product_offset() > target.l2_bytes * 3 / 4) return;
    const double cycles = cycles_of(machine, plan);
    if (least != 0 && cycles >= least) return;
    least = cycles;
    best = block;
  };
  const std::vector<int64_t> rows = divisors(plan.rows_of_tiles()), images = divisors(form.images);
  for (int64_t inputs : divisors(form.inputs))
    for (int64_t outputs : divisors(form.outputs)) {
      if (inputs > kMostBlocks || outputs > kMostBlocks) continue;
      for (int64_t r : rows) consider({inputs, outputs, 1, r}, r == rows.back());
      for (int64_t i : images) consider({inputs, outputs, i, rows.back()}, i == images.back());
    }
  plan.block = best;
  return plan;
}

// The matrix product of one position.
KernelBody product_body(int64_t inputs, int64_t outputs, int64_t tiles) {
  KernelBody body;
  const Shape v{inputs, tiles, kLaneBlock}, d{outputs, tiles, kLaneBlock}, m{outputs, inputs, kLaneBlock, kLaneBlock};
  body.operands = {{"V", DType::f32, v, row_major_strides(v)},
                   {"D", DType::f32, d, row_major_strides(d)},
                   {"M", DType::f32, m, row_major_strides(m)},
                   {"M", DType::f32, m, row_major_strides(m), Space::arena, true}};
  enum { kKb, kCb, kCi, kKi, kTile };
  const auto plain = [](int axis) { return AxisSum{{{axis, 1}}, 0}; };
  Contraction c;
  c.axes = {{"kb", outputs}, {"cb", inputs}, {"ci", kLaneBlock}, {"ki", kLaneBlock}, {"tile", tiles}};
  c.tensors = {ContractionTensor{v, {plain(kCb), plain(kTile), plain(kCi)}},
               ContractionTensor{m, {plain(kKb), plain(kCb), plain(kCi), plain(kKi)}},
               ContractionTensor{d, {plain(kKb), plain(kTile), plain(kKi)}}};
  c.output = 1;
  body.contraction = ContractionStage{c, 0, 1};
  body.nest.extents = m;
  body.nest.parallel = 4;
  Dag& dag = body.nest.dag;
  body.nest.stores = {{3, dag.add(dag.load(2, {dag.axis(0), dag.axis(1), dag.axis(2), dag.axis(3)}), dag.reduced(0))}};
  return body;
}

// The direct weight gradient, whose register tiles reach nearly what multiply-adds allow. Pairs are of pixels of a row.
double direct_cycles(const WinogradMachine& machine, DType dtype, const WinogradForm& form) {
  const int64_t columns = machine.in_pairs(dtype) ? 2 * ceil_div(form.columns, 2) : form.columns;
  const int64_t steps = form.parts * form.images * form.rows * columns;
  return 9 * machine.direct_gradient_product(dtype, form.inputs * kLaneBlock, form.outputs, steps);
}

}  // namespace

std::optional<WinogradForm> winograd_gradient_form(const Contraction& weight_gradient, int64_t parts, const LayoutOptions& options,
                                                   std::string& reason) {
  const Contraction logical = split_images(weight_gradient, parts);
  const std::optional<std::array<Layout, 3>> layouts = wanted_layouts(logical, options);
  if (!layouts || !splits((*layouts)[0], 1) || !splits((*layouts)[2], 1)) {
    reason = "its channels do not lie in blocks";
    return std::nullopt;
  }
  for (size_t tensor : {0, 2})
    if (logical.tensors[tensor].shape[1] % kLaneBlock != 0) {
      reason = "its channels do not fill their blocks";  // padding lanes of a weight must stay zero: a store with a guard
      return std::nullopt;
    }
  const std::optional<WinogradForm> form = winograd_form(physical_contraction(logical, *layouts));
  if (!form) reason = "it reads its tensors otherwise";
  return form;
}

WinogradGradientChoice choose_winograd_gradient(const Contraction& weight_gradient, DType dtype, const LayoutOptions& options,
                                                const Target& target) {
  const WinogradMachine machine(target);
  const int64_t images = weight_gradient.tensors[0].shape[0];
  double least = 0, direct = 0;
  WinogradGradientChoice choice;
  for (int64_t parts : divisors(images)) {
    if (parts > kMostParts) break;
    std::string reason;
    const std::optional<WinogradForm> form = winograd_gradient_form(weight_gradient, parts, options, reason);
    if (!form) return {std::nullopt, 1, reason};
    if (direct == 0) direct = direct_cycles(machine, dtype, *form);
    const double weights = 4 * 9 * static_cast<double>(form->outputs * form->inputs * kLaneBlock * kLaneBlock);
    const double adding = parts == 1 ? 0 : kAddingCycles + 2 * static_cast<double>(parts) * weights / machine.l3_bytes;
    for (int64_t tile : {2, 4}) {
      const double cycles = cycles_of(machine, choose_block(machine, {tile}, *form, target)) + adding;
      if (least != 0 && cycles >= least) continue;
      least = cycles;
      choice.winograd = Winograd{tile};
      choice.parts = parts;
    }
  }
  const std::string name = to_string(*choice.winograd);
  if (direct < kLeastGain * least) return {std::nullopt, 1, fmt::format("Winograd's {} is estimated at {:.2f} times the speed", name, direct / least)};
  choice.reason = fmt::format("Winograd's {}, estimated at {:.2f} times the direct speed", name, direct / least);
  return choice;
}

WinogradGradientPlan plan_winograd_gradient(const KernelBody& body, const Target& target) {
  NETC_CHECK(body.contraction && body.contraction->contraction.winograd && body.contraction->contraction.output == 1,
             "a weight gradient in Winograd's form");
  const std::optional<WinogradForm> form = winograd_form(body.contraction->contraction);
  NETC_CHECK(form, "a weight gradient in Winograd's form");
  const KernelOperand &x = body.operands[static_cast<size_t>(body.contraction->lhs)],
                      &y = body.operands[static_cast<size_t>(body.contraction->rhs)];
  NETC_CHECK(is_floating(x.dtype) && is_floating(y.dtype), "Winograd's gradient of real numbers");
  NETC_CHECK(x.strides[3] == kLaneBlock && x.strides[4] == 1 && y.strides[3] == kLaneBlock && y.strides[4] == 1, "operands in channel blocks");
  NETC_CHECK(body.partials.empty() && body.nest.stores.size() == 1 && body.nest.dag[body.nest.stores[0].value].kind == ExprKind::reduced,
             "a weight gradient is stored as it is");
  const Winograd winograd = *body.contraction->contraction.winograd;
  WinogradGradientPlan plan = choose_block(WinogradMachine(target), winograd, *form, target);
  plan.vector_lanes = target.vector_lanes;
  plan.output_block = {plan.block.outputs, plan.block.inputs, 3, 3, kLaneBlock, kLaneBlock};
  plan.product = product_body(plan.block.inputs, plan.block.outputs, plan.tiles());
  const std::optional<DirectPlan> product = plan_direct_task(plan.product, target);
  NETC_CHECK(product, "a matrix product over blocks has a direct plan");
  plan.product_plan = *product;
  return plan;
}

std::string to_string(const WinogradGradientPlan& plan) {
  auto text = [](int64_t v) { return std::to_string(v); };
  return "Winograd F(" + text(plan.winograd.tile) + ", 3), tasks of " + text(plan.form.images) + " images, " +
         text(plan.block.inputs * kLaneBlock) + " to " + text(plan.block.outputs * kLaneBlock) + " channels, " + text(plan.tiles()) +
         " tiles at a time, " + text(plan.scratch_bytes() >> 10) + " KiB\n" + to_string(plan.product_plan);
}

}  // namespace netc
