#include "compiler/api/model.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "compiler/api/inner_networks.h"
#include "compiler/base/random.h"
#include "runtime/context.h"
#include "runtime/cpu/load.h"
#include "runtime/cuda/load.h"
#include "runtime/cuda_emulation/load.h"
#include "runtime/data/find_files.h"
#include "runtime/initialize.h"
#include "runtime/train/checksum.h"

namespace netc {
namespace {

NamesMap find_names(Project& project, const std::string& reference) {
  DiagnosticSink sink;
  std::optional<NamesMap> map = resolve_names_map(project, reference, sink);
  if (!map) throw CompileError(sink.all());
  return *std::move(map);
}

// The GPU for code of this architecture. THROWS RuntimeError E0935.
std::shared_ptr<CudaDevice> gpu_of(const Target& target) {
  std::string reason;
  std::shared_ptr<CudaDevice> gpu = find_cuda_device(reason);
  if (!gpu) throw RuntimeError("E0935", "no GPU to run on: " + reason, "--device cpu; `netc devices` lists what there is");
  const std::string& fits = gpu->info().architecture();
  if (fits != target.cpu)
    throw RuntimeError("E0935", gpu->info().name + " does not run code for " + target.cpu, "--device cuda:" + fits);
  return gpu;
}

}  // namespace

Model load_model(Compilation compilation, int threads) {
  require_runnable(compilation.target);
  const bool on_gpu = compilation.target.kind == TargetKind::cuda;
  std::shared_ptr<CudaDevice> gpu = on_gpu ? gpu_of(compilation.target) : nullptr;  // before anything is compiled
  generate(compilation, threads);
  Model model{std::move(compilation), nullptr, nullptr};
  const Program& program = model.compilation.plan.program;
  switch (model.compilation.target.kind) {
    case TargetKind::cpu: model.executable = load_on_cpu(program); break;
    case TargetKind::cuda:
      model.executable = load_on_cuda(program, model.compilation.device_kernels, std::move(gpu));
      break;
    case TargetKind::cuda_emulation: model.executable = load_cuda_emulation(program); break;
  }
  model.state = model.executable->make_state();
  return model;
}

void prepare(Model& model, Executor& executor) {
  if (!model.executable->program().find_entry("prepare")) return;
  Context(*model.executable, model.state).run("prepare", {}, {}, {}, executor);
}

std::function<std::string(const std::string&)> mapped_names(Project& project, const std::string& names) {
  if (names.empty()) return {};
  return [map = find_names(project, names)](const std::string& path) { return map_name(map, path).value_or(path); };
}

ModelInfo load_weights_into(Model& model, const std::string& path, const std::string& names, Project& project,
                            Executor& executor) {
  if (path.empty() && !model.compilation.network.members.empty()) return load_member_weights(model, project, executor);
  const std::unique_ptr<TensorFile> file = open_tensor_file(path);
  const LoadWeightsOptions options{.file_name = mapped_names(project, names)};
  load_weights(*model.state, *file, options);
  prepare(model, executor);
  return read_model_info(*file);
}

LoadWeightsOptions weights_options(const WeightsSpec& weights, Project& project) {
  LoadWeightsOptions options{.file_name = mapped_names(project, weights.names)};
  options.except = [&weights](const std::string& path) {
    return std::any_of(weights.except.begin(), weights.except.end(),
                       [&](const std::string& glob) { return glob_matches(glob, path); });
  };
  options.strict = weights.strict;
  options.of_recipe = true;
  return options;
}

LoadReport load_initial_weights(State& state, const WeightsSpec& weights, const std::string& inner, Project& project) {
  const std::unique_ptr<TensorFile> file = open_tensor_file(resolve_path(weights.base_dir, weights.path));
  require_undamaged(*file);
  return load_selected(state, *file, weights_options(weights, project), [&](const StateSlot& slot) {
    const bool own = inner.empty() || !slot.path.starts_with(inner);
    return own && (slot.kind == StateKind::parameter || slot.kind == StateKind::buffer);
  });
}

void randomize_weights(Model& model, uint64_t seed, Executor& executor) {
  initialize(*model.state, seed, executor);
  prepare(model, executor);
}

void perturb_weights(Model& model, double noise, uint64_t seed, Executor& executor) {
  const InitSpec normal{InitSpec::Kind::normal, 0, 1};
  for (const StateSlot& slot : model.state->slots()) {
    if (slot.kind != StateKind::parameter) continue;
    std::vector<std::byte> bytes = model.state->read(slot);
    auto* weights = reinterpret_cast<float*>(bytes.data());
    const uint32_t path = path_key(slot.path);
    for (size_t i = 0; i < bytes.size() / sizeof(float); ++i)
      weights[i] *= static_cast<float>(1 + noise * initial_value(normal, seed, path, i));
    model.state->write(slot, bytes);
  }
  prepare(model, executor);
}

ModelInfo model_info(const ElaboratedNetwork& network) {
  ModelInfo info;
  info.network = network.reference;
  info.class_names = network.class_names;
  if (network.dataset) info.preprocess = network.dataset->preprocess;
  if (!network.inputs.empty()) {
    info.mean = network.inputs[0].mean;
    info.std = network.inputs[0].std;
  }
  return info;
}

}  // namespace netc
