#include "compiler/lower/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "compiler/base/error.h"
#include "compiler/ir/op_def.h"
#include "compiler/lower/fuse.h"
#include "compiler/lower/place.h"

namespace netc {
namespace {

constexpr size_t kLabelPaths = 4;

// "stage.0.conv0 + bn0 + relu0 (resnet.net:12)": the paths of the nodes, those that share the first one's
// parent shortened to their last segment.
std::string label_of(const Graph& graph, const ScheduledKernel& kernel, const SourceMap* sources) {
  std::vector<std::string> paths;
  Span span;
  for (NodeId id : kernel.nodes) {
    const Origin& origin = graph.node(id).origin;
    if (!span.valid()) span = origin.span;
    if (!origin.path.empty() && std::find(paths.begin(), paths.end(), origin.path) == paths.end())
      paths.push_back(origin.path);
  }
  std::string label = paths.empty() ? graph.node(kernel.nodes.front()).op->name : paths[0];
  std::string parent = paths.empty() ? "" : paths[0].substr(0, paths[0].rfind('.') + 1);
  for (size_t i = 1; i < paths.size() && i < kLabelPaths; ++i)
    label += " + " + (paths[i].compare(0, parent.size(), parent) == 0 ? paths[i].substr(parent.size()) : paths[i]);
  if (paths.size() > kLabelPaths) label += " + …";
  if (kernel.body.contraction) {
    const Contraction& c = kernel.body.contraction->contraction;
    if (c.output == 1) label += c.winograd ? " [weight gradient, Winograd]" : " [weight gradient]";
    else if (c.output == 0) label += " [data gradient]";
    else if (c.winograd && graph.node(kernel.nodes.front()).attrs.boolean("adjoint")) label += " [data gradient, Winograd]";
    else if (c.winograd) label += " [Winograd]";
  }
  if (kernel.converts) label += " [layout]";
  if (kernel.adds_parts) label += " [sum of parts]";
  if (sources && span.valid())
    label += fmt::format(" ({}:{})", sources->file(span.file).path, sources->position(span.file, span.begin).line);
  return label;
}

std::string to_string(const Schedule& schedule, const BufferView& view) {
  const Buffer& buffer = schedule.buffers[static_cast<size_t>(view.buffer)];
  std::string text = fmt::format("b{}", view.buffer);
  if (view.offset != 0) text += fmt::format("+{}", view.offset);
  return text + " " + buffer.name;
}

}  // namespace

Schedule make_schedule(const Graph& graph, const Target& target, const SourceMap* sources) {
  return make_schedule(graph, target, sources, FuseOptions{});
}

Schedule make_schedule(const Graph& graph, const Target& target, const SourceMap* sources, const FuseOptions& options) {
  return make_schedule(graph, target, sources, options, choose_state_layouts({&graph}, options.layouts));
}

Schedule make_schedule(const Graph& graph, const Target& target, const SourceMap* sources, const FuseOptions& options,
                       const StateLayouts& states) {
  const Fusion fusion = fuse(graph, options);
  Schedule schedule = place(graph, fusion, choose_layouts(graph, fusion, states, options.layouts), states, target);
  for (ScheduledKernel& kernel : schedule.kernels) {
    kernel.label = label_of(graph, kernel, sources);
    for (const KernelOperand& operand : kernel.body.operands)
      kernel.bytes += element_count(operand.shape) * size_of(operand.dtype);
  }
  verify(schedule);
  return schedule;
}

void verify(const Schedule& schedule) {
  std::set<int32_t> written;
  auto check_view = [&](const BufferView& view, int64_t span, const std::string& what) {
    NETC_CHECK(view.buffer >= 0 && view.buffer < static_cast<int32_t>(schedule.buffers.size()), what + ": no such buffer");
    NETC_CHECK(view.offset >= 0 && view.offset + span <= schedule.buffers[static_cast<size_t>(view.buffer)].bytes,
               what + ": reaches outside of its buffer");
  };
  for (const ScheduleSlot& input : schedule.inputs) {
    check_view(input.view, input.type.bytes(), "input " + input.name);
    written.insert(input.view.buffer);
  }
  for (const ScheduledKernel& kernel : schedule.kernels) {
    verify(kernel.body);
    NETC_CHECK(kernel.operands.size() == kernel.body.operands.size(), kernel.label + ": a view for each operand");
    for (size_t i = 0; i < kernel.operands.size(); ++i) {
      const KernelOperand& operand = kernel.body.operands[i];
      int64_t last = 0;
      for (size_t d = 0; d < operand.shape.size(); ++d) last += (operand.shape[d] - 1) * operand.strides[d];
      check_view(kernel.operands[i], (last + 1) * size_of(operand.dtype), kernel.label + ", operand " + operand.name);
      for (const HaloMargin& margin : halo_margins(operand)) {
        int64_t first = margin.offset, reach = 0;
        for (size_t d = 0; d < margin.shape.size(); ++d) reach += (margin.shape[d] - 1) * operand.strides[d];
        check_view({kernel.operands[i].buffer, kernel.operands[i].offset + first * size_of(operand.dtype)},
                   (reach + 1) * size_of(operand.dtype), kernel.label + ", halo of " + operand.name);
      }
      const Buffer& buffer = schedule.buffers[static_cast<size_t>(kernel.operands[i].buffer)];
      NETC_CHECK((operand.space == Space::state) == (buffer.state >= 0), kernel.label + ": an operand in another space");
      NETC_CHECK(operand.written || buffer.state >= 0 || written.count(kernel.operands[i].buffer),
                 kernel.label + ": " + operand.name + " is read before it is written");
    }
    for (size_t i = 0; i < kernel.operands.size(); ++i)
      if (kernel.body.operands[i].written) written.insert(kernel.operands[i].buffer);
  }
  for (const ScheduleSlot& output : schedule.outputs) {
    check_view(output.view, output.type.bytes(), "output " + output.name);
    NETC_CHECK(schedule.buffers[static_cast<size_t>(output.view.buffer)].state >= 0 || written.count(output.view.buffer),
               "output " + output.name + " is never written");
  }
}

std::string to_string(const Schedule& schedule, bool with_bodies) {
  std::string text;
  for (size_t i = 0; i < schedule.buffers.size(); ++i) {
    const Buffer& buffer = schedule.buffers[i];
    text += fmt::format("buffer b{}: {} bytes {}{}{}\n", i, buffer.bytes, buffer.state >= 0 ? "state " : "", buffer.name,
                        buffer.layout.dense() ? "" : " " + to_string(buffer.layout));
  }
  for (const ScheduleSlot& input : schedule.inputs)
    text += fmt::format("input {}: {} in {}\n", input.name, to_string(input.type), to_string(schedule, input.view));
  for (size_t k = 0; k < schedule.kernels.size(); ++k) {
    const ScheduledKernel& kernel = schedule.kernels[k];
    text += fmt::format("kernel {}: {}  {:.3g} MFLOP, {:.3g} MB\n", k, kernel.label,
                        static_cast<double>(kernel.flops) * 1e-6, static_cast<double>(kernel.bytes) * 1e-6);
    for (const std::string& reason : kernel.reasons) text += "  " + reason + "\n";
    for (bool written : {false, true}) {
      std::string list;
      for (size_t i = 0; i < kernel.operands.size(); ++i)
        if (kernel.body.operands[i].written == written)
          list += (list.empty() ? "" : ", ") + to_string(schedule, kernel.operands[i]);
      text += (written ? "  writes " : "  reads ") + list + "\n";
    }
    if (with_bodies) text += to_string(kernel.body);
  }
  for (const ScheduleSlot& output : schedule.outputs)
    text += fmt::format("output {}: {} in {}\n", output.name, to_string(output.type), to_string(schedule, output.view));
  return text;
}

}  // namespace netc
