// One caller's use of an Executable: a state, and the device's memory for what lives during a run. An entry's
// first run has the system give all pages that it needs; later ones allocate nothing and fault on no page.
//
//   Context context(executable);
//   InputView image{pixels, bytes};  OutputView logits{result, result_bytes};
//   context.run("predict", {&image, 1}, {&logits, 1}, scalars, pool);
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/executable.h"
#include "runtime/executor.h"
#include "runtime/state.h"

namespace netc {

// The caller's memory for one input or output of an entry, dense and row-major, batch first. An input
// without data keeps what the caller wrote to Context::input_buffer; an output without data is not copied.
struct InputView {
  const void* data = nullptr;
  int64_t bytes = 0;
};
struct OutputView {
  void* data = nullptr;
  int64_t bytes = 0;
};

// What a run may do besides. `staged`: its inputs are those of the last stage_inputs, whatever `inputs` say.
// `meanwhile` is called on the calling thread while the device computes, or after it where that is the same
// thread; what it throws is thrown when the device has ended. It must not touch the state, buffers, inputs or
// outputs of the run.
struct RunOptions {
  bool staged = false;
  std::function<void()> meanwhile;
};

class Context {
 public:
  // The executable must outlive the context. Contexts that only predict may share one state.
  // THROWS RuntimeError E0911 if there is not enough memory.
  explicit Context(const Executable& executable, std::shared_ptr<State> state = nullptr);

  // Runs an entry: `inputs` and `outputs` in the order of EntryPoint::inputs and ::outputs.
  // THROWS RuntimeError E0912 if there is no such entry, or a view's size differs from its slot's.
  void run(const std::string& entry, std::span<const InputView> inputs, std::span<const OutputView> outputs,
           const RuntimeScalars& scalars, Executor& executor, const RunOptions& options = {});

  // Whether the device takes the inputs of the next run while it computes: a GPU does.
  bool stages_inputs() const { return device_->stages_inputs(); }
  // Hands over the inputs of the next run, which is one of this entry with RunOptions::staged; `inputs` are
  // free again when this returns. May be called in `meanwhile`. What was staged before and not run is
  // dropped. REQUIRES: stages_inputs(), and every view has data. THROWS RuntimeError E0912 as run does,
  // E0911.
  void stage_inputs(const std::string& entry, std::span<const InputView> inputs, Executor& executor);

  State& state() { return *state_; }
  const State& state() const { return *state_; }
  std::shared_ptr<State> shared_state() const { return state_; }
  const Program& program() const { return executable_.program(); }
  int64_t arena_bytes() const { return device_->arena_bytes(); }

  // Where an input or output lies, to fill or read it in place. An input's bytes are the caller's until
  // the run, which may overwrite them; an output's are valid until the next run.
  std::span<std::byte> buffer(const IoSlot& slot) { return device_->buffer(slot); }

  // Adds each launch's nanoseconds to (*profile)[launch] during the next runs; null turns it off.
  // The vector is resized to the entry's launches.
  void set_profile(std::vector<int64_t>* profile) { profile_ = profile; }

 private:
  size_t find(const std::string& entry) const;

  const Executable& executable_;
  std::shared_ptr<State> state_;
  std::unique_ptr<DeviceContext> device_;
  std::vector<int64_t>* profile_ = nullptr;
  std::optional<size_t> staged_;  // the entry that the last stage_inputs was for
};

}  // namespace netc
