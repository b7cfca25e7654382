// Runs the entry "predict" (or another one) on up to a batch of samples at a time.
//
//   Predictor predictor(model, "predict", pool);
//   fill(predictor.input(0));        // [batch, ...sample], dense
//   predictor.run(count);            // 1 <= count <= batch; the rest is padding
//   use(predictor.output(0));
#pragma once

#include "compiler/api/model.h"
#include "runtime/context.h"

namespace netc {

class Predictor {
 public:
  // The model and the executor must outlive it.
  Predictor(const Executable& executable, std::shared_ptr<State> state, const std::string& entry, Executor& executor);

  const EntryPoint& entry() const { return *entry_; }
  Context& context() { return context_; }
  int64_t batch() const { return batch_; }
  std::span<std::byte> input(size_t index) { return context_.buffer(entry_->inputs[index]); }
  std::span<std::byte> output(size_t index) { return context_.buffer(entry_->outputs[index]); }

  // Inputs must be written before each run, which may overwrite them.
  void run(int64_t count, RuntimeScalars scalars = {});

 private:
  const EntryPoint* entry_;
  Context context_;
  Executor& executor_;
  int64_t batch_ = 1;
  std::vector<InputView> inputs_;
  std::vector<OutputView> outputs_;
};

// Bytes of one sample of a slot whose first extent is the batch.
int64_t sample_bytes(const IoSlot& slot);

// Fills `bytes` with a slot's random values from a seed: f32 uniform in [-1, 1), u8 any byte, integers below `classes`.
// Element i of sample n has the same value at any batch size; `first` is the first sample's number.
void fill_random(const IoSlot& slot, std::span<std::byte> bytes, uint64_t seed, int64_t first, int64_t classes);

}  // namespace netc
