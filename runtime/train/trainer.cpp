#include "runtime/train/trainer.h"

#include <algorithm>
#include <chrono>

#include "compiler/base/error.h"
#include "runtime/train/batch_runs.h"
#include "runtime/train/averaged_weights.h"
#include "runtime/train/checkpoint_writer.h"
#include "runtime/train/entry_io.h"
#include "runtime/train/run_watch.h"
#include "runtime/train/schedule.h"
#include "runtime/train/train_log.h"
#include "runtime/train/weight_average.h"

namespace netc {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Training {
 public:
  Training(Context& context, const TrainJob& job, const TrainOptions& options, Executor& executor)
      : context_(context),
        job_(job),
        options_(options),
        executor_(executor),
        step_(context.program(), "grad"),
        apply_(context.program(), "apply"),
        batch_(step_.require_images(job.train)),
        batches_(job.recipe.optimizer.accumulate),
        length_{steps_per_epoch(job.recipe, job.train.count()), job.recipe.epochs},
        id_(training_id(context, job)),
        guard_(context.state(), job.recipe, options.finite),
        source_([this](int64_t number, Batch& batch) { fill(number, batch); }),
        runs_(context, source_, executor) {
    if (batches_ > 1) accumulate_.emplace(context.program(), "accumulate");
    if (length_.steps_per_epoch == 0) refuse_few_samples();
    if (job.test) EntryIo(context.program(), "eval").require_images(*job.test, "the test data");  // now, not after an epoch
    const TensorType& image = step_.input("image").type;
    augmented_size(job.recipe.augment, {image.shape[2], image.shape[3]});  // refuses crops that do not fit
    const AugmentParts parts = parts_of(job.recipe.augment);
    NETC_CHECK((!parts.color || step_.has_input("color")) && (!parts.erase || step_.has_input("erase")) &&
                   (!parts.mix || step_.has_input("mix")),
               "the recipe augments, the program does not");
    if (job.recipe.optimizer.swa) average_.emplace(context.program(), *job.recipe.optimizer.swa, length_);
    open_files();
  }

  TrainResult run() {
    should_stop();  // it may have been asked before the first step
    // Each turn begins at a step boundary; all that it depends on is in the state and in progress_.
    while (!stopped_) {
      if (at_epoch_end() && !progress_.epoch_closed) {
        close_epoch();
        if (!stopped_ && !gives_up()) should_stop();
      }
      if (stopped_ || progress_.step >= length_.steps() || gives_up()) break;
      run_epoch();
    }
    if (stopped_) save_last();
    else if (average_) close_average();
    if (writer_) writer_->finish();
    result_.step = progress_.step;
    result_.epochs = progress_.step / length_.steps_per_epoch;
    result_.stopped = stopped_;
    result_.gave_up = !stopped_ && progress_.step < length_.steps();
    result_.progress = progress_;
    if (!result_.best) result_.best = progress_.best;
    return std::move(result_);
  }

 private:
  [[noreturn]] void refuse_few_samples() const {
    const int64_t samples = job_.train.count();
    const std::string step = batches_ == 1 ? "one batch of " + std::to_string(batch_)
                                           : "the " + std::to_string(batches_) + " batches of " + std::to_string(batch_) + " of a step";
    throw RuntimeError("E0706", "the training data are " + std::to_string(samples) + " samples, less than " + step,
                       "batch = " + std::to_string(std::max<int64_t>(samples / batches_, 1)));
  }

  // Early stopping: too many epochs have brought nothing better.
  bool gives_up() const {
    return job_.recipe.early_stop > 0 && progress_.epoch_closed && progress_.since_best >= job_.recipe.early_stop;
  }
  void arrive() const {
    if (options_.reached) *options_.reached = progress_;
  }
  bool at_epoch_end() const { return progress_.step > 0 && progress_.step % length_.steps_per_epoch == 0; }

  void open_files() {
    if (options_.start) progress_ = *options_.start;
    if (!options_.resume.empty())
      progress_ = restore_training(context_.state(), SafetensorsFile(options_.resume), id_);
    if (!options_.log_path.empty())
      log_ = options_.resume.empty() ? TrainLog(options_.log_path)
                                     : TrainLog(options_.log_path, progress_.step, progress_.epoch_closed);
    if (options_.checkpoint_folder.empty()) return;
    writer_.emplace(options_.checkpoint_folder, KeepOptions{options_.keep, progress_.step});
    result_.last_path = writer_->last_path();
    result_.best_path = writer_->best_path();
    if (options_.watch) watch();
  }

