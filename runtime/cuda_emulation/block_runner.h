// Runs blocks of an emulated kernel on the calling thread, one fibre a CUDA thread.
//
// Fibres run in turn, each until it waits: at a barrier for the block, at a warp operation for its warp.
// Every second block runs its threads in reverse order. A thread that waits for others that have ended, or
// wait elsewhere, is a fault. Asynchronous copies write NaN where they will land, and land when the thread
// waits for them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/cuda_emulation/fibre.h"
#include "runtime/cuda_emulation/shared_memory.h"
#include "runtime/cuda_emulation/unique_bytes.h"
#include "runtime/cuda_emulation/warp_operations.h"

namespace netc {

struct EmulationCounts {
  uint64_t blocks = 0, threads = 0;
  uint64_t read_bytes = 0, written_bytes = 0;                // of global memory, by every thread
  uint64_t unique_read_bytes = 0, unique_written_bytes = 0;  // each byte once a launch, where they are counted
};

class BlockRunner {
 public:
  BlockRunner();

  // Returns what went wrong ("…: threads 3 and 4 both write …"), or an empty string. Adds to `counts`; unique
  // bytes if `unique` has those of the launch's other blocks.
  std::string run(const netc_emulation::Kernel& kernel, const void* scalars,
                  const netc_emulation::Operand* operands, unsigned block, EmulationCounts& counts,
                  UniqueBytes* unique = nullptr);

 private:
  enum class State : uint8_t { ready, at_barrier, in_warp, ended };
  struct Copy {
    unsigned address;
    const void* from;
    int bytes, valid;
  };
  struct EmulatedThread {
    Fibre fibre;
    netc_emulation::Thread* header = nullptr;
    State state = State::ready;
    int line = 0;                                // where it waits
    std::vector<Copy> open_copies;               // not committed yet
    std::vector<std::vector<Copy>> copy_groups;  // oldest first
  };
  struct Warp {
    int arrived = 0, line = 0;
    netc_emulation::Operation operation{};
    Lanes lanes{};
    unsigned epoch = 0;
  };

  static const netc_emulation::Services kServices, kCountingServices;
  static BlockRunner& of(netc_emulation::Thread* thread) {
    return *static_cast<BlockRunner*>(thread->emulator);
  }
  static void enter(void* thread);
  EmulatedThread& current(netc_emulation::Thread* thread) { return threads_[thread->thread]; }

  void wait(netc_emulation::Thread* thread, State state, int line);
  void barrier(netc_emulation::Thread* thread, int line);
  void warp(netc_emulation::Thread* thread, int line, netc_emulation::Operation operation,
            netc_emulation::LaneArguments* arguments);
  unsigned char* shared(netc_emulation::Thread* thread, int line, unsigned address, int bytes, bool write);
  void copy_async(netc_emulation::Thread* thread, int line, const Copy& copy);
  void wait_copies(netc_emulation::Thread* thread, int line, int pending);
  [[noreturn]] void fail(netc_emulation::Thread* thread, int line, const std::string& what);
  std::string deadlock() const;
  SharedMemory::Access access(const netc_emulation::Thread* thread) const;

  FibreStacks stacks_;
  std::vector<EmulatedThread> threads_;
  std::vector<Warp> warps_;
  SharedMemory shared_;
  const netc_emulation::Kernel* kernel_ = nullptr;
  const netc_emulation::Operand* operands_ = nullptr;
  const void* scalars_ = nullptr;
  EmulationCounts* counts_ = nullptr;
  UniqueBytes* unique_ = nullptr;
  int running_ = 0, at_barrier_ = 0, barrier_line_ = 0;
  unsigned epoch_ = 0, block_ = 0;
  std::string fault_;
};

}  // namespace netc
