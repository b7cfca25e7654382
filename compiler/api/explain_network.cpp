#include "compiler/api/explain_network.h"

#include <fmt/format.h>

#include <map>
#include <set>

#include "compiler/api/tuned_tiles.h"
#include "compiler/lower/tasks.h"

namespace netc {
namespace {

const char* word_of(LayerNode::Kind kind) {
  switch (kind) {
    case LayerNode::Kind::network: return "network";
    case LayerNode::Kind::block: return "block";
    case LayerNode::Kind::residual: return "residual";
    case LayerNode::Kind::shortcut: return "shortcut";
    case LayerNode::Kind::inception: return "inception";
    case LayerNode::Kind::branch: return "branch";
    case LayerNode::Kind::aux_head: return "aux_head";
    case LayerNode::Kind::loop: return "loop";
    case LayerNode::Kind::layer: return "layer";
  }
  return "?";
}

// The leaf layer that a node's path belongs to: the longest path that is it or a prefix of it.
class LeafIndex {
 public:
  explicit LeafIndex(const ElaboratedNetwork& network) {
    for (size_t i = 0; i < network.layers.size(); ++i)
      if (network.layers[i].kind == LayerNode::Kind::layer) leaves_[network.layers[i].path] = i;
  }
  const size_t* find(std::string path) const {
    for (;;) {
      const auto found = leaves_.find(path);
      if (found != leaves_.end()) return &found->second;
      const size_t dot = path.rfind('.');
      if (dot == std::string::npos) return nullptr;
      path.resize(dot);
    }
  }