  void watch() {
    WatchOptions options;
    options.folder = options_.checkpoint_folder;
    options.class_names = job_.model.class_names;
    options.role = job_.recipe.dataset.validation > 0 ? "validation" : "test";
    options.scales_loss = apply_.has_output("loss_scale");
    options.channels = step_.input("image").type.shape[1];
    if (options_.log_every > 0) options.every = options_.log_every;
    options.resumed = !options_.resume.empty();
    options.step = progress_.step;
    options.epoch_closed = progress_.epoch_closed;
    watch_.emplace(std::move(options));
  }

  void save_last() {
    if (!writer_) return;
    guard_.before_save();
    writer_->write_last(capture_checkpoint(context_.state(), job_.model, &id_, &progress_), progress_.step);
  }

  // Of the moving average that is evaluated in the place of the weights, where there is one.
  std::string moving_average() const { return job_.recipe.optimizer.ema > 0 ? "ema/" : ""; }

  // Averages are what was evaluated, to use and not to go on from.
  // So is a network without its teacher: nobody trains it further by that file.
  void save_best(bool averages) {
    if (!writer_) return;
    guard_.before_save();
    if (job_.recipe.distill) return writer_->write_best(capture_checkpoint(context_.state(), job_.model, nullptr, nullptr, "teacher."));
    writer_->write_best(capture_checkpoint(context_.state(), job_.model, averages ? nullptr : &id_,
                                           averages ? nullptr : &progress_));
  }

  double rate_at(int64_t step) const { return learning_rate(job_.recipe.schedule, step, length_, progress_.plateau); }

  // Batch `number` of the whole training. Runs on the source's thread.
  void fill(int64_t number, Batch& batch) {
    const int64_t in_epoch = length_.steps_per_epoch * batches_;
    const int64_t epoch = number / in_epoch, first = number % in_epoch * batch_;
    const int64_t samples = job_.train.count(), copies = job_.recipe.copies;
    if (epoch != order_epoch_) {
      order_ = epoch_order(samples * copies, job_.recipe.seed, epoch);
      order_epoch_ = epoch;
    }
    const int64_t image_bytes = job_.train.format().bytes();
    if (batch.labels.empty()) batch.augment = AugmentInputs(step_);
    batch.images.resize(static_cast<size_t>(batch_ * image_bytes));
    batch.labels.resize(static_cast<size_t>(batch_));
    for (int64_t i = 0; i < batch_; ++i) {
      const int64_t drawn = order_[static_cast<size_t>(first + i)], sample = drawn % samples;
      // Each copy of a sample within an epoch is a view of its own.
      const SampleView view{job_.recipe, job_.recipe.seed, epoch * copies + drawn / samples, sample};
      std::byte* image = batch.images.data() + i * image_bytes;
      copy_view(job_.train, view, image);
      batch.labels[static_cast<size_t>(i)] = job_.train.labels()[static_cast<size_t>(sample)];
      batch.augment.draw(i, view, image);
    }
  }

  // Runs the epoch's steps that are left, or as many as there are before a stop.
  void run_epoch() {
    const int64_t epoch = progress_.step / length_.steps_per_epoch;
    if (progress_.epoch_closed) {
      progress_.epoch_closed = false;
      progress_.loss_sum = progress_.correct = progress_.counted = 0;
    }
    epoch_start_ = rate_start_ = Clock::now();
    rate_steps_ = 0;
    runs_.restart();
    source_.start(progress_.step * batches_, ((epoch + 1) * length_.steps_per_epoch - progress_.step) * batches_);
    while (const Batch* batch = source_.next()) {
      run_step(epoch, batch);
      if (should_stop()) return;
      bool due = options_.checkpoint_every > 0 && progress_.step % options_.checkpoint_every == 0;
      if (due && !at_epoch_end()) save_last();
    }
  }

  // Who asks waits for no more than a step; enough steps that end an epoch end with its evaluation.
  bool should_stop() {
    const bool asked = options_.stop && options_.stop->load();
    const bool closes = at_epoch_end() && !progress_.epoch_closed;
    const bool enough = options_.max_steps > 0 && progress_.step >= options_.max_steps && progress_.step < length_.steps() && !closes;
    return stopped_ = asked || enough;
  }

