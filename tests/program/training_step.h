// Compiled training steps and what they have to compute: two steps of SGD in double precision, by the interpreter.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compiler/backend/cpu/cpu_backend.h"
#include "compiler/interpret/interpret.h"
#include "compiler/ir/winograd.h"
#include "compiler/lower/build_program.h"
#include "compiler/passes/update.h"
#include "runtime/executable.h"

namespace netc {

struct StepOptions {
  FuseOptions fuse = {};
  Target target = host_target();
  Precision precision = Precision::f32;
  std::optional<Winograd> winograd = {};  // how convolutions and data gradients are done for which there is a form
  bool least_memory = false;  // as many values recomputed as the smallest plan needs
  bool restores = false;      // whatever the backward pass can write again is not kept
  int64_t parts = 1;          // of weight gradients, at most
  LossScaleSpec loss_scale{.initial = 1024};  // in f16
};

// A training program with the entry `step`.
class CompiledStep {
 public:
  CompiledStep(const Graph& network, const StepOptions& options);

  // Runs two steps from the given state; returns the state's bytes.
  std::vector<std::byte> run(const InterpretInputs& inputs, int threads, float& loss) const;
  // States and inputs to begin with, drawn from the seed; the loss scale's are the first ones.
  InterpretInputs draw(uint64_t seed) const;

  const Graph& grad() const { return grad_; }  // with its casts: what the step has to compute
  Precision precision() const { return precision_; }
  const StateLayout& layout() const { return layout_; }
  int with_sums = 0;      // kernels that take sums in an epilogue
  int in_tiles = 0;       // Winograd's
  size_t recomputed = 0;  // values, for least_memory
  size_t restored = 0;    // values, for restores
  int64_t arena_bytes = 0;

 private:
  Precision precision_;
  OptimizerSpec optimizer_;
  Graph grad_;
  StateLayout layout_;
  std::unique_ptr<Executable> executable_;
};

// Compares two steps with the reference (step_tolerance), and the state's bytes at several numbers of threads.
// Returns the bytes at one.
std::vector<std::byte> check_step(const CompiledStep& compiled, uint64_t seed);

}  // namespace netc
