#include "runtime/cuda_emulation/block_runner.h"

#include <cstdlib>
#include <cstring>

#include "compiler/base/error.h"

namespace netc {

using netc_emulation::Int;
using netc_emulation::LaneArguments;
using netc_emulation::Operation;
using netc_emulation::Thread;
using netc_emulation::Word;

namespace {
constexpr int kMaxThreads = 1024;
}

const netc_emulation::Services BlockRunner::kServices = {
    [](Thread* t, int line, const char* what, Int a, Int b) {
      of(t).fail(t, line,
                 std::string(what) + " (" + std::to_string(a) + " of " + std::to_string(b) + " bytes)");
    },
    [](Thread* t, int line) { of(t).barrier(t, line); },
    [](Thread* t, int line, Operation operation, LaneArguments* arguments) {
      of(t).warp(t, line, operation, arguments);
    },
    [](Thread* t, int line, Word address, int bytes, bool write) {
      return of(t).shared(t, line, address, bytes, write);
    },
    [](Thread* t, int line, Word address, const void* from, int bytes, int valid) {
      of(t).copy_async(t, line, {address, from, bytes, valid});
    },
    [](Thread* t) {
      EmulatedThread& thread = of(t).current(t);
      thread.copy_groups.push_back(std::move(thread.open_copies));
      thread.open_copies.clear();
    },
    [](Thread* t, int line, int pending) { of(t).wait_copies(t, line, pending); },
    nullptr,
};

const netc_emulation::Services BlockRunner::kCountingServices = [] {
  netc_emulation::Services services = kServices;
  services.touch = [](Thread* t, const void* at, int bytes, bool write) {
    BlockRunner& runner = of(t);
    (write ? runner.counts_->unique_written_bytes : runner.counts_->unique_read_bytes) +=
        runner.unique_->touch(at, bytes, write);
  };
  return services;
}();

BlockRunner::BlockRunner() : stacks_(kMaxThreads) {}

void BlockRunner::enter(void* argument) {
  auto* header = static_cast<Thread*>(argument);
  BlockRunner& runner = of(header);
  runner.kernel_->run(runner.scalars_, runner.operands_, runner.kernel_->extents);
  runner.wait(header, State::ended, 0);
}

std::string BlockRunner::run(const netc_emulation::Kernel& kernel, const void* scalars,
                             const netc_emulation::Operand* operands, unsigned block,
                             EmulationCounts& counts, UniqueBytes* unique) {
  NETC_CHECK(kernel.threads > 0 && kernel.threads <= kMaxThreads && kernel.threads % kWarpLanes == 0,
             "blocks are whole warps");
  kernel_ = &kernel;
  scalars_ = scalars;
  counts_ = &counts;
  unique_ = unique;
  operands_ = operands;
  block_ = block;
  fault_.clear();
  epoch_ = 0;
  at_barrier_ = 0;
  running_ = kernel.threads;
  shared_.reset(kernel.shared_bytes);
  warps_.assign(static_cast<size_t>(kernel.threads / kWarpLanes), Warp{});
  threads_.resize(static_cast<size_t>(kernel.threads));
  for (int i = 0; i < kernel.threads; ++i) {
    EmulatedThread& thread = threads_[static_cast<size_t>(i)];
    thread.state = State::ready;
    thread.open_copies.clear();
    thread.copy_groups.clear();
    thread.header = reinterpret_cast<Thread*>(stacks_.at(i));
    *thread.header = {unique ? &kCountingServices : &kServices, this, static_cast<Word>(i), block, 0, 0};
    thread.fibre.start(stacks_.at(i), enter, thread.header);
  }
  while (running_ > 0 && fault_.empty()) {
    bool progress = false;
    for (int i = 0; i < kernel.threads && fault_.empty(); ++i) {
      EmulatedThread& thread = threads_[static_cast<size_t>(block % 2 == 0 ? i : kernel.threads - 1 - i)];
      if (thread.state != State::ready) continue;
      progress = true;
      thread.fibre.resume();
      if (thread.state == State::ended) --running_;
    }
    if (!progress) fault_ = deadlock();
  }
  counts.blocks += 1;
  counts.threads += static_cast<uint64_t>(kernel.threads);
  for (const EmulatedThread& thread : threads_) {
    counts.read_bytes += thread.header->read_bytes;
    counts.written_bytes += thread.header->written_bytes;
  }
  return fault_.empty() ? fault_
                        : std::string(kernel.name) + ", block " + std::to_string(block) + ": " + fault_;
}

void BlockRunner::wait(Thread* thread, State state, int line) {
  EmulatedThread& t = current(thread);
  t.state = state;
  t.line = line;
  t.fibre.leave();
}

// The block ends here; its other fibres are not resumed.
void BlockRunner::fail(Thread* thread, int line, const std::string& what) {
  fault_ = "line " + std::to_string(line) + ", thread " + std::to_string(thread->thread) + ": " + what;
  current(thread).fibre.leave();
  std::abort();  // never resumed
}

void BlockRunner::barrier(Thread* thread, int line) {
  if (at_barrier_ > 0 && barrier_line_ != line)
    fail(thread, line,
         "a divergent barrier: other threads wait at the one of line " + std::to_string(barrier_line_));
  barrier_line_ = line;
  if (++at_barrier_ < static_cast<int>(threads_.size())) return wait(thread, State::at_barrier, line);
  at_barrier_ = 0;
  ++epoch_;
  for (EmulatedThread& t : threads_)
    if (t.state == State::at_barrier) t.state = State::ready;
}

SharedMemory::Access BlockRunner::access(const Thread* thread) const {
  return {thread->thread, epoch_, warps_[thread->thread / kWarpLanes].epoch};
}

void BlockRunner::warp(Thread* thread, int line, Operation operation, LaneArguments* arguments) {
  const size_t first = thread->thread / kWarpLanes * kWarpLanes;
  Warp& warp = warps_[thread->thread / kWarpLanes];
  if (warp.arrived > 0 && (warp.line != line || warp.operation != operation))
    fail(thread, line,
         "a divergent warp operation: other lanes wait at the one of line " + std::to_string(warp.line));
  warp.line = line;
  warp.operation = operation;
  warp.lanes[thread->thread % kWarpLanes] = arguments;
  if (++warp.arrived < kWarpLanes) return wait(thread, State::in_warp, line);
  warp.arrived = 0;
  std::array<SharedMemory::Access, kWarpLanes> accesses;
  for (size_t lane = 0; lane < kWarpLanes; ++lane) {
    EmulatedThread& t = threads_[first + lane];
    accesses[lane] = access(t.header);
    if (t.state == State::in_warp) t.state = State::ready;
  }
  if (operation == Operation::synchronise_warp) ++warp.epoch;
  const std::string problem = run_warp_operation(operation, warp.lanes, shared_, accesses);
  if (!problem.empty()) fail(thread, line, problem);
}

unsigned char* BlockRunner::shared(Thread* thread, int line, unsigned address, int bytes, bool write) {
  const std::string problem = shared_.check(address, bytes, write, access(thread));
  if (!problem.empty()) fail(thread, line, problem);
  return shared_.data() + address;
}

void BlockRunner::copy_async(Thread* thread, int line, const Copy& copy) {
  std::memset(shared(thread, line, copy.address, copy.bytes, true), 0xff, static_cast<size_t>(copy.bytes));
  current(thread).open_copies.push_back(copy);
}

void BlockRunner::wait_copies(Thread* thread, int line, int pending) {
  std::vector<std::vector<Copy>>& groups = current(thread).copy_groups;
  while (groups.size() > static_cast<size_t>(pending)) {
    for (const Copy& copy : groups.front()) {
      unsigned char* to = shared(thread, line, copy.address, copy.bytes, true);
      std::memset(to, 0, static_cast<size_t>(copy.bytes));
      if (copy.valid > 0) std::memcpy(to, copy.from, static_cast<size_t>(copy.valid));
    }
    groups.erase(groups.begin());
  }
}

std::string BlockRunner::deadlock() const {
  std::string text = "a deadlock:";
  int listed = 0;
  for (size_t i = 0; i < threads_.size() && listed < 4; ++i) {
    const EmulatedThread& t = threads_[i];
    if (i > 0 && t.state == threads_[i - 1].state && t.line == threads_[i - 1].line) continue;
    ++listed;
    text += " thread " + std::to_string(i) +
            (t.state == State::ended        ? " has ended"
             : t.state == State::at_barrier ? " waits at the barrier of line " + std::to_string(t.line)
                                            : " waits for its warp in line " + std::to_string(t.line)) +
            ";";
  }
  text.pop_back();
  return text;
}

}  // namespace netc
