// Trainer: a recipe, either step by step on the host's data or from its own data set.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "compiler/api/host/host.h"
#include "compiler/api/training.h"
#include "compiler/ir/op_def.h"
#include "runtime/train/augment_inputs.h"
#include "runtime/train/entry_io.h"
#include "runtime/train/finite.h"
#include "runtime/train/schedule.h"
#include "runtime/train/weight_average.h"

namespace netc::v1 {
namespace {

TrainingRequest request_of(const std::string& name, const Options& options) {
  TrainingRequest request;
  request.network = {name, options.set, false};
  request.settings = {options.device, options.precision, options.cpu, cache_settings(options.cache_dir)};
  request.settings.winograd = options.winograd;
  request.data = options.data;
  return request;
}

Metrics metrics_of(const EvalResult& result) { return {result.loss, result.top1, result.top5, result.samples}; }

}  // namespace

struct Trainer::Impl {
  std::string name;
  Options options;
  Project project;
  std::unique_ptr<netc::Training> training;
  std::unique_ptr<EntryIo> grad, apply, accumulate;
  std::unique_ptr<WeightAverage> average;  // from the first step on, if the recipe averages weights
  std::vector<Port> inputs;
  std::vector<std::vector<std::byte>> batch;  // dense copies of the host's tensors
  AugmentInputs augment;
  TrainingProgress progress;
  int64_t accumulated = 0;  // batches of the next step
  std::atomic<bool> stop{false};
  uint64_t planned = 0;
  const char* coupling = nullptr;  // what makes a batch's samples depend on each other, so that none may be missing

  Impl(std::string network, const Options& given) : name(std::move(network)), options(given) {}

  void compile() {
    check_options(options);
    training = std::make_unique<netc::Training>(project, request_of(name, options), make_executor(options));
    planned = static_cast<uint64_t>(
        netc::planned_bytes(training->model().compilation, training->executor().workers()).total());
    if (options.max_bytes > 0 && planned > options.max_bytes)
      throw RuntimeError("E0925", fmt::format("the plan needs {} bytes, max_bytes is {}", planned, options.max_bytes));
    const EntryIo step(training->context().program(), "grad");
    for (const char* role : {"image", "label"}) {
      const IoSlot& slot = step.input(role);
      inputs.push_back({slot.name, external(slot.type.dtype), {slot.type.shape.begin() + 1, slot.type.shape.end()}});
      batch.emplace_back(static_cast<size_t>(slot.type.bytes()));
    }
    bind_entries();
    const Graph& graph = training->model().compilation.network.graph;
    for (const Node& node : graph.nodes)
      if (node.op->name == "batch_norm") coupling = "batch norm takes its statistics of";
    if (parts_of(training->recipe().augment).mix) coupling = "mixing draws partners from";
  }

  void bind_entries() {
    grad = std::make_unique<EntryIo>(training->context().program(), "grad");
    apply = std::make_unique<EntryIo>(training->context().program(), "apply");
    accumulate =
        batches() > 1 ? std::make_unique<EntryIo>(training->context().program(), "accumulate") : nullptr;
    augment = AugmentInputs(*grad);
    for (EntryIo* entry : {grad.get(), accumulate.get()}) {
      if (!entry) continue;
      entry->set_input("image", batch[0].data());
      entry->set_input("label", batch[1].data());
      augment.bind(*entry);
    }
  }

  // A checkpoint of a training with other tiles on the same GPU is compiled for anew.
  void resume(const std::string& path) {
    const SafetensorsFile file(path);
    std::unique_ptr<netc::Training> other;
    if (read_training_tiles(file) != training->info().tiles) {
      TrainingRequest request = request_of(name, options);
      request.resume = path;
      other = std::make_unique<netc::Training>(project, request, make_executor(options));
      if (training->has_data()) other->load_data();
    }
    netc::Training& next = other ? *other : *training;
    progress = restore_training(next.context().state(), file, id(next));
    if (!other) return;
    training = std::move(other);
    average.reset();
    bind_entries();
  }

