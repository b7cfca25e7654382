// Fibres: functions with a stack of their own, that are left and resumed by hand on one thread. A switch
// saves the registers that x86-64's calling convention preserves and costs some nanoseconds, where
// swapcontext makes a system call.
//
//   FibreStacks stacks(256);
//   Fibre fibre;  fibre.start(stacks.at(0), [](void* p) { … leave … }, p);   fibre.resume();
#pragma once

#include <cstddef>
#include <cstdint>

#include "compiler/base/cuda_emulation_abi.h"

namespace netc {

// Stacks of netc_emulation::kStackBytes, each aligned to its size, with a page below it that faults.
class FibreStacks {
 public:
  // THROWS RuntimeError E0911 if there is not enough memory.
  explicit FibreStacks(int count);
  ~FibreStacks();
  FibreStacks(const FibreStacks&) = delete;
  FibreStacks& operator=(const FibreStacks&) = delete;
  std::byte* at(int number) const {
    return stacks_ + static_cast<size_t>(number) * 2 * netc_emulation::kStackBytes;
  }

 private:
  void* mapping_ = nullptr;
  size_t mapped_ = 0;
  std::byte* stacks_ = nullptr;
};

class Fibre {
 public:
  // Prepares `entry(argument)` to run at the next resume(). It must not return: it calls leave() for the last
  // time.
  void start(std::byte* stack, void (*entry)(void*), void* argument);
  // From outside: runs the fibre until it leaves.
  void resume();
  // From inside: back to where resume() was called.
  void leave();

 private:
  void* inside_ = nullptr;  // saved stack pointers
  void* outside_ = nullptr;
};

}  // namespace netc
