#include "runtime/context.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "compiler/base/error.h"

namespace netc {
namespace {

constexpr int64_t kParallelCopy = int64_t{1} << 20;  // bytes from which a copy uses all workers
constexpr int64_t kCopyTask = int64_t{256} << 10;

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

// What is wrong here would be an access outside of memory later.
void check_entry(const Program& program, const EntryPoint& entry) {
  const auto check_range = [&](const BufferRef& ref, int64_t bytes, const std::string& what) {
    const int64_t size = ref.space == Space::state ? program.state_bytes : entry.arena_bytes;
    NETC_CHECK(ref.offset >= 0 && ref.offset + bytes <= size,
               what + " of entry " + entry.name + " is out of bounds");
  };
  for (const std::vector<IoSlot>* slots : {&entry.inputs, &entry.outputs})
    for (const IoSlot& slot : *slots) check_range(slot.buffer, slot.type.bytes(), slot.name);
  for (const Launch& l : entry.launches) {
    NETC_CHECK(l.stream >= 0, "no such stream");
    for (int32_t other : l.waits) NETC_CHECK(other >= 0 && other < &l - entry.launches.data(), "a launch waits for a later one");
    NETC_CHECK(l.kernel >= 0 && l.kernel < static_cast<int32_t>(program.kernels.size()), "no such kernel");
    const KernelInfo& kernel = program.kernels[static_cast<size_t>(l.kernel)];
    NETC_CHECK(l.operands.size() == kernel.operand_spaces.size(),
               kernel.symbol + ": wrong number of operands");
    for (size_t i = 0; i < l.operands.size(); ++i) {
      NETC_CHECK(l.operands[i].space == kernel.operand_spaces[i],
                 kernel.symbol + ": operand in the wrong space");
      check_range(l.operands[i], 0, "an operand of " + kernel.symbol);
    }
  }
}

// The run's end, whose failure another error hides.
void wait_and_forget(DeviceContext& device) {
  try {
    device.wait();
  } catch (const RuntimeError&) {  // what came first is what is told
  }
}

}  // namespace

void DeviceContext::stage_inputs(size_t, const WriteInput&) {
  throw InternalError("this device takes inputs only when it runs");
}

Context::Context(const Executable& executable, std::shared_ptr<State> state)
    : executable_(executable), state_(state ? std::move(state) : executable.make_state()) {
  NETC_CHECK(state_->size() == program().state_bytes, "the shared state belongs to another program");
  for (const EntryPoint& entry : program().entries) check_entry(program(), entry);
  device_ = executable_.make_context(state_);
}

size_t Context::find(const std::string& name) const {
  const std::vector<EntryPoint>& entries = program().entries;
  const auto found =
      std::find_if(entries.begin(), entries.end(), [&](const EntryPoint& e) { return e.name == name; });
  if (found == entries.end()) throw RuntimeError("E0912", "the program has no entry `" + name + "`");
  return static_cast<size_t>(found - entries.begin());
}

void Context::run(const std::string& name, std::span<const InputView> inputs,
                  std::span<const OutputView> outputs, const RuntimeScalars& scalars, Executor& executor,
                  const RunOptions& options) {
  const size_t number = find(name);
  const EntryPoint& entry = program().entries[number];
  check_views("input", entry, entry.inputs, inputs);
  check_views("output", entry, entry.outputs, outputs);
  NETC_CHECK(!options.staged || staged_ == number, "no inputs are staged for entry " + name);
  device_->get_memory(entry, executor);

  for (size_t i = 0; i < inputs.size() && !options.staged; ++i)
    if (inputs[i].data) copy(buffer(entry.inputs[i]).data(), inputs[i].data, inputs[i].bytes, executor);
  if (profile_) profile_->resize(entry.launches.size());
  if (options.staged) staged_.reset();
  device_->start(number, scalars, executor, profile_, options.staged);
  if (options.meanwhile) {
    try {
      options.meanwhile();
    } catch (...) {
      wait_and_forget(*device_);
      throw;
    }
  }
  device_->wait();
  for (size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i].data) copy(outputs[i].data, buffer(entry.outputs[i]).data(), outputs[i].bytes, executor);
}

void Context::stage_inputs(const std::string& name, std::span<const InputView> inputs, Executor& executor) {
  NETC_CHECK(stages_inputs(), "this device takes inputs only when it runs");
  const size_t number = find(name);
  const EntryPoint& entry = program().entries[number];
  check_views("input", entry, entry.inputs, inputs);
  for (const InputView& input : inputs)
    NETC_CHECK(input.data, "an input of entry " + name + " has no data to stage");
  staged_.reset();
  device_->stage_inputs(
      number, [&](size_t i, std::byte* to) { copy(to, inputs[i].data, inputs[i].bytes, executor); });
  staged_ = number;
}

}  // namespace netc