  // Batches of a step.
  int64_t batches() const { return training->recipe().optimizer.accumulate; }

  void require_data() {
    if (!training->has_data()) training->load_data();
  }

  // A checkpoint holds no gradients.
  void require_step_boundary(const char* call) const {
    if (accumulated > 0)
      throw ArgumentError(fmt::format("{} within a step: {} of its {} batches are done", call, accumulated, batches()));
  }

  TrainingLength length() {
    int64_t steps = options.steps_per_epoch;
    if (steps <= 0) {
      require_data();
      steps = steps_per_epoch(training->recipe(), training->train_data()->count());
    }
    return {std::max<int64_t>(1, steps), training->recipe().epochs};
  }

  float step(const Tensor* tensors, int count) {
    const Recipe& recipe = training->recipe();
    if (count < 1 || count > recipe.batch)
      throw ArgumentError(fmt::format("a batch of {}, the recipe's is {}", count, recipe.batch));
    if (count < recipe.batch && coupling)
      throw ArgumentError(fmt::format("a batch of {}, but {} all {} samples", count, coupling, recipe.batch));
    for (size_t i = 0; i < inputs.size(); ++i) {
      check_tensor(tensors[i], "input", inputs[i].name, internal(inputs[i].dtype), inputs[i].shape, count);
      std::memset(batch[i].data(), 0, batch[i].size());
      gather(tensors[i], batch[i].data());
    }
    const int64_t classes = training->model().compilation.network.classes;
    const auto* labels = reinterpret_cast<const int64_t*>(batch[1].data());
    for (int i = 0; i < count; ++i)
      if (labels[i] != recipe.loss.ignored_label && (labels[i] < 0 || (classes > 0 && labels[i] >= classes)))
        throw ArgumentError(fmt::format("label {} is {}, there are {} classes", i, labels[i], classes));

    const TrainingLength whole = length();
    if (recipe.optimizer.swa && !average) average = std::make_unique<WeightAverage>(training->context().program(), *recipe.optimizer.swa, whole);
    const size_t image_bytes = batch[0].size() / static_cast<size_t>(recipe.batch);
    for (int64_t i = 0; i < recipe.batch; ++i)
      augment.draw(i, {recipe, recipe.seed, progress.step * batches() + accumulated, i}, batch[0].data() + static_cast<size_t>(i) * image_bytes);
    RuntimeScalars scalars;
    scalars.seed = static_cast<int64_t>(recipe.seed);
    scalars.step = progress.step;
    scalars.valid_count = count;
    scalars.first_sample = (progress.step % whole.steps_per_epoch * batches() + accumulated) * recipe.batch;
    scalars.learning_rate =
        static_cast<float>(learning_rate(recipe.schedule, std::min(progress.step, whole.steps() - 1), whole, progress.plateau));
    EntryIo& entry = accumulated + 1 < batches() ? *accumulate : *grad;
    entry.run(training->context(), scalars, training->executor());
    const double loss = entry.scalar("loss");
    require_finite(loss, scalars);
    if (++accumulated < batches()) return static_cast<float>(loss);
    accumulated = 0;
    apply->run(training->context(), scalars, training->executor());
    if (const std::optional<LossScale> scale = loss_scale_of(*apply))
      require_usable(*scale, recipe.loss_scale, training->context().state(), scalars);
    ++progress.step;
    if (average) average->after_step(progress.step, training->context(), training->executor());
    progress.epoch_closed = true;
    progress.loss_sum = progress.correct = progress.counted = 0;
    return static_cast<float>(loss);
  }

