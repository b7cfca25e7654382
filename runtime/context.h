// One caller's use of an Executable: a state, an arena for what lives during a run, and scratch for
// each worker. An entry's first run has the system give all pages that it needs; later ones allocate nothing and
// fault on no page.
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
#include "runtime/memory.h"
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
  int64_t arena_bytes() const { return arena_.size(); }

  // Where an input or output lies, to fill or read it in place. An input's bytes are the caller's until
  // the run, which may overwrite them; an output's are valid until the next run.
  std::span<std::byte> buffer(const IoSlot& slot);

  // Adds each launch's nanoseconds to (*profile)[launch] during the next runs; null turns it off.
  // The vector is resized to the entry's launches.
  void set_profile(std::vector<int64_t>* profile) { profile_ = profile; }

 private:
  struct PreparedLaunch {
    KernelFunction function;
    const int64_t* offsets;
    int64_t tasks;
  };
  struct PreparedEntry {
    const EntryPoint* entry;
    std::vector<int64_t> offsets;  // of all launches' operands
    std::vector<PreparedLaunch> launches;
  };

  PreparedEntry prepare(const EntryPoint& entry) const;
  void get_memory(const EntryPoint& entry, Executor& executor);
  void launch(const PreparedLaunch& launch, const RuntimeScalars& scalars, Executor& executor);

  const Executable& executable_;
  std::shared_ptr<State> state_;
  MemoryBlock arena_;
  MemoryBlock scratch_;
  int64_t scratch_stride_ = 0;
  int64_t populated_ = 0;  // bytes of the arena that are in memory
  std::vector<PreparedEntry> entries_;
  std::vector<int64_t>* profile_ = nullptr;
};

}  // namespace netc
