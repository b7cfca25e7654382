#include "compiler/lower/winograd_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "compiler/base/error.h"
#include "compiler/lower/layout.h"
#include "compiler/lower/winograd_machine.h"

namespace netc {
namespace {

constexpr int64_t kMostTiles = 64;     // of a task
constexpr double kLeastGain = 1.15;    // below which the direct contraction's smaller error decides
// Of weights that each run transforms: more lie in the arena beside every activation of a training step, at its fullest moment.
constexpr int64_t kMostTransformedBytes = 32 << 20;

double product_of(std::initializer_list<int64_t> factors) {
  double result = 1;
  for (int64_t f : factors) result *= static_cast<double>(f);
  return result;
}

// Cycles of one task.
double task_cycles(const WinogradMachine& machine, const Winograd& winograd, const WinogradForm& form, const WinogradBlock& block) {
  const int64_t tiles = block.images * block.tile_rows * block.tile_columns, steps = form.inputs * kLaneBlock;
  const double positions = static_cast<double>(winograd.positions());
  const double weights = 4 * positions * product_of({block.outputs, kLaneBlock, steps});
  return product_of({tiles, form.inputs}) * machine.input_transform(winograd) +
         product_of({tiles, block.outputs}) * machine.output_transform(winograd) +
         std::max(positions * machine.product(tiles, block.outputs, steps), weights / machine.l3_bytes);
}

int64_t weight_bytes(const Winograd& winograd, const WinogradForm& form) {
  return 4 * winograd.positions() * form.outputs * form.inputs * kLaneBlock * kLaneBlock;
}

// Cycles of all tasks. Some pools of workers are small, some large: what counts is the time that they are occupied
// until the last task is done.
double cycles_of(const WinogradMachine& machine, const Winograd& winograd, const WinogradForm& form, const WinogradBlock& block) {
  const int64_t tasks = ceil_div(form.images, block.images) * ceil_div(ceil_div(form.rows, winograd.tile), block.tile_rows) *
                        ceil_div(ceil_div(form.columns, winograd.tile), block.tile_columns) * ceil_div(form.outputs, block.outputs);
  const double each = task_cycles(machine, winograd, form, block);
  const auto weights = static_cast<double>(weight_bytes(winograd, form));
  double occupied = 0;
  for (const auto& [workers, share] : {std::pair{2, 0.7}, {8, 0.15}, {16, 0.12}, {64, 0.03}})
    occupied += share * static_cast<double>(workers * ceil_div(tasks, workers));
  return each * occupied + weights / machine.memory_bytes;
}

// Cycles of all tasks that transform the weights, which go to memory.
double weight_cycles(const WinogradMachine& machine, const Winograd& winograd, const WinogradForm& form) {
  const double pairs = product_of({form.outputs, form.inputs, kLaneBlock, kLaneBlock});
  return pairs * (machine.weight_transform(winograd) + 4 * static_cast<double>(winograd.positions()) / machine.memory_bytes);
}

WinogradBlock choose_block(const WinogradMachine& machine, const Winograd& winograd, const WinogradForm& form) {
  const int64_t tile_rows = ceil_div(form.rows, winograd.tile), tile_columns = ceil_div(form.columns, winograd.tile);
  WinogradBlock best;
  double least = 0;
  const auto consider = [&](const WinogradBlock& block) {
    if (block.images * block.tile_rows * block.tile_columns > kMostTiles) return;
    const double cycles = cycles_of(machine, winograd, form, block);
    if (least != 0 && cycles >= least) return;
    least = cycles;
    best = block;
  };
  for (int64_t outputs = 1; outputs <= form.outputs; ++outputs) {
    if (form.outputs % outputs != 0) continue;
    for (int64_t images = 1; images <= std::min(form.images, kMostTiles); ++images) consider({images, tile_rows, tile_columns, outputs});
    for (int64_t rows = 1; rows < std::min(tile_rows, kMostTiles); ++rows) consider({1, rows, tile_columns, outputs});
    if (tile_columns > 8)
      for (int64_t parts = 2; parts <= tile_columns; ++parts) consider({1, 1, ceil_div(tile_columns, parts), outputs});
  }
  return best;
}

// The matrix product of one position.
KernelBody product_body(int64_t inputs, int64_t outputs, int64_t tiles) {
  KernelBody body;
  const Shape v{inputs, tiles, kLaneBlock}, u{outputs, inputs, kLaneBlock, kLaneBlock}, m{outputs, tiles, kLaneBlock};
  body.operands = {{"V", DType::f32, v, row_major_strides(v)},
                   {"U", DType::f32, u, row_major_strides(u)},
                   {"M", DType::f32, m, row_major_strides(m), Space::arena, true}};
  enum { kKb, kTile, kKi, kCb, kCi };
  const auto plain = [](int axis) { return AxisSum{{{axis, 1}}, 0}; };
  Contraction c;
  c.axes = {{"kb", outputs}, {"tile", tiles}, {"ki", kLaneBlock}, {"cb", inputs}, {"ci", kLaneBlock}};
  c.tensors = {ContractionTensor{v, {plain(kCb), plain(kTile), plain(kCi)}},
               ContractionTensor{u, {plain(kKb), plain(kCb), plain(kCi), plain(kKi)}},
               ContractionTensor{m, {plain(kKb), plain(kTile), plain(kKi)}}};
  body.contraction = ContractionStage{c, 0, 1};
  body.nest.extents = m;
  body.nest.parallel = 3;
  body.nest.stores = {{2, body.nest.dag.reduced(0)}};
  return body;
}

int64_t aligned(int64_t floats) { return ceil_div(floats, kLaneBlock) * kLaneBlock; }

}  // namespace

int64_t WinogradPlan::zeros_offset() const { return partials * block.outputs * kLaneBlock; }
int64_t WinogradPlan::v_offset() const { return zeros_offset() + aligned(winograd.window() * kLaneBlock); }
int64_t WinogradPlan::m_offset() const { return v_offset() + winograd.positions() * v_pitch(); }
int64_t WinogradPlan::product_offset() const { return m_offset() + winograd.positions() * m_pitch(); }
int64_t WinogradPlan::scratch_bytes() const { return 4 * product_offset() + product_plan.scratch_bytes(); }

WinogradChoice choose_winograd(const Contraction& contraction, DType dtype, WeightTransforms weights, const Target& target) {
  const std::optional<WinogradForm> form = winograd_form(contraction);
  if (!form) return {std::nullopt, "it reads its tensors otherwise"};
  const WinogradMachine machine(target);
  const int64_t steps = 9 * form->inputs * kLaneBlock;
  // Some 24 columns at a time, as a direct plan has them.
  const double direct = product_of({form->images, form->rows}) * machine.direct_product(dtype, form->columns, form->outputs, steps) +
                        static_cast<double>(size_of(dtype)) * product_of({steps, form->outputs, kLaneBlock}) / machine.memory_bytes;
  Winograd best;
  double least = 0;
  for (int64_t tile : {2, 4}) {
    const Winograd winograd{tile};
    if (weights == WeightTransforms::each_run && weight_bytes(winograd, *form) > kMostTransformedBytes) continue;
    double cycles = cycles_of(machine, winograd, *form, choose_block(machine, winograd, *form));
    if (weights == WeightTransforms::each_run) cycles += weight_cycles(machine, winograd, *form);
    if (least != 0 && cycles >= least) continue;
    least = cycles;
    best = winograd;
  }
  if (least == 0) return {std::nullopt, "its transformed weights would take too much memory in each step"};
  if (direct < kLeastGain * least)
    return {std::nullopt, fmt::format("Winograd's {} is estimated at {:.2f} times the speed", to_string(best), direct / least)};
  return {best, fmt::format("Winograd's {}, estimated at {:.2f} times the direct speed", to_string(best), direct / least)};
}

WinogradChoice choose_winograd(const Contraction& logical, DType dtype, WeightTransforms weights, const LayoutOptions& options,
                               const Target& target) {
  const std::optional<std::array<Layout, 3>> layouts = wanted_layouts(logical, options);
  if (!layouts || !splits((*layouts)[0], 1) || !splits((*layouts)[2], 1)) return {std::nullopt, "its channels do not lie in blocks"};
  return choose_winograd(physical_contraction(logical, *layouts), dtype, weights, target);
}

WinogradPlan plan_winograd(const KernelBody& body, const Target& target, const std::optional<WinogradBlock>& given) {
  NETC_CHECK(body.contraction && body.contraction->contraction.winograd, "a contraction in Winograd's form");
  const std::optional<WinogradForm> form = winograd_form(body.contraction->contraction);
  NETC_CHECK(form, "a contraction in Winograd's form");
  const KernelOperand &x = body.operands[static_cast<size_t>(body.contraction->lhs)],
                      &u = body.operands[static_cast<size_t>(body.contraction->rhs)];
  NETC_CHECK(is_floating(x.dtype) && u.dtype == DType::f32, "Winograd's sums are f32");
  NETC_CHECK(x.strides[3] == kLaneBlock && x.strides[4] == 1 && u.strides == row_major_strides(u.shape), "operands in channel blocks");
  const WinogradMachine machine(target);
  WinogradPlan plan;
  plan.winograd = *body.contraction->contraction.winograd;
  plan.form = *form;
  plan.block = given ? *given : choose_block(machine, plan.winograd, *form);
  plan.vector_lanes = target.vector_lanes;
  plan.partials = static_cast<int64_t>(body.partials.size());
  for (const PartialSum& sum : body.partials)
    NETC_CHECK(sum.kept == (std::vector<int>{1, 4}), "partial sums over Winograd tiles keep the channels");
  const int64_t tile = plan.winograd.tile;
  plan.output_block = {plan.block.images, plan.block.outputs, std::min(form->rows, plan.block.tile_rows * tile),
                       std::min(form->columns, plan.block.tile_columns * tile), kLaneBlock};
  plan.product = product_body(form->inputs, plan.block.outputs, plan.tiles());
  const std::optional<DirectPlan> product = plan_direct_task(plan.product, target);
  NETC_CHECK(product, "a matrix product over blocks has a direct plan");
  plan.product_plan = *product;
  plan.cycles = cycles_of(machine, plan.winograd, *form, plan.block);
  return plan;
}

std::string to_string(const WinogradPlan& plan) {
  auto text = [](int64_t v) { return std::to_string(v); };
  return "Winograd F(" + text(plan.winograd.tile) + ", 3), tasks of " + text(plan.block.images) + "x" + text(plan.block.tile_rows) + "x" +
         text(plan.block.tile_columns) + " tiles and " + text(plan.block.outputs * kLaneBlock) + " channels, " +
         text(plan.scratch_bytes() >> 10) + " KiB\n" + to_string(plan.product_plan);
}

}  // namespace netc
