#include "compiler/api/compile.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>

#include "compiler/api/layer_values.h"
#include "compiler/api/tuned_tiles.h"
#include "compiler/backend/cpu/cpu_backend.h"
#include "compiler/backend/cuda/cuda_backend.h"
#include "compiler/base/error.h"
#include "compiler/lower/split_plan.h"
#include "compiler/lower/tasks.h"
#include "compiler/lower/winograd_gradient_plan.h"
#include "compiler/lower/winograd_plan.h"
#include "compiler/passes/average.h"
#include "compiler/passes/cast_precision.h"
#include "compiler/passes/count_non_finite.h"
#include "compiler/passes/differentiate.h"
#include "compiler/passes/fold_batch_norm.h"
#include "compiler/passes/hoist.h"
#include "compiler/passes/pipeline.h"
#include "compiler/passes/round_in_products.h"
#include "compiler/passes/split_sums.h"
#include "compiler/passes/update.h"
#include "compiler/sema/names_map.h"
#include "runtime/cuda/device.h"
#include "runtime/thread_pool.h"

namespace netc {
namespace {

// Adds the time since the last call to a stage.
class Stopwatch {
 public:
  void lap(double& seconds) {
    const auto now = std::chrono::steady_clock::now();
    seconds += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// The graph in mixed precision; itself in f32.
Graph with_precision(const Graph& graph, const PrecisionSpec& spec) {
  if (spec == PrecisionSpec{}) return graph;
  return cast_precision(graph, [&](const std::string& path) {
    Precision type = spec.type;
    for (const PrecisionSpec::Layers& layers : spec.layers)
      if (glob_matches(layers.pattern, path)) type = layers.type;
    return type;
  });
}

Graph optimize_for(const Target& target, const Graph& graph) {
  return is_cuda(target) ? round_in_products(optimize(graph)) : optimize(graph);
}

const Graph& keep(Compilation& c, Graph graph) {
  c.lowered.push_back(std::make_unique<Graph>(std::move(graph)));
  return *c.lowered.back();
}

// Blocks of 16 channels are the CPU's.
LayoutOptions layouts_for(const Target& target, const CompileSettings& settings) {
  return is_cuda(target) ? LayoutOptions{.images = ImageLayout::channels_last} : settings.layouts;
}

// The gradient's graph and what is said of it.
void take(Compilation& c, Rematerialisation r) {
  *c.lowered.front() = std::move(r.graph);
  c.recomputation.restored = std::move(r.restored);
  c.recomputation.free = std::move(r.free);
  c.recomputation.budgeted = std::move(r.limited);
}

ChooseWinograd winograd_chooser(const CompileSettings& settings, const LayoutOptions& layouts, const Target& target) {
  return [=](const Contraction& contraction, DType dtype, WeightTransforms weights) -> WinogradChoice {
    if (!settings.winograd) return {std::nullopt, "Winograd is off"};
    return choose_winograd(contraction, dtype, weights, layouts, target);
  };
}

WinogradGradientGraph with_winograd_gradients(const Graph& graph, const CompileSettings& settings, const LayoutOptions& layouts,
                                              const Target& target) {
  return use_winograd_gradients(graph, [&](const Contraction& weight_gradient, DType dtype) -> WinogradGradientChoice {
    if (!settings.winograd) return {std::nullopt, 1, "Winograd is off"};
    return choose_winograd_gradient(weight_gradient, dtype, layouts, target);
  });
}

// `least`: the bytes of the smallest plan that there is.
void check_budget(const Compilation& c, const CompileSettings& settings, int64_t least) {
  if (settings.budget == 0 || planned_bytes(c, settings.threads).total() <= settings.budget) return;
  constexpr int64_t kMiB = int64_t{1} << 20;
  const int64_t mib = (least + kMiB - 1) / kMiB;
  throw RuntimeError("E0929",
                     fmt::format("the budget of {} is too small: the plan that needs least takes {} MiB",
                                 settings.budget < kMiB ? fmt::format("{} KiB", settings.budget / 1024) : fmt::format("{} MiB", settings.budget / kMiB), mib),
                     fmt::format("--budget {}MiB, or a smaller batch", mib));
}

// Recomputes values of the gradient's graph, `kept`, until the whole plan is within the budget. `build` makes c.plan from c.lowered.
void fit_into_budget(Compilation& c, const Graph& kept, const CompileSettings& settings, const std::function<void()>& build) {
  const int64_t whole = planned_bytes(c, settings.threads).total();
  if (settings.budget == 0 || whole <= settings.budget) return;
  int64_t arena = 0;
  for (const LoweredGraph& lowered : c.plan.graphs)
    if (lowered.graph == c.lowered.front().get()) arena = lowered.memory.arena_bytes;
  // Other kernels may need more workspace, which counts too; hence more than one attempt.
  constexpr int kAttempts = 3;
  int64_t limit = arena - (whole - settings.budget), total = whole;
  for (int i = 0; i < kAttempts && total > settings.budget; ++i) {
    Rematerialisation r = rematerialise(
        kept, c.target, {.arena_limit = std::max<int64_t>(limit, 0), .fuse = {.layouts = layouts_for(c.target, settings)}});
    if (!r.within_limit) check_budget(c, settings, whole - (arena - r.least_bytes));
    take(c, std::move(r));
    c.recomputation.kept_bytes = whole;
    build();
    total = planned_bytes(c, settings.threads).total();
    limit -= total - settings.budget;
  }
  check_budget(c, settings, total);
}

// Before any stage: what is compiled for. One look into the cache says which tiles were measured on this
// machine's GPU.
Compilation begin(const CompileSettings& settings, const PrecisionSpec& precision) {
  Compilation c;
  c.target = target_of(settings);
  c.precision = precision;
  c.cache = settings.cache;
  if (is_cuda(c.target) && settings.tiles)
    c.target.features = *settings.tiles;
  else if (settings.device == "cuda")
    c.target.features = remembered_tiles(c.target, settings.cache, c.origin.warnings);
  return c;
}

// A plan's identity says the tiles that it has, and none of other networks. Equal ones are the same plan.
void drop_foreign_tiles(Compilation& c) {
  if (!is_cuda(c.target) || c.target.features.empty()) return;
  c.target.features = tiles_of(c.plan.kernels.bodies, c.target);
}

// One entry without training. Batch norm is folded into the layer before it (in f32, so that a weight is
// rounded once), and what depends on weights only is computed once, by the entry "prepare", after they are
// loaded.
Compilation plan_single(Project& project, Compilation c, ElaboratedNetwork network, const std::string& entry,
                        const CompileSettings& settings, Stopwatch& watch) {
  const Target& target = c.target;
  const PrecisionSpec& precision = c.precision;
  c.network = std::move(network);
  watch.lap(c.seconds.front);
  const LayoutOptions layouts = layouts_for(target, settings);
  WinogradGraph graph = use_winograd(optimize_for(target, with_precision(fold_batch_norm(c.network.graph), precision)), WeightTransforms::once,
                                     winograd_chooser(settings, layouts, target));
  c.winograd = std::move(graph.decisions);
  HoistedGraph hoisted = hoist_preparation(graph.graph);
  const bool prepares = !hoisted.prepare.nodes.empty();
  c.lowered.push_back(std::make_unique<Graph>(std::move(hoisted.main)));
  c.lowered.push_back(std::make_unique<Graph>(std::move(hoisted.prepare)));
  const Graph &main = *c.lowered[0], &prepare = *c.lowered[1];
  std::vector<EntrySpec> entries{{entry, {&main}}};
  if (prepares) entries.push_back({"prepare", {&prepare}});
  c.plan = build_program(entries, lay_out_state({&main}, nullptr, layouts), target, &project.sources(), {.layouts = layouts});
  check_budget(c, settings, planned_bytes(c, settings.threads).total());
  drop_foreign_tiles(c);
  watch.lap(c.seconds.middle);
  return c;
}

OptimizerSpec default_optimizer() {
  OptimizerSpec optimizer;
  optimizer.momentum = 0.9;
  return optimizer;
}

// The group of each parameter that is in one, from 1; 0 are all others.
std::map<std::string, int32_t> group_numbers(const Graph& graph, const std::vector<ParameterGroup>& groups) {
  std::map<std::string, int32_t> numbers;
  for (const StateVariable& state : graph.states) {
    if (state.kind != StateKind::parameter) continue;
    for (size_t i = 0; i < groups.size() && !numbers.count(state.path); ++i)
      if (groups[i].glob.empty() ? state.type.shape.size() == 1 : glob_matches(groups[i].glob, state.path))
        numbers[state.path] = static_cast<int32_t>(i) + 1;
  }
  return numbers;
}

UpdateShape update_shape(const StateLayout& state, const std::vector<ParameterGroup>& groups) {
  UpdateShape shape{state.slab_elements, state.buffer_elements, {}};
  for (size_t i = 0; i < state.group_begins.size(); ++i) {
    const ParameterGroup group = i == 0 ? ParameterGroup{} : groups[i - 1];
    shape.ranges.push_back({state.group_begins[i], group.rate, group.decay});
  }
  return shape;
}

constexpr const char* kLeastArchitecture = "sm_80";

// The GPU's, where there is one that netc can use.
std::string architecture_at_hand() {
  std::string reason;
  const std::shared_ptr<CudaDevice> gpu = find_cuda_device(reason);
  return gpu ? gpu->info().architecture() : kLeastArchitecture;
}

}  // namespace

Target target_of(const CompileSettings& settings) {
  const size_t colon = settings.device.find(':');
  const std::string device = settings.device.substr(0, colon);
  if (settings.device == "cpu") return target_named(settings.cpu);
  if (device != "cuda" && device != "cuda-emulation")
    throw RuntimeError("E0922", fmt::format("there is no device `{}`", settings.device), "--device cpu, cuda or cuda-emulation");
  const bool emulated = device == "cuda-emulation";
  Target target = cuda_target(colon != std::string::npos ? settings.device.substr(colon + 1)
                              : emulated                 ? kLeastArchitecture
                                                         : architecture_at_hand());
  if (emulated) target.kind = TargetKind::cuda_emulation;
  return target;
}

void require_runnable(const Target& target) {
  if (is_cuda(target)) return;  // load_model looks for the GPU
  const std::string missing = missing_features(target);
  if (!missing.empty())
    throw RuntimeError("E0903", fmt::format("this machine cannot run code for {}: it has no {}", target.cpu, missing),
                       "--cpu host; `netc emit` compiles for any processor");
}

PrecisionSpec precision_of(const CompileSettings& settings, const Recipe* recipe) {
  if (settings.precision.empty()) return recipe ? recipe->precision : PrecisionSpec{};
  const std::optional<Precision> type = precision_from_name(settings.precision);
  if (!type)
    throw RuntimeError("E0923", fmt::format("there is no precision `{}`: f32, tf32, bf16 and f16", settings.precision),
                       settings.precision == "half" || settings.precision == "float16" || settings.precision == "fp16" ? "--precision f16" : "--precision bf16");
  return {*type, {}};
}

Compilation plan_inference(Project& project, const NetworkRequest& request, int64_t batch,
                           const CompileSettings& settings) {
  Compilation c = begin(settings, precision_of(settings, nullptr));
  Stopwatch watch;
  return plan_single(project, std::move(c), elaborate_network(project, request, Purpose::predict, batch),
                     "predict", settings, watch);
}

Compilation plan_inference(Project& project, ElaboratedNetwork network, const CompileSettings& settings) {
  Compilation c = begin(settings, precision_of(settings, nullptr));
  Stopwatch watch;
  return plan_single(project, std::move(c), std::move(network), "predict", settings, watch);
}

Compilation plan_evaluation(Project& project, const NetworkRequest& request, const Recipe& recipe, int64_t batch,
                            const CompileSettings& settings) {
  Compilation c = begin(settings, precision_of(settings, &recipe));
  Stopwatch watch;
  return plan_single(project, std::move(c), elaborate_network(project, request, recipe, Purpose::eval, batch),
                     "eval", settings, watch);
}

Compilation plan_augmentation(Project& project, NetworkRequest request, const Recipe& recipe, int64_t samples,
                              const CompileSettings& settings) {
  Compilation c = begin(settings, PrecisionSpec{});
  Stopwatch watch;
  request.input_only = true;
  return plan_single(project, std::move(c),
                     elaborate_network(project, request, recipe, Purpose::train, samples), "augment",
                     settings, watch);
}

Compilation plan_training(Project& project, const NetworkRequest& request, const Recipe* recipe, int64_t batch,
                          const CompileSettings& settings) {
  Compilation c = begin(settings, precision_of(settings, recipe));
  Stopwatch watch;
  const auto elaborate_for = [&](Purpose purpose) {
    return recipe ? elaborate_network(project, request, *recipe, purpose, batch)
                  : elaborate_network(project, request, purpose, batch);
  };
  c.network = elaborate_for(Purpose::train);
  c.evaluation = elaborate_for(Purpose::eval);
  watch.lap(c.seconds.front);

  OptimizerSpec optimizer = recipe ? recipe->optimizer : default_optimizer();
  if (c.precision.uses(Precision::f16)) optimizer.loss_scale = recipe ? recipe->loss_scale : LossScaleSpec{};
  c.loss_scale = optimizer.loss_scale;
  c.gradient = differentiate(c.network.graph, "loss", optimizer.loss_scale);
  const LayoutOptions layouts = layouts_for(c.target, settings);
  Graph direct_grad = optimize_for(c.target, with_precision(*c.gradient, c.precision));
  if (!is_cuda(c.target)) {
    WinogradGradientGraph weights = with_winograd_gradients(direct_grad, settings, layouts, c.target);
    c.winograd_gradients = std::move(weights.decisions);
    direct_grad = split_sums(weights.graph, [&](const Contraction& contraction, DType dtype) {
      return choose_parts(contraction, dtype, layouts, c.target);
    });
  }
  const Graph direct_eval = optimize_for(c.target, with_precision(c.evaluation->graph, c.precision));
  const std::vector<ParameterGroup> groups = recipe ? recipe->groups : std::vector<ParameterGroup>{};
  // Weights lie as a direct convolution reads them: what they are transformed to is not kept.
  const StateLayout state = lay_out_state({&direct_grad, &direct_eval}, &optimizer, layouts, group_numbers(direct_grad, groups));
  const ChooseWinograd choose = winograd_chooser(settings, layouts, c.target);
  WinogradGraph gradient = use_winograd(direct_grad, WeightTransforms::each_run, choose);
  c.winograd = std::move(gradient.decisions);
  const Graph kept = gradient.graph;
  const Graph& grad = keep(c, std::move(gradient.graph));
  const Graph& eval = keep(c, use_winograd(direct_eval, WeightTransforms::each_run, choose).graph);
  const Graph& apply = keep(c, optimize(make_update(optimizer, update_shape(state, groups))));
  const Graph* accumulation =
      optimizer.accumulate > 1 ? &keep(c, optimize(make_accumulation(state.slab_elements))) : nullptr;
  std::vector<EntrySpec> averaging;
  if (optimizer.swa) {
    averaging.push_back({"average", {&keep(c, optimize(make_average(state.slab_elements)))}});
    if (state.buffer_elements > 0) {
      const Graph& forward = keep(c, use_winograd(optimize(with_precision(batch_statistics(c.network.graph), c.precision)), WeightTransforms::each_run, choose).graph);
      averaging.push_back({"recalibrate", {&forward, &keep(c, optimize(make_buffer_average(state.buffer_elements)))}});
    }
  }
  take(c, rematerialise(kept, c.target, {.fuse = {.layouts = layouts}}));
  const auto build = [&] {
    std::vector<EntrySpec> entries{{"eval", {&eval}}, {"grad", {&grad}}, {"apply", {&apply}}, {"step", {&grad, &apply}}};
    if (accumulation) entries.push_back({"accumulate", {&grad, accumulation}});
    entries.insert(entries.end(), averaging.begin(), averaging.end());
    c.plan = build_program(entries, state, c.target, &project.sources(), {.layouts = layouts});
  };
  build();
  fit_into_budget(c, kept, settings, build);
  drop_foreign_tiles(c);
  watch.lap(c.seconds.middle);
  return c;
}

Compilation plan_probe(Project& project, const NetworkRequest& request, const Recipe& recipe, int64_t batch,
                       const CompileSettings& settings) {
  Compilation c = begin(settings, precision_of(settings, &recipe));
  c.network = elaborate_network(project, request, recipe, Purpose::train, batch);
  const std::string prefix = "layer/";
  expose(c.network, layer_values(c.network), prefix);
  CountedGraph counted = count_non_finite(with_precision(c.network.graph, c.precision), prefix);
  c.probed = std::move(counted.rounded_to);
  const Graph& graph = keep(c, optimize_for(c.target, counted.graph));
  const LayoutOptions layouts = layouts_for(c.target, settings);
  c.plan = build_program({{"probe", {&graph}}}, lay_out_state({&graph}, nullptr, layouts), c.target, &project.sources(), {.layouts = layouts});
  drop_foreign_tiles(c);
  return c;
}

int64_t workspace_bytes(const Compilation& c) {
  int64_t bytes = 0;
  if (is_cuda(c.target)) return bytes;  // a GPU's blocks have shared memory
  for (const KernelBody& body : c.plan.kernels.bodies) bytes = std::max(bytes, scratch_bytes(body, c.target));
  return bytes;
}

PlannedBytes planned_bytes(const Compilation& c, int threads) {
  const Program& program = c.plan.program;
  PlannedBytes bytes;
  for (size_t i = 0; i < program.state.size(); ++i) {
    // Alignment gaps count with the slot before them, so that the sum is what is allocated.
    const int64_t next = i + 1 < program.state.size() ? program.state[i + 1].offset : program.state_bytes;
    const int64_t size = next - program.state[i].offset;
    switch (program.state[i].kind) {
      case StateKind::parameter: bytes.weights += size; break;
      case StateKind::buffer: bytes.buffers += size; break;
      case StateKind::prepared: bytes.prepared += size; break;
      case StateKind::gradient: bytes.gradients += size; break;
      case StateKind::moment: bytes.optimizer += size; break;
    }
  }
  for (const EntryPoint& entry : program.entries) bytes.activations = std::max(bytes.activations, entry.arena_bytes);
  bytes.workspace = workspace_bytes(c) * (threads > 0 ? threads : available_processors());
  return bytes;
}

}  // namespace netc
