// A compiled network that can run: machine code loaded, one state, an executor to run with.
//
//   Model model = load_model(plan_inference(project, request, 8, settings), pool);
//   load_weights_into(model, "best.safetensors", "", project, pool);   // or: randomize_weights(model, seed, pool)
//   Context context(*model.executable, model.state);
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "compiler/api/compile.h"
#include "runtime/executable.h"
#include "runtime/executor.h"
#include "runtime/state.h"
#include "runtime/train/checkpoint.h"

namespace netc {

struct Model {
  Compilation compilation;
  std::unique_ptr<Executable> executable;
  std::shared_ptr<State> state;
};

// Generates machine code, on `threads` threads, and loads it. The state is zero. THROWS RuntimeError E0903 for a target
// that this machine has not.
Model load_model(Compilation compilation, int threads);

// Computes once what depends on the weights and on constants only. Whatever writes weights below has done it; a network
// that runs without any needs the call.
void prepare(Model& model, Executor& executor);

// The name in a file of each path of a network, by a map ("std.names:torchvision_resnet"); a path that no rule matches keeps
// its own. Empty for the empty name. THROWS CompileError.
std::function<std::string(const std::string& path)> mapped_names(Project& project, const std::string& names);

// Weights of a file (runtime/data/tensor_file.h) or a checkpoint; `names` is a map ("std.names:torchvision_resnet") or
// empty. Without a path an ensemble's members take their own weights. Gives what the file says of the model. THROWS
// RuntimeError E0601 to E0610, CompileError for the map.
ModelInfo load_weights_into(Model& model, const std::string& path, const std::string& names, Project& project,
                            Executor& executor);

// What `load(...)` says of names, exceptions and strictness; `weights` must outlive it. THROWS CompileError for the map.
LoadWeightsOptions weights_options(const WeightsSpec& weights, Project& project);

// A recipe's `weights = load(...)`; not for paths that begin with `inner`, if it is not empty.
// THROWS RuntimeError E0601 to E0609, CompileError for the map.
LoadReport load_initial_weights(State& state, const WeightsSpec& weights, const std::string& inner, Project& project);

// The initialisers' weights, from a seed.
void randomize_weights(Model& model, uint64_t seed, Executor& executor);

// Multiplies every weight by 1 + noise * z, z standard normal and drawn from the seed: an error relative to the weight, as
// rounding to fewer bits makes it.
void perturb_weights(Model& model, double noise, uint64_t seed, Executor& executor);

// What a checkpoint of this network records.
ModelInfo model_info(const ElaboratedNetwork& network);

}  // namespace netc