  // A step's batches, from `batch` on, and their update.
  void run_step(int64_t epoch, const Batch* batch) {
    const int64_t in_epoch = progress_.step % length_.steps_per_epoch;
    const double rate = rate_at(progress_.step);
    RuntimeScalars scalars;
    scalars.seed = static_cast<int64_t>(job_.recipe.seed);
    scalars.step = progress_.step;
    scalars.valid_count = batch_;
    scalars.learning_rate = static_cast<float>(rate);
    double loss = 0;
    for (int64_t i = 0; i < batches_; ++i) {
      if (i > 0) batch = source_.next();
      scalars.first_sample = (in_epoch * batches_ + i) * batch_;
      loss += run_batch(entry_of(i), *batch, scalars, entry_of((i + 1) % batches_));
    }
    apply_.run(context_, scalars, executor_);
    const std::optional<LossScale> scale = loss_scale_of(apply_);
    guard_.after_update(scale, scalars);
    ++progress_.step;
    if (average_) average_->after_step(progress_.step, context_, executor_);
    arrive();
    report_step(epoch, in_epoch + 1, loss / static_cast<double>(batches_), rate, scale);
  }

  // For batch `i` of a step.
  EntryIo& entry_of(int64_t i) { return i + 1 < batches_ ? *accumulate_ : step_; }

  // Its loss. What is wrong is found before the weights change. `next`: the entry for the batch after it.
  double run_batch(EntryIo& entry, const Batch& batch, const RuntimeScalars& scalars, EntryIo& next) {
    guard_.before_batch(batch, scalars);
    runs_.run(entry, batch, scalars, next);
    const double loss = entry.scalar("loss");
    guard_.after_loss(loss, batch, scalars);
    guard_.after_gradients(scalars);
    progress_.loss_sum += loss * static_cast<double>(batch_);
    if (entry.has_output("correct")) progress_.correct += entry.scalar("correct");
    progress_.counted += entry.has_output("counted") ? entry.scalar("counted") : static_cast<double>(batch_);
    return loss;
  }

  void report_step(int64_t epoch, int64_t in_epoch, double loss, double rate, const std::optional<LossScale>& scale) {
    const double seconds = seconds_since(rate_start_);
    ++rate_steps_;
    if (seconds > 0) steps_per_second_ = static_cast<double>(rate_steps_) / seconds;
    if (seconds > 5) {  // "lately"
      rate_start_ = Clock::now();
      rate_steps_ = 0;
    }
    const double images_per_second = steps_per_second_ * static_cast<double>(batch_ * batches_);
    const StepRecord record{epoch + 1, progress_.step, loss, rate, images_per_second, scale};
    if (options_.log_every > 0 && progress_.step % options_.log_every == 0) log_.write(record);
    if (watch_) watch_->step(record, context_.state());
    if (!options_.on_step) return;
    StepReport report;
    report.epoch = epoch + 1;
    report.epochs = length_.epochs;
    report.step = progress_.step;
    report.steps = length_.steps();
    report.epoch_step = in_epoch;
    report.epoch_steps = length_.steps_per_epoch;
    report.loss = loss;
    report.epoch_loss = progress_.loss_sum / static_cast<double>(in_epoch * batch_ * batches_);
    report.learning_rate = rate;
    report.loss_scale = scale;
    report.images_per_second = images_per_second;
    report.eta_seconds =
        steps_per_second_ > 0 ? static_cast<double>(length_.steps() - progress_.step) / steps_per_second_ : 0;
    options_.on_step(report);
  }

