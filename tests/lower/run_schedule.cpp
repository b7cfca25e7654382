#include "tests/lower/run_schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "compiler/interpret/evaluate.h"

namespace netc {
namespace {

class Runner {
 public:
  Runner(const Schedule& schedule, const MemoryPlan& plan, const InterpretInputs& inputs)
      : schedule_(schedule), plan_(plan), run_{inputs.scalars, inputs.learning_rate} {
    double nan = std::numeric_limits<double>::quiet_NaN();
    arena_.assign(static_cast<size_t>(plan.arena_bytes), nan);
    state_layouts_.resize(schedule.states.size());
    for (const Buffer& buffer : schedule.buffers)
      if (buffer.state >= 0) state_layouts_[static_cast<size_t>(buffer.state)] = buffer.layout;
    for (size_t s = 0; s < schedule.states.size(); ++s) {
      const StateVariable& state = schedule.states[s];
      const int64_t size = size_of(state.type.dtype);
      std::vector<double> memory(static_cast<size_t>(element_count(physical_shape(state_layouts_[s], state.type.shape)) * size), 0.0);
      const std::vector<int64_t> positions = element_positions(state_layouts_[s], state.type.shape);
      auto given = inputs.states.find(state.path);
      for (size_t i = 0; i < positions.size(); ++i) {
        for (int64_t b = 0; b < size; ++b) memory[static_cast<size_t>(positions[i] * size + b)] = nan;
        if (given != inputs.states.end()) memory[static_cast<size_t>(positions[i] * size)] = given->second.data[i];
      }
      states_.push_back(std::move(memory));
    }
    for (const ScheduleSlot& slot : schedule.inputs) {
      const HostTensor& tensor = inputs.inputs.at(slot.name);
      for (size_t i = 0; i < tensor.data.size(); ++i)
        at(slot.view, static_cast<int64_t>(i), slot.type.dtype) = tensor.data[i];
    }
  }

  InterpretResult run() {
    for (const ScheduledKernel& kernel : schedule_.kernels) launch(kernel);
    InterpretResult result;
    for (const ScheduleSlot& slot : schedule_.outputs) {
      HostTensor tensor{slot.type.shape, {}};
      for (int64_t i = 0; i < slot.type.elements(); ++i) tensor.data.push_back(at(slot.view, i, slot.type.dtype));
      result.outputs[slot.name] = std::move(tensor);
    }
    for (size_t s = 0; s < states_.size(); ++s) {
      const StateVariable& state = schedule_.states[s];
      HostTensor tensor{state.type.shape, {}};
      const auto size = static_cast<size_t>(size_of(state.type.dtype));
      std::vector<bool> padding(states_[s].size() / size, true);
      for (int64_t position : element_positions(state_layouts_[s], state.type.shape)) {
        tensor.data.push_back(states_[s][static_cast<size_t>(position) * size]);
        padding[static_cast<size_t>(position)] = false;
      }
      for (size_t i = 0; i < padding.size(); ++i)
        EXPECT_TRUE(!padding[i] || states_[s][i * size] == 0) << state.path << ": a padding lane is not 0";
      result.states[state.path] = std::move(tensor);
    }
    return result;
  }

 private:
  double& at(const BufferView& view, int64_t element, DType dtype) {
    const Buffer& buffer = schedule_.buffers[static_cast<size_t>(view.buffer)];
    std::vector<double>& memory = buffer.state >= 0 ? states_[static_cast<size_t>(buffer.state)] : arena_;
    int64_t base = buffer.state >= 0 ? 0 : plan_.offsets[static_cast<size_t>(view.buffer)];
    return memory.at(static_cast<size_t>(base + view.offset + element * size_of(dtype)));
  }

  // Calls `visit` with the strided position of every element, in row-major order.
  static void for_each(const Shape& shape, const Shape& strides, const std::function<void(int64_t)>& visit) {
    int64_t count = element_count(shape);
    for (int64_t i = 0; i < count; ++i) {
      int64_t rest = i, position = 0;
      for (size_t d = shape.size(); d-- > 0;) {
        position += rest % shape[d] * strides[d];
        rest /= shape[d];
      }
      visit(position);
    }
  }
  static void for_each(const KernelOperand& operand, const std::function<void(int64_t)>& visit) {
    for_each(operand.shape, operand.strides, visit);
  }

