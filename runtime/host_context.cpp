// A Context's work on the CPU: kernels are called through an Executor, which owns the threads.
#include <algorithm>
#include <chrono>
#include <utility>

#include "compiler/base/error.h"
#include "runtime/executable.h"
#include "runtime/memory.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace netc {
namespace {

// Every worker computes in one floating-point mode, whatever the host's threads were set to: round to
// nearest, no traps, subnormal numbers are zero (they cost a hundred cycles each and mean nothing here).
class FloatMode {
 public:
#if defined(__x86_64__)
  FloatMode() : saved_(_mm_getcsr()) {
    if (saved_ != kMode) _mm_setcsr(kMode);
  }
  ~FloatMode() {
    _mm_setcsr(saved_);
  }

 private:
  static constexpr unsigned kMode =
      0x1f80 | 0x8000 | 0x0040;  // all masked, flush to zero, denormals are zero
  unsigned saved_;
#else
  FloatMode() {}
#endif
};

int64_t largest_arena(const Program& program) {
  int64_t bytes = 0;
  for (const EntryPoint& entry : program.entries) bytes = std::max(bytes, entry.arena_bytes);
  return bytes;
}

class HostContext final : public DeviceContext {
 public:
  HostContext(const HostExecutable& executable, std::shared_ptr<State> state)
      : executable_(executable),
        state_(std::move(state)),
        arena_(largest_arena(executable.program()), "the arena"),
        scratch_stride_((executable.program().scratch_bytes + 63) / 64 * 64) {
    for (const EntryPoint& entry : executable_.program().entries) entries_.push_back(prepare(entry));
  }

  // Nothing after the first run of an entry.
  void get_memory(const EntryPoint& entry, Executor& executor) override {
    if (scratch_.size() < executor.workers() * scratch_stride_) {  // the first run, or a larger executor
      scratch_ = MemoryBlock(executor.workers() * scratch_stride_, "the workers' scratch memory");
      scratch_.populate(scratch_.size(), executor);
    }
    if (populated_ < entry.arena_bytes) {
      arena_.populate(entry.arena_bytes, executor);
      populated_ = entry.arena_bytes;
    }
  }

  std::span<std::byte> buffer(const IoSlot& slot) override {
    std::byte* base = slot.buffer.space == Space::state ? state_->data() : arena_.data();
    return {base + slot.buffer.offset, static_cast<size_t>(slot.type.bytes())};
  }

  void start(size_t entry, const RuntimeScalars& scalars, Executor& executor, std::vector<int64_t>* profile,
             bool) override {
    const std::vector<PreparedLaunch>& launches = entries_[entry].launches;
    if (!profile) {
      for (const PreparedLaunch& l : launches) launch(l, scalars, executor);
      return;
    }
    for (size_t i = 0; i < launches.size(); ++i) {
      const auto start = std::chrono::steady_clock::now();
      launch(launches[i], scalars, executor);
      (*profile)[i] += (std::chrono::steady_clock::now() - start) / std::chrono::nanoseconds(1);
    }
  }

  int64_t arena_bytes() const override { return arena_.size(); }

 private:
  struct PreparedLaunch {
    KernelFunction function;
    const int64_t* offsets;
    int64_t tasks;
  };
  struct PreparedEntry {
    std::vector<int64_t> offsets;  // of all launches' operands
    std::vector<PreparedLaunch> launches;
  };

  PreparedEntry prepare(const EntryPoint& entry) const {
    PreparedEntry prepared;
    size_t operands = 0;
    for (const Launch& l : entry.launches) operands += l.operands.size();
    prepared.offsets.reserve(operands);  // PreparedLaunch points into it
    prepared.launches.reserve(entry.launches.size());
    for (const Launch& l : entry.launches) {
      const int64_t* offsets = prepared.offsets.data() + prepared.offsets.size();
      for (const BufferRef& operand : l.operands) prepared.offsets.push_back(operand.offset);
      prepared.launches.push_back({executable_.function(l.kernel), offsets, l.tasks});
    }
    return prepared;
  }

  void launch(const PreparedLaunch& l, const RuntimeScalars& scalars, Executor& executor) {
    executor.parallel_for(l.tasks, [&](int worker, int64_t first, int64_t last) {
      FloatMode mode;
      KernelArgs args{l.offsets, &scalars, scratch_.data() + worker * scratch_stride_};
      l.function(state_->data(), arena_.data(), &args, first, last);
    });
    if (const std::string fault = executable_.take_fault(); !fault.empty())
      throw RuntimeError("E0931", fault);
  }

  const HostExecutable& executable_;
  std::shared_ptr<State> state_;
  MemoryBlock arena_;
  MemoryBlock scratch_;
  int64_t scratch_stride_ = 0;
  int64_t populated_ = 0;  // bytes of the arena that are in memory
  std::vector<PreparedEntry> entries_;
};

}  // namespace

std::unique_ptr<DeviceContext> HostExecutable::make_context(std::shared_ptr<State> state) const {
  return std::make_unique<HostContext>(*this, std::move(state));
}

}  // namespace netc