  // THROWS E0914 as fit does, before the weights change.
  void require_finite(double loss, const RuntimeScalars& scalars) {
    if (std::isfinite(loss)) return;
    FiniteOptions finite;
    finite.find_bad_layers = [this](const State& state, const Batch& bad, const RuntimeScalars& at) {
      return training->find_bad_layers(state, bad, at);
    };
    const auto* labels = reinterpret_cast<const int64_t*>(batch[1].data());
    const Batch seen{batch[0], {labels, labels + batch[1].size() / sizeof(int64_t)}, augment};
    FiniteGuard(training->context().state(), training->recipe(), finite).after_loss(loss, seen, scalars);
  }

  // With steps_per_epoch the samples are the host's own, whether the data set has been read (by evaluate) or not.
  TrainingId id(netc::Training& of) const {
    if (options.steps_per_epoch <= 0 && of.has_data()) return of.id();
    const ModelInfo model = of.info();
    return {recipe_text(of.recipe()),
            of.context().program().target,
            0,
            of.recipe().batch,
            of.recipe().seed,
            model.fingerprint,
            model.tiles};
  }
};

Trainer::Trainer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Trainer::Trainer(Trainer&&) noexcept = default;
Trainer& Trainer::operator=(Trainer&&) noexcept = default;
Trainer::~Trainer() = default;

Result<Trainer> Trainer::from_recipe(std::string name, Options options) noexcept {
  std::unique_ptr<Impl> impl;
  if (auto made = guarded<void>(nullptr, [&] { impl = std::make_unique<Impl>(name, options); }); !made)
    return made.error();
  const SourceMap* sources = &impl->project.sources();
  return guarded<Trainer>(sources, [&] {
    impl->compile();
    return Trainer(std::move(impl));
  });
}

int64_t Trainer::batch_size() const noexcept { return impl_->training->recipe().batch; }
const std::vector<Port>& Trainer::inputs() const noexcept { return impl_->inputs; }
uint64_t Trainer::planned_bytes() const noexcept { return impl_->planned; }
void Trainer::stop() noexcept { impl_->stop = true; }

Result<float> Trainer::step(const Tensor* batch, int count) noexcept {
  return guarded<float>(nullptr, [&] { return impl_->step(batch, count); });
}

Result<Metrics> Trainer::evaluate() noexcept {
  return guarded<Metrics>(nullptr, [&] {
    impl_->require_data();
    return metrics_of(impl_->training->evaluate());
  });
}

Result<Metrics> Trainer::fit(const std::function<void(const Progress&)>& report) noexcept {
  return guarded<Metrics>(nullptr, [&] {
    impl_->require_step_boundary("fit");
    impl_->stop = false;  // before the data are read, which takes its time: a stop() meanwhile counts
    impl_->require_data();
    TrainOptions options;
    options.start = impl_->progress;
    options.reached = &impl_->progress;
    options.stop = &impl_->stop;
    if (report)
      options.on_step = [&](const StepReport& r) {
        report({r.epoch - 1, r.epochs, r.step, r.steps, r.loss, r.learning_rate, r.images_per_second, r.eta_seconds});
      };
    const TrainResult result = impl_->training->run(options);
    impl_->progress = result.progress;
    if (result.test) return metrics_of(*result.test);
    return result.stopped ? Metrics{} : metrics_of(impl_->training->evaluate());
  });
}

Result<void> Trainer::save(const std::string& path) noexcept {
  return guarded<void>(nullptr, [&] {
    impl_->require_step_boundary("save");
    const FiniteOptions none;
    FiniteGuard(impl_->training->context().state(), impl_->training->recipe(), none).before_save();
    const TrainingId id = impl_->id(*impl_->training);
    save_checkpoint(path, impl_->training->context().state(), impl_->training->info(), &id, &impl_->progress);
  });
}

Result<void> Trainer::resume(const std::string& path) noexcept {
  return guarded<void>(nullptr, [&] {
    impl_->require_step_boundary("resume");
    if (impl_->options.steps_per_epoch <= 0) impl_->require_data();
    impl_->resume(path);
  });
}

}  // namespace netc::v1
