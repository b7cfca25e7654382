// A compiled program as plain data (decision 4): relocatable objects, the kernel table, launches,
// the buffer plan and the layout of the state. No address is baked in, so a Program can be hashed,
// cached, shipped and run by many callers at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "compiler/base/init_spec.h"
#include "compiler/base/layout.h"
#include "compiler/base/shape.h"

namespace netc {

// Numbers that may change from run to run without compiling. Kernels read them by field.
struct RuntimeScalars {
  int64_t seed = 0;          // of the run
  int64_t step = 0;          // optimizer steps done before this one
  int64_t valid_count = 0;   // samples of this batch that count; the rest is padding
  int64_t first_sample = 0;  // index of this batch's first sample within the epoch or data set
  float learning_rate = 0;
  float loss_scale = 1;
};

// What a kernel gets besides the two base pointers.
struct KernelArgs {
  const int64_t* offsets;          // per operand: its byte offset from its space's base
  const RuntimeScalars* scalars;
  std::byte* scratch;              // of the calling worker, Program::scratch_bytes, 64-byte aligned
};

// Computes tasks first..last-1 of one launch. Tasks are independent of each other.
using KernelFunction = void (*)(std::byte* state, std::byte* arena, const KernelArgs* args, int64_t first_task,
                                int64_t last_task);

enum class Space : uint8_t { state, arena };

struct BufferRef {
  Space space = Space::arena;
  int64_t offset = 0;  // bytes, a multiple of the element size
};

struct KernelInfo {
  std::string symbol;
  std::vector<Space> operand_spaces;
  int32_t threads = 0, shared_bytes = 0;  // of a block; a GPU's kernels only
};

struct Launch {
  int32_t kernel = 0;            // into Program::kernels
  std::vector<BufferRef> operands;
  int64_t tasks = 1;             // from shapes and target only (decision 7)
  std::string label;             // for people: "stage.0.conv0 + bn + relu (resnet.net:12)"
  int64_t flops = 0, bytes = 0;  // per launch: multiply-add is 2; bytes read and written at least once
  int32_t stream = 0;            // of a GPU; launches of one stream run in their order
  std::vector<int32_t> waits{};  // earlier launches of other streams that must have ended
};

struct IoSlot {
  std::string name;
  TensorType type;   // with the batch extent first
  BufferRef buffer;  // dense row-major
};

struct EntryPoint {
  std::string name;  // "predict", "eval", "grad", "apply", "step"
  std::vector<IoSlot> inputs, outputs;
  std::vector<Launch> launches;  // run in this order, or side by side as their streams and waits allow
  int64_t arena_bytes = 0;
};

enum class StateKind : uint8_t {
  parameter,  // trained
  buffer,     // belongs to the model and is not trained: BN's running statistics
  gradient,   // of a parameter
  moment,     // the optimizer's
  prepared,   // computed from the others by the entry "prepare" (passes/hoist.h); never stored
};

struct StateSlot {
  std::string path;  // "stage.0.conv0.weight"; moments: "momentum/stage.0.conv0.weight"
  TensorType type;
  StateKind kind = StateKind::parameter;
  InitSpec init;
  int64_t offset = 0;  // bytes from the state's base
  Layout layout{};     // in which kernels see it; padding is always 0

  int64_t bytes() const { return element_count(physical_shape(layout, type.shape)) * size_of(type.dtype); }
};

struct Program {
  std::vector<std::vector<std::byte>> objects;  // relocatable ELF; cubins
  std::vector<KernelInfo> kernels;
  std::vector<EntryPoint> entries;
  std::vector<StateSlot> state;
  int64_t state_bytes = 0;
  int64_t scratch_bytes = 0;  // per worker
  std::string target;         // "x86-64 znver5 +avx512f…": results are bitwise the same on one target only

  const EntryPoint* find_entry(const std::string& name) const {
    for (const EntryPoint& e : entries)
      if (e.name == name) return &e;
    return nullptr;
  }
};

}  // namespace netc