  void launch(const ScheduledKernel& kernel) {
    const KernelBody& body = kernel.body;
    std::vector<HostTensor> tensors(body.operands.size() + 1);
    std::vector<const HostTensor*> operands;
    for (size_t i = 0; i < body.operands.size(); ++i) {
      const KernelOperand& operand = body.operands[i];
      if (operand.written) continue;
      tensors[i].shape = operand.shape;
      for_each(operand, [&](int64_t position) {
        tensors[i].data.push_back(at(kernel.operands[i], position, operand.dtype));
      });
    }
    LoopNest nest = body.nest;
    if (body.contraction) {  // its result becomes one more operand
      tensors.back() = evaluate_contraction(body.contraction->contraction,
                                            tensors[static_cast<size_t>(body.contraction->lhs)],
                                            tensors[static_cast<size_t>(body.contraction->rhs)]);
      nest.dag = {};
      Dag::Substitution substitution;
      std::vector<ExprId> axes;
      for (int a = 0; a < nest.parallel; ++a) axes.push_back(nest.dag.axis(a));
      substitution.reduced = [&](int64_t) { return nest.dag.load(static_cast<int>(body.operands.size()), axes); };
      for (Store& store : nest.stores) store.value = nest.dag.import(body.nest.dag, store.value, substitution);
      for (const PartialSum& p : body.partials)
        nest.stores.push_back({p.output, nest.dag.import(body.nest.dag, p.body, substitution)});
    } else {
      for (const PartialSum& p : body.partials) nest.stores.push_back({p.output, p.body});
    }
    for (const HostTensor& tensor : tensors) operands.push_back(&tensor);
    std::vector<TensorType> types;
    for (size_t s = 0; s < nest.stores.size(); ++s) {
      const KernelOperand& operand = body.operands[static_cast<size_t>(nest.stores[s].output)];
      types.push_back({operand.dtype, nest.parallel_extents()});
      nest.stores[s].output = static_cast<int>(s);
    }
    std::vector<HostTensor> results = evaluate_nest(nest, operands, types, run_);
    for (size_t p = 0; p < body.partials.size(); ++p)
      add_rows(kernel, body.partials[p], results[body.nest.stores.size() + p]);
    for (size_t s = 0; s < body.nest.stores.size(); ++s) {
      auto number = static_cast<size_t>(body.nest.stores[s].output);
      const KernelOperand& operand = body.operands[number];
      size_t next = 0;
      auto write = [&](int64_t position, double value) {
        double* memory = &at(kernel.operands[number], position, operand.dtype);
        memory[0] = value;
        for (int64_t b = 1; b < size_of(operand.dtype); ++b) memory[b] = std::numeric_limits<double>::quiet_NaN();
      };
      for_each(operand, [&](int64_t position) { write(position, results[s].data[next++]); });
      for (const HaloMargin& margin : halo_margins(operand))
        for_each(margin.shape, operand.strides, [&](int64_t position) { write(margin.offset + position, 0); });
    }
  }

  // A partial sum, given its body's value at every parallel index: one row for each block of the task grid.
  void add_rows(const ScheduledKernel& kernel, const PartialSum& partial, const HostTensor& values) {
    TaskGrid grid = task_grid(kernel.body, Target{});
    const KernelOperand& operand = kernel.body.operands[static_cast<size_t>(partial.output)];
    std::vector<double> sums(static_cast<size_t>(element_count(operand.shape)), 0.0);
    for (size_t i = 0; i < values.data.size(); ++i) {
      auto rest = static_cast<int64_t>(i);
      Shape index(values.shape.size());
      for (size_t d = index.size(); d-- > 0; rest /= values.shape[d]) index[d] = rest % values.shape[d];
      int64_t row = 0, column = 0;
      for (size_t d = 0; d < index.size(); ++d) {
        if (is_kept(kernel.body, static_cast<int>(d))) column = column * values.shape[d] + index[d];
        else row = row * grid.blocks[d] + index[d] / grid.block[d];
      }
      sums[static_cast<size_t>(row * operand.shape[1] + column)] += values.data[i];
    }
    for (size_t i = 0; i < sums.size(); ++i)
      at(kernel.operands[static_cast<size_t>(partial.output)], static_cast<int64_t>(i), operand.dtype) = sums[i];
  }

  const Schedule& schedule_;
  const MemoryPlan& plan_;
  RunScalars run_;
  std::vector<double> arena_;
  std::vector<Layout> state_layouts_;
  std::vector<std::vector<double>> states_;
};

}  // namespace

InterpretResult run_schedule(const Schedule& schedule, const MemoryPlan& plan, const InterpretInputs& inputs) {
  return Runner(schedule, plan, inputs).run();
}

}  // namespace netc