  // Evaluates, logs and saves what an epoch has come to. A stop during the evaluation leaves the epoch open.
  void close_epoch() {
    const auto samples = static_cast<double>(length_.steps_per_epoch * batch_ * batches_);
    EpochReport report;
    ClassificationReport classes;
    report.epoch = progress_.step / length_.steps_per_epoch;
    report.epochs = length_.epochs;
    report.step = progress_.step;
    report.train_loss = progress_.loss_sum / samples;
    if (step_.has_output("correct")) report.train_accuracy = progress_.correct / std::max(progress_.counted, 1.0);
    if (job_.test) {
      const AveragedWeights averaged(context_.state(), moving_average());
      report.test = evaluate(context_, *job_.test, executor_, {options_.stop, options_.on_evaluate, watch_ ? &classes : nullptr, job_.recipe.loss.ignored_label});
      if (report.test->stopped) {
        stopped_ = true;
        return;
      }
      result_.test = report.test;
    }
    const double score = report.test ? report.test->top1 : -report.train_loss;
    report.best = !progress_.best || score > *progress_.best;
    if (report.best) progress_.best = score;
    progress_.since_best = report.best ? 0 : progress_.since_best + 1;
    progress_.epoch_closed = true;
    report.seconds = seconds_since(epoch_start_);
    EpochRecord record;
    record.epoch = report.epoch;
    record.step = report.step;
    record.train_loss = report.train_loss;
    record.train_accuracy = report.train_accuracy;
    record.learning_rate = rate_at(report.step - 1);
    record.seconds = report.seconds;
    if (report.test) {
      record.test_loss = report.test->loss;
      record.top1 = report.test->top1;
      record.top5 = report.test->top5;
    }
    log_.write(record);
    if (watch_) watch_->epoch(record, report.test ? &classes : nullptr, context_.state());
    observe_epoch(job_.recipe.schedule, report.test ? report.test->loss : report.train_loss, progress_.plateau);
    arrive();
    if (report.best) {
      const AveragedWeights averaged(context_.state(), moving_average());
      save_best(!moving_average().empty());
    }
    save_last();
    if (options_.on_epoch) options_.on_epoch(report);
  }

  // The mean of the weights, with batch norm's statistics for it, is what the training leaves: it is evaluated, and
  // replaces the best epoch's weights. A pass over the training data as the next epoch would have been. All of it follows from
  // the last checkpoint, which may be resumed if the process dies in here.
  void close_average() {
    AverageReport report;
    report.models = average_->models(progress_.step);
    if (report.models == 0) return;  // early stopping came first
    const int64_t batches = length_.steps_per_epoch * batches_;
    RuntimeScalars scalars;
    scalars.seed = static_cast<int64_t>(job_.recipe.seed);
    scalars.valid_count = batch_;
    runs_.restart();
    source_.start(progress_.step * batches_, batches);
    stopped_ = !average_->recalibrate(context_, source_, runs_, batches, scalars, options_.stop);
    if (stopped_) return;
    const AveragedWeights averaged(context_.state(), kAveragePrefix);
    AverageRecord record{progress_.step, report.models, {}, {}, {}};
    if (job_.test) {
      report.test = evaluate(context_, *job_.test, executor_, {options_.stop, options_.on_evaluate, nullptr});
      stopped_ = report.test->stopped;
      if (stopped_) return;
      result_.test = report.test;
      result_.best = report.test->top1;
      record.test_loss = report.test->loss;
      record.top1 = report.test->top1;
      record.top5 = report.test->top5;
    }
    log_.write(record);
    save_best(true);
    result_.average = report;
    if (options_.on_average) options_.on_average(report);
  }

  Context& context_;
  const TrainJob& job_;
  const TrainOptions& options_;
  Executor& executor_;
  EntryIo step_;   // the entry "grad": of a step's last batch
  EntryIo apply_;  // the update
  std::optional<EntryIo> accumulate_;  // of all batches of a step but its last
  int64_t batch_;
  int64_t batches_;  // of a step
  TrainingLength length_;
  TrainingId id_;
  FiniteGuard guard_;
  TrainLog log_;
  std::optional<CheckpointWriter> writer_;
  std::optional<RunWatch> watch_;
  std::optional<WeightAverage> average_;
  TrainingProgress progress_;
  TrainResult result_;
  bool stopped_ = false;

  Clock::time_point epoch_start_ = Clock::now(), rate_start_ = Clock::now();
  int64_t rate_steps_ = 0;
  double steps_per_second_ = 0;

  // Used by the source's thread alone.
  std::vector<int64_t> order_;
  int64_t order_epoch_ = -1;
  BatchSource source_;  // after the members that its thread uses
  BatchRuns runs_;
};

}  // namespace

TrainingId training_id(const Context& context, const TrainJob& job) {
  const EntryIo step(context.program(), "grad");
  return {
      recipe_text(job.recipe), context.program().target, job.train.count(), step.input("image").type.shape[0],
      job.recipe.seed,         job.model.fingerprint,    job.model.tiles};
}

TrainResult train(Context& context, const TrainJob& job, const TrainOptions& options, Executor& executor) {
  return Training(context, job, options, executor).run();
}

}  // namespace netc
