#include "runtime/cuda_emulation/fibre.h"

#include <sys/mman.h>

#include "compiler/base/error.h"

#if !defined(__x86_64__)
#error "the fibres of the CUDA emulation are written for x86-64"
#endif

// netc_switch_stacks(void** save, void* to): pushes the preserved registers, stores the stack pointer in
// *save, and goes on on the stack `to`. netc_enter_fibre: the first resume returns here, with the entry and
// its argument in r12 and r13.
asm(R"(
.text
.type netc_switch_stacks, @function
netc_switch_stacks:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size netc_switch_stacks, .-netc_switch_stacks
.type netc_enter_fibre, @function
netc_enter_fibre:
  movq %r13, %rdi
  call *%r12
  ud2
.size netc_enter_fibre, .-netc_enter_fibre
)");

extern "C" {
void netc_switch_stacks(void** save, void* to);
void netc_enter_fibre();
}

namespace netc {

using netc_emulation::kStackBytes;

namespace {
constexpr size_t kPage = 4096;
}

FibreStacks::FibreStacks(int count) {
  mapped_ = (static_cast<size_t>(count) + 1) * 2 * kStackBytes;
  mapping_ =
      mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping_ == MAP_FAILED) {
    mapping_ = nullptr;
    throw RuntimeError("E0911",
                       "out of memory: no stacks for " + std::to_string(count) + " emulated threads");
  }
  // A stack grows down to its lowest address, where the thread's state lies; the gap before it faults.
  const auto address = reinterpret_cast<uintptr_t>(mapping_);
  stacks_ = static_cast<std::byte*>(mapping_) + (2 * kStackBytes - address % kStackBytes);
  for (int i = 0; i < count; ++i) mprotect(at(i) - kPage, kPage, PROT_NONE);
}

FibreStacks::~FibreStacks() {
  if (mapping_) munmap(mapping_, mapped_);
}

void Fibre::start(std::byte* stack, void (*entry)(void*), void* argument) {
  auto** top = reinterpret_cast<void**>(stack + kStackBytes);
  *--top = nullptr;  // keeps the stack aligned as a call does
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(&netc_enter_fibre);
  *--top = nullptr;                         // rbp
  *--top = nullptr;                         // rbx
  *--top = reinterpret_cast<void*>(entry);  // r12
  *--top = argument;                        // r13
  *--top = nullptr;                         // r14
  *--top = nullptr;                         // r15
  inside_ = top;
}

void Fibre::resume() {
  netc_switch_stacks(&outside_, inside_);
}
void Fibre::leave() {
  netc_switch_stacks(&inside_, outside_);
}

}  // namespace netc
