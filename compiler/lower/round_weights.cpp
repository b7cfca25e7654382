#include "compiler/lower/round_weights.h"

#include <algorithm>
#include <map>
#include <optional>

#include "compiler/base/error.h"
#include "compiler/passes/update.h"

namespace netc {
namespace {

// Whether the body is only: every element of operand 0, rounded, at the same place of operand 1.
bool is_plain_cast(const KernelBody& body) {
  if (body.contraction || !body.partials.empty() || !body.nest.reductions.empty() ||
      body.operands.size() != 2 || body.nest.stores.size() != 1 || body.nest.stores[0].output != 1)
    return false;
  const KernelOperand &from = body.operands[0], &to = body.operands[1];
  if (from.dtype != DType::f32 || size_of(to.dtype) != 2 || from.shape != to.shape ||
      from.halo.dimension >= 0 || to.halo.dimension >= 0)
    return false;
  for (const KernelOperand* operand : {&from, &to})
    if (operand->strides != row_major_strides(operand->shape)) return false;
  const Dag& dag = body.nest.dag;
  const Expr& cast = dag[body.nest.stores[0].value];
  if (cast.kind != ExprKind::cast || cast.dtype != to.dtype) return false;
  const Expr& load = dag[cast.args[0]];
  if (load.kind != ExprKind::load || load.integer != 0 || load.args[0] != kNoExpr) return false;
  if (load.indices.size() != from.shape.size() || body.nest.parallel_extents() != from.shape) return false;
  for (size_t d = 0; d < load.indices.size(); ++d) {
    const Expr& index = dag[load.indices[d]];
    const bool own = index.kind == ExprKind::axis && index.integer == static_cast<int64_t>(d);
    const bool only = index.kind == ExprKind::index_constant && index.integer == 0 && from.shape[d] == 1;
    if (!own && !only) return false;
  }
  return true;
}

struct Copy {
  size_t kernel = 0;
  int32_t buffer = -1;  // of the copy
  int64_t begin = 0;    // bytes of its master, from the beginning of the slab
};

// The copies of one type, in the order of the kernels.
std::vector<Copy> find_copies(const Schedule& schedule, const StateLayout& state, DType dtype) {
  std::vector<Copy> copies;
  const int64_t slab = state.offset_of(kParameterSlab);
  for (size_t k = 0; k < schedule.kernels.size(); ++k) {
    const ScheduledKernel& kernel = schedule.kernels[k];
    if (!is_plain_cast(kernel.body) || kernel.body.operands[1].dtype != dtype) continue;
    const Buffer& master = schedule.buffers[static_cast<size_t>(kernel.operands[0].buffer)];
    const Buffer& copy = schedule.buffers[static_cast<size_t>(kernel.operands[1].buffer)];
    if (master.state < 0 || copy.state >= 0 || kernel.operands[0].offset != 0 ||
        kernel.operands[1].offset != 0 || copy.bytes * 2 != master.bytes ||
        element_count(kernel.body.operands[1].shape) * 2 != copy.bytes)
      continue;
    const StateVariable& variable = schedule.states[static_cast<size_t>(master.state)];
    const int64_t begin = state.offset_of(variable.path) - slab;
    if (variable.kind == StateKind::parameter && begin >= 0 &&
        begin + master.bytes <= 4 * state.slab_elements)
      copies.push_back({k, kernel.operands[1].buffer, begin});
  }
  return copies;
}

// A parameter that something writes is no longer what it was when the first copy was made.
bool writes_parameters(const Schedule& schedule) {
  for (const ScheduledKernel& kernel : schedule.kernels)
    for (size_t i = 0; i < kernel.operands.size(); ++i) {
      const int32_t variable = schedule.buffers[static_cast<size_t>(kernel.operands[i].buffer)].state;
      if (kernel.body.operands[i].written && variable >= 0 &&
          schedule.states[static_cast<size_t>(variable)].kind == StateKind::parameter)
        return true;
    }
  return false;
}

int32_t add_buffer(Schedule& schedule, Buffer buffer) {
  schedule.buffers.push_back(std::move(buffer));
  return static_cast<int32_t>(schedule.buffers.size()) - 1;
}

// The kernel over `elements` of the slab from element `first` on.
ScheduledKernel one_cast(const std::string& name, DType dtype, int64_t first, int64_t elements, int32_t slab,
                         int32_t copies) {
  ScheduledKernel kernel;
  KernelOperand from, to;
  from.name = kParameterSlab;
  from.shape = to.shape = {elements};
  from.strides = to.strides = {1};
  from.space = Space::state;
  to.name = name;
  to.dtype = dtype;
  to.written = true;
  LoopNest& nest = kernel.body.nest;
  nest.extents = {elements};
  nest.parallel = 1;
  nest.stores = {{1, nest.dag.cast(nest.dag.load(0, {nest.dag.axis(0)}), dtype)}};
  kernel.body.operands = {std::move(from), std::move(to)};
  kernel.operands = {{slab, 4 * first}, {copies, 0}};
  kernel.flops = elements;
  kernel.bytes = elements * (4 + size_of(dtype));
  return kernel;
}

void round_together(Schedule& schedule, const StateLayout& state, DType dtype) {
  const std::vector<Copy> copies = find_copies(schedule, state, dtype);
  if (copies.size() < 2) return;
  int64_t begin = copies[0].begin, end = 0;
  for (const Copy& copy : copies) {
    begin = std::min(begin, copy.begin);
    end = std::max(end, copy.begin + 2 * schedule.buffers[static_cast<size_t>(copy.buffer)].bytes);
  }
  const std::string name = "rounded weights";
  schedule.states.push_back({kParameterSlab, {DType::f32, {state.slab_elements}}, StateKind::parameter, {}});
  const int32_t slab = add_buffer(
      schedule,
      {kParameterSlab, 4 * state.slab_elements, static_cast<int32_t>(schedule.states.size()) - 1, {}});
  const int32_t whole = add_buffer(schedule, {name, (end - begin) / 2, -1, {}});
  ScheduledKernel together = one_cast(name, dtype, begin / 4, (end - begin) / 4, slab, whole);
  together.label = name;
  std::map<int32_t, int64_t> places;  // of copies in `whole`
  std::vector<bool> dropped(schedule.kernels.size(), false);
  for (const Copy& copy : copies) {
    places[copy.buffer] = (copy.begin - begin) / 2;
    dropped[copy.kernel] = true;
    for (NodeId node : schedule.kernels[copy.kernel].nodes) together.nodes.push_back(node);
  }
  together.reasons = {std::to_string(copies.size()) + " weights are rounded by one kernel over their slab"};
  std::vector<ScheduledKernel> kernels;
  for (size_t k = 0; k < schedule.kernels.size(); ++k) {
    if (k == copies[0].kernel) kernels.push_back(std::move(together));
    if (dropped[k]) continue;
    ScheduledKernel& kernel = schedule.kernels[k];
    for (BufferView& view : kernel.operands)
      if (const auto place = places.find(view.buffer); place != places.end())
        view = {whole, view.offset + place->second};
    kernels.push_back(std::move(kernel));
  }
  schedule.kernels = std::move(kernels);
  for (ScheduleSlot& output : schedule.outputs)
    if (const auto place = places.find(output.view.buffer); place != places.end())
      output.view = {whole, output.view.offset + place->second};
}

}  // namespace

Schedule round_weights_together(Schedule schedule, const StateLayout& state) {
  if (writes_parameters(schedule)) return schedule;
  for (DType dtype : {DType::bf16, DType::f16}) round_together(schedule, state, dtype);
  verify(schedule);
  return schedule;
}

}  // namespace netc
