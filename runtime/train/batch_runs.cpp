#include "runtime/train/batch_runs.h"

namespace netc {
namespace {

void bind(EntryIo& entry, const Batch& batch) {
  entry.set_input("image", batch.images.data());
  if (entry.has_input("label")) entry.set_input("label", batch.labels.data());
  batch.augment.bind(entry);
}

}  // namespace

void BatchRuns::run(EntryIo& entry, const Batch& batch, const RuntimeScalars& scalars, EntryIo& next) {
  if (!context_.stages_inputs()) {
    bind(entry, batch);
    entry.run(context_, scalars, executor_);
    return;
  }
  if (staged_ != &batch) stage(entry, batch);
  staged_ = nullptr;
  const auto meanwhile = [&] {
    if (const Batch* ahead = source_.ahead()) stage(next, *ahead);
  };
  entry.run(context_, scalars, executor_, {.staged = true, .meanwhile = std::ref(meanwhile)});
}

void BatchRuns::stage(EntryIo& entry, const Batch& batch) {
  bind(entry, batch);
  entry.stage(context_, executor_);
  staged_ = &batch;
}

}  // namespace netc
