// Runs of entries on the batches of a source. Where the device can take inputs while it computes, the next batch goes to it
// meanwhile.
//
//   BatchRuns runs(context, source, executor);
//   while (const Batch* batch = source.next()) runs.run(eval, *batch, scalars, eval);
//
// Results, and the order of all that has an effect, are those of runs without it.
#pragma once

#include "runtime/train/batches.h"
#include "runtime/train/entry_io.h"

namespace netc {

class BatchRuns {
 public:
  BatchRuns(Context& context, BatchSource& source, Executor& executor) : context_(context), source_(source), executor_(executor) {}

  // To be called after source.start(): what was handed over before is of other batches.
  void restart() { staged_ = nullptr; }

  // Runs `entry` on the batch that the source gave last. `next`: the entry that the source's next batch is for.
  void run(EntryIo& entry, const Batch& batch, const RuntimeScalars& scalars, EntryIo& next);

 private:
  void stage(EntryIo& entry, const Batch& batch);

  Context& context_;
  BatchSource& source_;
  Executor& executor_;
  const Batch* staged_ = nullptr;  // the batch that is with the device already
};

}  // namespace netc
