// What an emulated CUDA kernel and the emulator (runtime/cuda_emulation) say to each other. This file is
// compiled into netc, and its text stands in front of the emulated kernels, which the system's compiler
// builds: so it includes nothing.
#pragma once

namespace netc_emulation {

using Int = long;
using Word = unsigned int;

// A thread of the emulated block is a fibre; this is its state, at the lowest address of its stack, which is
// aligned to its size. So the current thread is found from the stack pointer.
constexpr unsigned long kStackBytes = 64 << 10;

enum class Operation : int {
  shuffle_xor,  // Word value, Int lane_mask -> Word
  synchronise_warp,
  load_matrices,  // Word address -> Word[4]
  load_matrices_transposed,
  multiply_f16,  // m16n8k16: Word a[4], b[2], float c[4] -> c
  multiply_bf16,
  multiply_tf32,  // m16n8k8
};

// Operands and result of a lane in a warp operation.
struct LaneArguments {
  Word a[4];
  Word b[2];
  float c[4];
  Word result[4];
};

struct Thread;

// What the emulator does for a kernel. `line`: of the kernel's text, for messages and to tell divergent calls
// apart.
struct Services {
  void (*fault)(Thread*, int line, const char* what, Int a, Int b);  // does not return
  void (*barrier)(Thread*, int line);
  void (*warp)(Thread*, int line, Operation, LaneArguments*);
  // Range, alignment and races of an access to shared memory; the address of its first byte.
  unsigned char* (*shared)(Thread*, int line, Word address, int bytes, bool write);
  void (*copy_async)(Thread*, int line, Word shared_address, const void* from, int bytes, int valid_bytes);
  void (*commit_copies)(Thread*);
  void (*wait_copies)(Thread*, int line, int pending);
  void (*touch)(Thread*, const void* at, int bytes, bool write);  // global memory; null: nobody counts unique bytes
};

struct Thread {
  const Services* services;
  void* emulator;  // the emulator's own
  Word thread, block;
  unsigned long read_bytes, written_bytes;  // of global memory
};

// Counts an access to global memory.
inline void count_access(Thread* thread, const void* at, int bytes, bool write) {
  (write ? thread->written_bytes : thread->read_bytes) += static_cast<unsigned long>(bytes);
  if (thread->services->touch) thread->services->touch(thread, at, bytes, write);
}

inline Thread* this_thread() {
  return reinterpret_cast<Thread*>(reinterpret_cast<unsigned long>(__builtin_frame_address(0)) &
                                   ~(kStackBytes - 1));
}

// The memory of a kernel's operand.
struct Operand {
  unsigned char* data;
  Int bytes;
};

// A kernel, as the emulated code describes it; or a function, which has neither in_state, bytes nor extents.
struct Kernel {
  const char* name;
  void (*run)(const void* scalars, const Operand* operands,
              const void* extents);  // one thread of the current block
  int threads;
  int shared_bytes;
  int operands;
  const unsigned char* in_state;  // per operand: whether it lies in the state, not in the arena
  const Int* bytes;               // per operand: its extent
  const void* extents;            // the structure that the kernel takes last
  int extent_bytes;               // of it; 0: none
};

// The entry that emulated code is called by: KernelFunction of program.h with the kernel in front.
struct Host {
  void (*run_blocks)(const Host*, const Kernel*, unsigned char* state, unsigned char* arena, const void* args,
                     Int first, Int last);
};

}  // namespace netc_emulation
