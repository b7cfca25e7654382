#include "compiler/lower/build_program.h"

#include <map>

#include "compiler/base/error.h"
#include "compiler/ir/op_def.h"
#include "compiler/lower/round_weights.h"
#include "compiler/lower/streams.h"
#include "compiler/lower/tasks.h"

namespace netc {
namespace {

constexpr size_t kSymbolLength = 64, kSymbolDigits = 16;

class ProgramBuilder {
 public:
  ProgramBuilder(const StateLayout& state, const Target& target, const SourceMap* sources, const FuseOptions& options)
      : state_(state), target_(target), sources_(sources), options_(options) {
    plan_.program.state = state.slots;
    plan_.program.state_bytes = state.bytes;
    for (const StateSlot& slot : state.slots)
      if (!slot.layout.dense()) layouts_[slot.path] = slot.layout;
  }

  ProgramPlan run(const std::vector<EntrySpec>& entries) {
    for (const EntrySpec& spec : entries) {
      EntryPoint entry;
      entry.name = spec.name;
      for (const Graph* graph : spec.graphs) append(entry, lowered(graph));
      if (is_cuda(target_)) plan_streams(entry, plan_.kernels.bodies);
      plan_.program.entries.push_back(std::move(entry));
    }
    return std::move(plan_);
  }

 private:
  const LoweredGraph& lowered(const Graph* graph) {
    for (const LoweredGraph& known : plan_.graphs)
      if (known.graph == graph) return known;
    LoweredGraph result{graph, make_schedule(*graph, target_, sources_, options_, layouts_), {}};
    if (is_cuda(target_)) result.schedule = round_weights_together(std::move(result.schedule), state_);
    result.memory = plan_memory(result.schedule);
    for (const ScheduledKernel& kernel : result.schedule.kernels) launched_[graph].push_back(kernel_number(*graph, kernel));
    plan_.graphs.push_back(std::move(result));
    return plan_.graphs.back();
  }

  void append(EntryPoint& entry, const LoweredGraph& part) {
    const Schedule& schedule = part.schedule;
    const int64_t arena = entry.arena_bytes;  // behind earlier parts, whose outputs must survive this one
    auto resolve = [&](const BufferView& view) {
      const Buffer& buffer = schedule.buffers[static_cast<size_t>(view.buffer)];
      if (buffer.state < 0)
        return BufferRef{Space::arena, arena + part.memory.offsets[static_cast<size_t>(view.buffer)] + view.offset};
      const StateVariable& variable = schedule.states[static_cast<size_t>(buffer.state)];
      return BufferRef{Space::state, state_.offset_of(variable.path) + view.offset};
    };
    for (const ScheduleSlot& input : schedule.inputs) entry.inputs.push_back({input.name, input.type, resolve(input.view)});
    for (const ScheduleSlot& output : schedule.outputs)
      entry.outputs.push_back({output.name, output.type, resolve(output.view)});
    for (size_t i = 0; i < schedule.kernels.size(); ++i) {
      const ScheduledKernel& kernel = schedule.kernels[i];
      Launch launch;
      launch.kernel = launched_.at(part.graph)[i];
      for (const BufferView& view : kernel.operands) launch.operands.push_back(resolve(view));
      launch.tasks = tasks_[static_cast<size_t>(launch.kernel)];
      launch.label = kernel.label;
      launch.flops = kernel.flops;
      launch.bytes = kernel.bytes;
      entry.launches.push_back(std::move(launch));
    }
    entry.arena_bytes += part.memory.arena_bytes;
  }

  int32_t kernel_number(const Graph& graph, const ScheduledKernel& kernel) {
    auto number = static_cast<int32_t>(plan_.kernels.bodies.size());
    const std::string body = identity(kernel.body);
    auto [known, is_new] = numbers_.try_emplace(digest(body), number);
    if (!is_new) return known->second;
    KernelInfo info;
    info.symbol = symbol_of(graph, kernel, known->first);
    for (const KernelOperand& operand : kernel.body.operands) info.operand_spaces.push_back(operand.space);
    tasks_.push_back(task_count(kernel.body, target_));
    plan_.kernels.bodies.push_back(kernel.body);
    plan_.kernels.names.push_back(info.symbol);
    plan_.kernels.digests.push_back(digest(info.symbol + "\n" + body));
    plan_.program.kernels.push_back(std::move(info));
    return number;
  }

  // "netc_correlation_add_relu_4f0c2a9be1d07733": readable in a profile, unique by the body's digest, and the same
  // in every program with this kernel, so that one object serves them all.
  static std::string symbol_of(const Graph& graph, const ScheduledKernel& kernel, const Digest& body) {
    std::string symbol = "netc";
    for (NodeId node : kernel.nodes) {
      const std::string& name = graph.node(node).op->name;
      if (symbol.size() + name.size() < kSymbolLength) symbol += "_" + name;
    }
    return symbol + "_" + body.hex(kSymbolDigits);
  }

  const StateLayout& state_;
  const Target& target_;
  const SourceMap* sources_;
  const FuseOptions& options_;
  StateLayouts layouts_;
  ProgramPlan plan_;
  std::map<Digest, int32_t> numbers_;  // by the identity's digest
  std::vector<int64_t> tasks_;         // of each kernel
  std::map<const Graph*, std::vector<int32_t>> launched_;  // kernels of a graph, in launch order
};

}  // namespace

ProgramPlan build_program(const std::vector<EntrySpec>& entries, const StateLayout& state, const Target& target,
                          const SourceMap* sources, const FuseOptions& options) {
  return ProgramBuilder(state, target, sources, options).run(entries);
}

}  // namespace netc
