#include "runtime/context.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "compiler/base/error.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace netc {
namespace {

constexpr int64_t kParallelCopy = int64_t{1} << 20;  // bytes from which a copy uses all workers
constexpr int64_t kCopyTask = int64_t{256} << 10;

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

void copy(void* to, const void* from, int64_t bytes, Executor& executor) {
  if (bytes < kParallelCopy) {
    std::memcpy(to, from, static_cast<size_t>(bytes));
    return;
  }
  executor.parallel_for((bytes + kCopyTask - 1) / kCopyTask, [&](int, int64_t first, int64_t last) {
    int64_t begin = first * kCopyTask, end = std::min(bytes, last * kCopyTask);
    std::memcpy(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin,
                static_cast<size_t>(end - begin));
  });
}

[[noreturn]] void wrong_size(const char* what, const EntryPoint& entry, const IoSlot& slot, int64_t bytes) {
  throw RuntimeError("E0912", std::string(what) + " `" + slot.name + "` of entry `" + entry.name + "` is " +
                                  to_string(slot.type) + ", " + std::to_string(slot.type.bytes()) +
                                  " bytes, but the caller gave " + std::to_string(bytes) + " bytes");
}

template <class View>
void check_views(const char* what, const EntryPoint& entry, const std::vector<IoSlot>& slots,
                 std::span<const View> views) {
  if (slots.size() != views.size())
    throw RuntimeError("E0912", "entry `" + entry.name + "` has " + std::to_string(slots.size()) + " " +
                                    what + "s, but the caller gave " + std::to_string(views.size()));
  for (size_t i = 0; i < slots.size(); ++i)
    if (views[i].data && views[i].bytes != slots[i].type.bytes())
      wrong_size(what, entry, slots[i], views[i].bytes);
}

int64_t largest_arena(const Program& program) {
  int64_t bytes = 0;
  for (const EntryPoint& entry : program.entries) bytes = std::max(bytes, entry.arena_bytes);
  return bytes;
}

}  // namespace

Context::Context(const Executable& executable, std::shared_ptr<State> state)
    : executable_(executable),
      state_(state ? std::move(state) : std::make_shared<State>(executable.program())),
      arena_(largest_arena(executable.program()), "the arena"),
      scratch_stride_((executable.program().scratch_bytes + 63) / 64 * 64) {
  NETC_CHECK(state_->size() == program().state_bytes, "the shared state belongs to another program");
  for (const EntryPoint& entry : program().entries) entries_.push_back(prepare(entry));
}

Context::PreparedEntry Context::prepare(const EntryPoint& entry) const {
  PreparedEntry prepared{&entry, {}, {}};
  auto check_range = [&](const BufferRef& ref, int64_t bytes, const std::string& what) {
    int64_t size = ref.space == Space::state ? program().state_bytes : entry.arena_bytes;
    NETC_CHECK(ref.offset >= 0 && ref.offset + bytes <= size,
               what + " of entry " + entry.name + " is out of bounds");
  };
  for (const std::vector<IoSlot>* slots : {&entry.inputs, &entry.outputs})
    for (const IoSlot& slot : *slots) check_range(slot.buffer, slot.type.bytes(), slot.name);
  size_t operands = 0;
  for (const Launch& l : entry.launches) operands += l.operands.size();
  prepared.offsets.reserve(operands);  // PreparedLaunch points into it
  prepared.launches.reserve(entry.launches.size());
  for (const Launch& l : entry.launches) {
    NETC_CHECK(l.kernel >= 0 && l.kernel < static_cast<int32_t>(program().kernels.size()), "no such kernel");
    const KernelInfo& kernel = program().kernels[static_cast<size_t>(l.kernel)];
    NETC_CHECK(l.operands.size() == kernel.operand_spaces.size(),
               kernel.symbol + ": wrong number of operands");
    const int64_t* offsets = prepared.offsets.data() + prepared.offsets.size();
    for (size_t i = 0; i < l.operands.size(); ++i) {
      NETC_CHECK(l.operands[i].space == kernel.operand_spaces[i],
                 kernel.symbol + ": operand in the wrong space");
      check_range(l.operands[i], 0, "an operand of " + kernel.symbol);
      prepared.offsets.push_back(l.operands[i].offset);
    }
    prepared.launches.push_back({executable_.function(l.kernel), offsets, l.tasks});
  }
  return prepared;
}

std::span<std::byte> Context::buffer(const IoSlot& slot) {
  std::byte* base = slot.buffer.space == Space::state ? state_->data() : arena_.data();
  return {base + slot.buffer.offset, static_cast<size_t>(slot.type.bytes())};
}

void Context::launch(const PreparedLaunch& l, const RuntimeScalars& scalars, Executor& executor) {
  executor.parallel_for(l.tasks, [&](int worker, int64_t first, int64_t last) {
    FloatMode mode;
    KernelArgs args{l.offsets, &scalars, scratch_.data() + worker * scratch_stride_};
    l.function(state_->data(), arena_.data(), &args, first, last);
  });
  if (const std::string fault = executable_.take_fault(); !fault.empty()) throw RuntimeError("E0931", fault);
}

// Nothing after the first run of an entry.
void Context::get_memory(const EntryPoint& entry, Executor& executor) {
  if (scratch_.size() < executor.workers() * scratch_stride_) {  // the first run, or a larger executor
    scratch_ = MemoryBlock(executor.workers() * scratch_stride_, "the workers' scratch memory");
    scratch_.populate(scratch_.size(), executor);
  }
  if (populated_ < entry.arena_bytes) {
    arena_.populate(entry.arena_bytes, executor);
    populated_ = entry.arena_bytes;
  }
}

void Context::run(const std::string& name, std::span<const InputView> inputs,
                  std::span<const OutputView> outputs, const RuntimeScalars& scalars, Executor& executor) {
  auto found = std::find_if(entries_.begin(), entries_.end(),
                            [&](const PreparedEntry& e) { return e.entry->name == name; });
  if (found == entries_.end()) throw RuntimeError("E0912", "the program has no entry `" + name + "`");
  const EntryPoint& entry = *found->entry;
  check_views("input", entry, entry.inputs, inputs);
  check_views("output", entry, entry.outputs, outputs);
  get_memory(entry, executor);

  for (size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i].data) copy(buffer(entry.inputs[i]).data(), inputs[i].data, inputs[i].bytes, executor);
  if (!profile_) {
    for (const PreparedLaunch& l : found->launches) launch(l, scalars, executor);
  } else {
    profile_->resize(found->launches.size());
    for (size_t i = 0; i < found->launches.size(); ++i) {
      auto start = std::chrono::steady_clock::now();
      launch(found->launches[i], scalars, executor);
      (*profile_)[i] += (std::chrono::steady_clock::now() - start) / std::chrono::nanoseconds(1);
    }
  }
  for (size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i].data) copy(outputs[i].data, buffer(entry.outputs[i]).data(), outputs[i].bytes, executor);
}

}  // namespace netc
