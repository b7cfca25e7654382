// One caller's use of an Executable: a state, and the device's memory for what lives during a run. An entry's first run
// has the system give all pages that it needs; later ones allocate nothing and fault on no page.
//
//   Context context(executable);
//   InputView image{pixels, bytes};  OutputView logits{result, result_bytes};
//   context.run("predict", {&image, 1}, {&logits, 1}, scalars, pool);
#pragma once

#include <memory>
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

class Context {
 public:
  // The executable must outlive the context. Contexts that only predict may share one state.
  // THROWS RuntimeError E0911 if there is not enough memory.
  explicit Context(const Executable& executable, std::shared_ptr<State> state = nullptr);

  // Runs an entry: `inputs` and `outputs` in the order of EntryPoint::inputs and ::outputs.
  // THROWS RuntimeError E0912 if there is no such entry, or a view's size differs from its slot's.
  void run(const std::string& entry, std::span<const InputView> inputs, std::span<const OutputView> outputs,
           const RuntimeScalars& scalars, Executor& executor);

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
  const Executable& executable_;
  std::shared_ptr<State> state_;
  std::unique_ptr<DeviceContext> device_;
  std::vector<int64_t>* profile_ = nullptr;
};

}  // namespace netc
