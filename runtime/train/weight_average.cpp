#include "runtime/train/weight_average.h"

#include <algorithm>
#include <cstring>

#include "compiler/base/error.h"
#include "runtime/train/averaged_weights.h"

namespace netc {
namespace {

bool has_entry(const Program& program, const std::string& name) {
  return std::any_of(program.entries.begin(), program.entries.end(), [&](const EntryPoint& entry) { return entry.name == name; });
}

// The buffers as they were, again when it dies.
class KeptBuffers {
 public:
  explicit KeptBuffers(State& state) : state_(state) {
    for (const StateSlot& slot : state.slots())
      if (slot.kind == StateKind::buffer)
        kept_.emplace_back(&slot, std::vector<std::byte>(state.data() + slot.offset, state.data() + slot.offset + slot.bytes()));
  }
  ~KeptBuffers() {
    for (const auto& [slot, bytes] : kept_) std::memcpy(state_.data() + slot->offset, bytes.data(), bytes.size());
  }
  KeptBuffers(const KeptBuffers&) = delete;
  KeptBuffers& operator=(const KeptBuffers&) = delete;

 private:
  State& state_;
  std::vector<std::pair<const StateSlot*, std::vector<std::byte>>> kept_;
};

}  // namespace

WeightAverage::WeightAverage(const Program& program, const SwaSpec& spec, const TrainingLength& length)
    : spec_(spec), length_(length), average_(program, "average") {
  if (has_entry(program, "recalibrate")) recalibrate_.emplace(program, "recalibrate");
  if (models(length.steps()) == 0)
    throw RuntimeError("E0917",
                       "weights are averaged from step " + std::to_string(to_steps(spec.start, length)) + " on, the training has " +
                           std::to_string(length.steps()) + " steps",
                       "swa = average(start = " + std::to_string(std::max<int64_t>(length.epochs * 3 / 4, 1)) + "epochs)");
}

void WeightAverage::after_step(int64_t step, Context& context, Executor& executor) {
  const int64_t now = models(step);
  if (now == models(step - 1)) return;
  RuntimeScalars scalars;
  scalars.step = now - 1;
  average_.run(context, scalars, executor);
}

bool WeightAverage::recalibrate(Context& context, BatchSource& source, BatchRuns& runs, int64_t batches, RuntimeScalars scalars,
                                const std::atomic<bool>* stop) {
  if (!recalibrate_) return true;
  State& state = context.state();
  const KeptBuffers buffers(state);
  const AveragedWeights averaged(state, kAveragePrefix, AveragedWeights::Of::parameters);
  for (int64_t i = 0; i < batches; ++i) {
    if (stop && stop->load()) return false;
    const Batch* batch = source.next();
    NETC_CHECK(batch, "fewer batches than a pass over the training data has");
    scalars.step = i;
    scalars.first_sample = i * scalars.valid_count;
    runs.run(*recalibrate_, *batch, scalars, *recalibrate_);
  }
  return true;
}

}  // namespace netc
