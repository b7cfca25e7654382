// The named state that a program's entries share: parameters, BN buffers, gradients, moments.
//
//   State state(executable.program());
//   const StateSlot* w = state.find("fc.weight");
//   std::vector<std::byte> values = state.read(*w);   // dense, row-major
//   state.write(*w, values);
//
// Kernels may see a variable in another layout (StateSlot::layout); everybody else sees dense tensors.
#pragma once

#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "compiler/base/program.h"
#include "runtime/memory.h"

namespace netc {

// Zeroed at first. One writer at a time; entries that only read it may run in many Contexts at once.
class State {
 public:
  explicit State(const Program& program);
  // In memory of the caller's. REQUIRES: `memory` is zeroed and has program.state_bytes.
  State(const Program& program, MemoryBlock memory);

  std::byte* data() const { return block_.data(); }
  int64_t size() const { return block_.size(); }
  const MemoryBlock& memory() const { return block_; }
  const std::vector<StateSlot>& slots() const { return slots_; }

  const StateSlot* find(const std::string& path) const;  // null where there is none
  // Dense, row-major copies. REQUIRES: the sizes agree.
  std::vector<std::byte> read(const StateSlot& slot) const;
  void write(const StateSlot& slot, std::span<const std::byte> values);

  // In place. REQUIRES: slot.layout is dense; floats: slot.type.dtype is f32.
  std::span<std::byte> bytes(const StateSlot& slot) const;
  std::span<float> floats(const StateSlot& slot) const;

 private:
  std::vector<StateSlot> slots_;
  std::unordered_map<std::string, size_t> index_;
  MemoryBlock block_;
};

}  // namespace netc
