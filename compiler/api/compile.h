// The compiler's table of contents: from a network's name to a Program, stage by stage.
//
//   Source → Ast → Graph → Graph(+gradients, +update) → Graph(rewritten) → Schedule → Kernels → Program
//
//   Compilation c = plan_training(project, request, &recipe, 128, settings);   // everything but machine code
//   generate(c, threads);                                                      // c.plan.program has its objects
//
// A Compilation keeps every stage, because `netc explain` and `netc emit` show them.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compiler/api/front_end.h"
#include "compiler/base/device_kernel.h"
#include "compiler/base/target.h"
#include "compiler/cache/object_cache.h"
#include "compiler/lower/build_program.h"
#include "compiler/lower/rematerialise.h"
#include "compiler/passes/winograd.h"
#include "compiler/passes/winograd_gradient.h"

namespace netc {

struct CompileSettings {
  std::string device = "cpu";
  std::string precision;     // "f32", "tf32", "bf16" or "f16"; empty: as the recipe says, f32 without one
  std::string cpu = "host";  // the processor: "x86-64", "x86-64-v3", "znver5"
  CacheSettings cache;       // of compiled kernels; as it is here: none
  LayoutOptions layouts{};
  bool winograd = true;
  int64_t budget = 0;   // of all memory that is planned, in bytes; 0: no limit
  int threads = 0;      // that a budget counts workspace for; 0: one per processor
  // Of a GPU's products (lower/cuda_tiles.h); nullopt: for "cuda" those that the cache remembers
  // (tuned_tiles.h), else the cost model's.
  std::optional<std::string> tiles{};
};

struct StageSeconds {
  double front = 0;   // parse and elaborate
  double middle = 0;  // differentiate, passes, fusion, memory plan
  double back = 0;    // machine code
  double total() const { return front + middle + back; }
};

// Where the kernels' machine code came from.
struct CodeOrigin {
  bool cached = false;                          // there is a cache
  int64_t from_cache = 0;                       // kernels that were found in it
  std::array<int64_t, kMissReasons> misses{};   // kernels that were compiled, by why they were not found
  std::vector<std::string> warnings;            // what went wrong with the cache, for the user
  int64_t compiled() const;
};

// Training: what the backward pass computes anew instead of reading it.
struct Recomputation {
  std::vector<RecomputedValue> restored;  // written again by kernels of the backward pass, for a store
  std::vector<RecomputedValue> free;      // kernels that read its operands anyway
  std::vector<RecomputedValue> budgeted;  // because of CompileSettings::budget
  int64_t kept_bytes = 0;                 // memory of all kinds that the plan without `budgeted` needs; 0: as it is
};

struct Compilation {
  Target target;  // its tiles are of this plan's products only
  PrecisionSpec precision;
  std::optional<LossScaleSpec> loss_scale;       // training: where a layer is in f16
  CacheSettings cache;
  ElaboratedNetwork network;                     // for the purpose asked for
  std::optional<ElaboratedNetwork> evaluation;   // training: the same network for its entry "eval"
  std::optional<Graph> gradient;                 // training: with gradients, before the passes
  std::vector<std::unique_ptr<Graph>> lowered;   // after the passes; `plan` points to them
  ProgramPlan plan;
  std::vector<DeviceKernel> device_kernels;  // a GPU's, after generate; as many as plan.kernels
  Recomputation recomputation;
  std::vector<WinogradDecision> winograd;  // how each convolution and data gradient is done, and why
  std::vector<DType> probed;               // probe: the types to which the layers' values are rounded
  std::vector<WinogradGradientGraph::Decision> winograd_gradients;  // how each weight gradient is done, and why
  CodeOrigin origin;  // after generate
  StageSeconds seconds;
};

// Without tiles. THROWS RuntimeError E0901 for an unknown processor, E0922 for a device that this build has
// not.
Target target_of(const CompileSettings& settings);
// THROWS RuntimeError E0903 if this machine cannot run code for the target.
void require_runnable(const Target& target);
// What the settings ask for, else the recipe (may be null). THROWS RuntimeError E0923 for a precision that there is not.
PrecisionSpec precision_of(const CompileSettings& settings, const Recipe* recipe);

// Entries "predict" and, where weights have to be prepared for it, "prepare". THROWS CompileError, as all three, and
// RuntimeError E0929 if the plan needs more than the budget.
Compilation plan_inference(Project& project, const NetworkRequest& request, int64_t batch,
                           const CompileSettings& settings);
// The same of a network that was elaborated for prediction, with outputs that were added to it (layer_values.h).
Compilation plan_inference(Project& project, ElaboratedNetwork network, const CompileSettings& settings);
// Entry "eval" with the loss of a recipe; where `request` is augmented, its output is "probabilities".
Compilation plan_evaluation(Project& project, const NetworkRequest& request, const Recipe& recipe, int64_t batch,
                            const CompileSettings& settings);
// Entry "augment": what the network of a training gets of its input, as the output "seen".
Compilation plan_augmentation(Project& project, NetworkRequest request, const Recipe& recipe, int64_t samples,
                              const CompileSettings& settings);
// Entries "eval", "grad", "apply" and "step"; with stochastic weight averaging "average" and, where there are buffers,
// "recalibrate" (passes/average.h). Without a recipe: cross entropy, and SGD with momentum.
Compilation plan_training(Project& project, const NetworkRequest& request, const Recipe* recipe, int64_t batch,
                          const CompileSettings& settings);
// Entry "probe": a training's forward pass, its outputs "loss" and, for the i-th of layer_values(c.network), "layer/<i>",
// how many of the layer's values are not finite.
Compilation plan_probe(Project& project, const NetworkRequest& request, const Recipe& recipe, int64_t batch,
                       const CompileSettings& settings);

// Machine code for every kernel, from the cache or compiled on `threads` threads (0: one per processor).
void generate(Compilation& compilation, int threads);

// Bytes of scratch memory that a worker needs: kernels run one after the other.
int64_t workspace_bytes(const Compilation& compilation);

// The exact bytes that a Program plans, by what they are for.
struct PlannedBytes {
  int64_t weights = 0, buffers = 0, gradients = 0, optimizer = 0;
  int64_t prepared = 0;     // inference: weights with batch norm folded in, beside the original ones
  int64_t activations = 0;  // the arena
  int64_t workspace = 0;    // scratch of all threads
  int64_t total() const { return weights + buffers + gradients + optimizer + prepared + activations + workspace; }
};
PlannedBytes planned_bytes(const Compilation& compilation, int threads);

}  // namespace netc
