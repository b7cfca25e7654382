// A libcuda for tests: it keeps what it is told in this process's memory, notes every call, fails on demand,
// and runs kernels that were compiled for the emulation. Cubins are taken too, and their launches only noted.
//
// Strict where the driver leaves things undefined: memory is full of NaN at first, calls without a current
// context fail, a kernel's operands must lie within allocations, and what a stream captures is not run.
#pragma once

#include <cstddef>

// Of all orders in which the work of streams may run:
enum class FakeCudaOrder : int {
  as_called,     // each piece at once; a graph's as they were recorded
  late,          // only what somebody waits for; in graphs the last piece that may run
  newest_first,  // streams that were made later at once, the first one when somebody waits; in graphs by
                 // chance
};

extern "C" {

// What there is; the state of a process that starts. Everything that was made before must be gone.
struct FakeCudaMachine {
  int devices = 1;
  int major = 9, minor = 0;
  size_t memory = size_t{1} << 30;
  int concurrent_managed_access = 1;
  FakeCudaOrder order = FakeCudaOrder::as_called;
};
void fake_cuda_reset(const FakeCudaMachine* machine);
// The `count`-th call of `function` from now on gives `result`, and does nothing.
void fake_cuda_fail(const char* function, int count, int result);
// All calls since the last reset, a line each, without those that only ask.
const char* fake_cuda_log();
// Contexts, modules, memory, streams, events and graphs that were made and not destroyed. A context whose
// kernel failed ends with all that it held.
int fake_cuda_alive();
}