 private:
  std::map<std::string, size_t> leaves_;
};

void add_kernels(std::vector<LayerReport>& layers, const LeafIndex& leaves, const LoweredGraph& lowered) {
  for (size_t k = 0; k < lowered.schedule.kernels.size(); ++k) {
    const ScheduledKernel& kernel = lowered.schedule.kernels[k];
    const bool reason_per_node = kernel.reasons.size() == kernel.nodes.size();
    std::map<size_t, size_t> notes;  // layer to its note of this kernel
    bool first = true;
    for (size_t n = 0; n < kernel.nodes.size(); ++n) {
      const size_t* layer = leaves.find(lowered.graph->node(kernel.nodes[n]).origin.path);
      if (!layer) continue;
      const auto [note, added] = notes.try_emplace(*layer, layers[*layer].kernels.size());
      if (added) layers[*layer].kernels.push_back({kernel.label, fmt::format("{}#{}", first ? "" : "in ", k), {}});
      first = false;
      if (reason_per_node) layers[*layer].kernels[note->second].reasons.push_back(kernel.reasons[n]);
    }
  }
}

std::vector<ConversionNote> conversions(const Schedule& schedule) {
  std::vector<ConversionNote> notes;
  for (const ScheduledKernel& kernel : schedule.kernels)
    if (kernel.converts) notes.push_back({kernel.label, kernel.reasons.front(), kernel.bytes});
  return notes;
}

void add_convolutions(std::vector<LayerReport>& layers, const LeafIndex& leaves, const Compilation& c) {
  for (const WinogradDecision& decision : c.winograd)
    if (const size_t* layer = leaves.find(decision.path))
      (decision.gradient ? layers[*layer].data_gradients : layers[*layer].convolutions).push_back(decision.choice);
  for (const auto& [path, choice] : c.winograd_gradients)
    if (const size_t* layer = leaves.find(path)) layers[*layer].weight_gradients.push_back({choice.winograd, choice.reason});
}

std::vector<LayerReport> layer_reports(const Project& project, const ElaboratedNetwork& network) {
  std::vector<LayerReport> reports;
  for (const LayerRow& row : layer_table(network)) {
    const LayerNode& layer = network.layers[static_cast<size_t>(row.layer)];
    LayerReport report;
    report.path = layer.path;
    report.kind = word_of(layer.kind);
    report.text = layer.text.empty() ? layer.name : layer.text;
    report.depth = row.depth;
    report.leaf = layer.kind == LayerNode::Kind::layer;
    report.output = layer.output;
    report.parameters = row.parameters;
    report.flops = row.flops;
    report.field = row.field;
    const Span span = layer.origin.span;
    if (span.valid())
      report.source = fmt::format("{}:{}", project.sources().file(span.file).path,
                                  project.sources().position(span.file, span.begin).line);
    reports.push_back(std::move(report));
  }
  return reports;
}

TileReport count_tiles(const Compilation& c, const std::set<int32_t>& kernels) {
  std::map<std::string, bool> products;  // by key, whether it is measured
  for (const int32_t kernel : kernels)
    if (const auto product = product_of(c.plan.kernels.bodies[static_cast<size_t>(kernel)], c.target))
      products[product->key] = product->tile_measured;
  TileReport report{static_cast<int64_t>(products.size()), 0};
  for (const auto& [key, measured] : products) report.measured += measured ? 1 : 0;
  return report;
}

}  // namespace

NetworkReport explain_network(Project& project, const NetworkRequest& request, int64_t batch, bool train,
                              const CompileSettings& settings) {
  NetworkRequest structure = request;
  structure.without_loss = true;
  const ElaboratedNetwork inference = elaborate_network(project, request, Purpose::predict, 1);
  // An ensemble has no training of its own, its members have.
  const ElaboratedNetwork training = inference.members.empty() ? elaborate_network(project, structure, Purpose::train, 1) : inference;
  DiagnosticSink sink;
  const std::optional<Recipe> recipe = train ? resolve_recipe(project, request.reference, sink) : std::nullopt;
  const Compilation c = train ? plan_training(project, request, recipe ? &*recipe : nullptr, batch, settings)
                              : plan_inference(project, request, batch, settings);

  NetworkReport report;
  report.name = training.name;
  report.reference = training.reference;
  report.train = train;
  report.batch = batch;
  report.parameters = parameter_count(training);
  report.parameters_inference = parameter_count(inference);
  report.parameters_frozen = frozen_count(training);
  report.flops = forward_flops(inference.graph);
  report.memory = planned_bytes(c, settings.threads);
  report.loss_scale = c.loss_scale;
  report.recomputation = c.recomputation;
  for (const RecomputedValue& value : c.recomputation.budgeted)
    report.recomputation_seconds += machine_model(c.target).seconds(value.flops, value.moved_bytes);
  const EntryPoint& entry = *c.plan.program.find_entry(train ? "step" : "predict");
  const MachineModel machine = machine_model(c.target);
  for (int threads : {4, 16, 64}) report.scaling.push_back(scaling(entry, machine, threads));
  for (const NarrowLaunch& narrow : narrow_launches(entry, machine, 16, 0.001)) {
    const Launch& launch = entry.launches[narrow.launch];
    report.narrow.push_back({launch.label, launch.tasks, narrow.lost});
  }
  std::set<int32_t> kernels;
  std::set<int32_t> streams;
  for (const Launch& launch : entry.launches) {
    kernels.insert(launch.kernel);
    streams.insert(launch.stream);
    report.waits += static_cast<int64_t>(launch.waits.size());
  }
  report.streams = static_cast<int64_t>(streams.size());
  report.kernels = static_cast<int64_t>(kernels.size());
  if (is_cuda(c.target)) report.tiles = count_tiles(c, kernels);
  report.launches = static_cast<int64_t>(entry.launches.size());
  for (const InputInfo& input : inference.inputs)
    report.inputs.push_back({input.name, std::string(name_of(input.dtype)), input.shape});
  for (const GraphOutput& output : inference.outputs) {
    const TensorType& type = inference.graph.type(output.value);
    report.outputs.push_back({output.name, std::string(name_of(type.dtype)), {type.shape.begin() + 1, type.shape.end()}});
  }
  report.layers = layer_reports(project, training);
  const LeafIndex leaves(training);
  for (const LoweredGraph& lowered : c.plan.graphs) {
    if (lowered.graph != c.lowered.front().get()) continue;
    add_kernels(report.layers, leaves, lowered);
    report.conversions = conversions(lowered.schedule);  // the optimizer, over flat slabs, has none
  }
  add_convolutions(report.layers, leaves, c);
  return report;
}

}  // namespace netc
