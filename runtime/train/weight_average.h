// Stochastic weight averaging while a training runs: the mean of the weights of several steps, and at the end the running
// statistics of batch norm that belong to it, which no step has computed.
//
//   WeightAverage average(program, *recipe.optimizer.swa, length);
//   average.after_step(step, context, executor);                      // of each update; `step`: how many are done
//   average.recalibrate(context, source, runs, batches, scalars);      // at the end
//   const AveragedWeights weights(state, kAveragePrefix);             // to evaluate and to save
//
// The means are computed by the program's entries "average" and "recalibrate" (compiler/passes/average.h) and lie in its
// state, so checkpoints hold them. How many models are in the mean follows from the step.
#pragma once

#include <atomic>
#include <optional>

#include "runtime/train/batch_runs.h"
#include "runtime/train/entry_io.h"
#include "runtime/train/schedule.h"

namespace netc {

inline const std::string kAveragePrefix = "swa/";  // of the mean of a parameter, and of the buffer that belongs to it

class WeightAverage {
 public:
  // THROWS RuntimeError E0917 if averaging begins after `length`.
  WeightAverage(const Program& program, const SwaSpec& spec, const TrainingLength& length);

  int64_t models(int64_t step) const { return averaged_models(spec_, step, length_); }

  // Adds the weights to the mean, if they are those of a step that counts.
  void after_step(int64_t step, Context& context, Executor& executor);

  // The statistics of each batch with the averaged weights, and their mean: `batches` from `source`, which was started.
  // Weights and running statistics of the training stay as they are. false: `stop` was set, nothing is complete.
  bool recalibrate(Context& context, BatchSource& source, BatchRuns& runs, int64_t batches, RuntimeScalars scalars,
                   const std::atomic<bool>* stop);

 private:
  SwaSpec spec_;
  TrainingLength length_;
  EntryIo average_;
  std::optional<EntryIo> recalibrate_;  // a network without buffers has none
};

}  // namespace netc
