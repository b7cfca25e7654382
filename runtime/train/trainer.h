// The training loop: epochs of shuffled, augmented batches through the program's entries "grad" and "apply", an evaluation
// after each epoch, checkpoints, a log, and a clean stop.
//
//   TrainJob job{.recipe = recipe, .train = *train, .test = test.get(), .model = info};
//   TrainOptions options{.checkpoint_folder = "runs/a", .log_path = "run.jsonl"};
//   TrainResult result = train(context, job, options, pool);
//
// Guarantees: the bits of a training are a function of the program, the recipe with its seed, and the data,
// not of threads or of interruptions. Whenever the process dies, the folder holds the last checkpoint
// whole, and resuming from it ends in the same bytes as a run that was never interrupted. Checkpoints are written on a
// thread of their own (checkpoint_writer.h). A training that diverges ends with RuntimeError E0914 before the weights
// change, and leaves the checkpoints alone (finite.h).
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>

#include "compiler/base/recipe.h"
#include "runtime/context.h"
#include "runtime/data/dataset.h"
#include "runtime/train/checkpoint.h"
#include "runtime/train/evaluate.h"
#include "runtime/train/finite.h"

namespace netc {

struct TrainJob {
  const Recipe& recipe;
  const Dataset& train;
  const Dataset* test = nullptr;  // null: no evaluation, the best epoch is the one of least training loss
  ModelInfo model;
};

// A report after a step, which is one update of the weights, from one batch or several.
struct StepReport {
  int64_t epoch = 0, epochs = 0;            // from 1
  int64_t step = 0, steps = 0;              // done, of the whole training
  int64_t epoch_step = 0, epoch_steps = 0;  // done, of this epoch
  double loss = 0;                          // of its batches
  double epoch_loss = 0;                    // mean of the epoch so far
  double learning_rate = 0;
  std::optional<LossScale> loss_scale;
  double images_per_second = 0;  // lately, evaluations apart
  double eta_seconds = 0;        // of the whole training's steps
};

// A report after an epoch.
struct EpochReport {
  int64_t epoch = 0, epochs = 0, step = 0;
  double train_loss = 0;
  std::optional<double> train_accuracy;
  std::optional<EvalResult> test;
  bool best = false;
  double seconds = 0;  // in this process, the evaluation included
};

// What stochastic weight averaging leaves at the end of a training.
struct AverageReport {
  int64_t models = 0;              // sets of weights in the mean
  std::optional<EvalResult> test;  // of the mean
};

struct TrainOptions {
  std::string checkpoint_folder;  // for last.safetensors and best.safetensors; empty: none are written
  int64_t checkpoint_every = 0;   // steps between checkpoints within an epoch; 0: only after each epoch
  int64_t keep = 1;               // checkpoints, the last one included
  std::string resume;             // a checkpoint to go on from; empty: from the context's state
  std::optional<TrainingProgress> start;  // where the context's state stands, without `resume`
  TrainingProgress* reached = nullptr;    // where the state stands after each step and epoch, also if an exception ends the training
  std::string log_path;           // empty: none
  bool watch = false;             // tables, curves and events into the folder too (run_watch.h)
  int64_t log_every = 50;         // steps
  int64_t max_steps = 0;          // stop after so many steps of the whole training, and the evaluation of an epoch that they end; 0: no bound
  const std::atomic<bool>* stop = nullptr;  // asked after each step; true: save and return
  std::function<void(const StepReport&)> on_step;
  std::function<void(const EpochReport&)> on_epoch;
  std::function<void(const AverageReport&)> on_average;  // at the end, with stochastic weight averaging
  std::function<void(int64_t done, int64_t samples)> on_evaluate;
  FiniteOptions finite;
};

struct TrainResult {
  int64_t step = 0, epochs = 0;  // done
  bool stopped = false;
  bool gave_up = false;            // early stopping ended it
  TrainingProgress progress;       // what a checkpoint of this moment records
  std::optional<EvalResult> test;  // of the last epoch that ended in this process, or of the averaged weights after it
  std::optional<AverageReport> average;
  std::optional<double> best;      // top-1 share of the best epoch; without test data minus its training loss
  std::string last_path, best_path;
};

// REQUIRES: the state is initialised, or options.resume is set. The inputs of the entry "grad" are "image" [N, C, H, W],
// "label" i64 [N] and, where the recipe augments, "affine" f32 [N, 2, 3] and the like; its outputs "loss", the mean over
// the batch, and optionally "correct", a count. "apply" updates the weights; the outputs of one that scales gradients are those of
// passes/loss_scale.h. Where the recipe accumulates, there is an entry
// "accumulate" like "grad", for all batches of a step but its last; where it averages weights, there are those of
// weight_average.h. THROWS RuntimeError: E0601 to E0606 (checkpoints), E0706 (too
// few samples), E0710 (data of another format), E0914 to E0916 (something is not finite), E0917.
TrainResult train(Context& context, const TrainJob& job, const TrainOptions& options, Executor& executor);

// Which training this is, for save_checkpoint and restore_training.
TrainingId training_id(const Context& context, const TrainJob& job);

}  // namespace netc
