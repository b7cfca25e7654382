// The named state that a program's entries share: parameters, BN buffers, gradients, moments.
//
//   State state(executable.program());
//   const StateSlot* w = state.find("fc.weight");
//   std::span<float> values = state.floats(*w);      // dense, row-major
#pragma once

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

  std::byte* data() const { return block_.data(); }
  int64_t size() const { return block_.size(); }
  const std::vector<StateSlot>& slots() const { return slots_; }

  const StateSlot* find(const std::string& path) const;  // null where there is none
  std::span<std::byte> bytes(const StateSlot& slot) const;
  // REQUIRES: slot.type.dtype is f32.
  std::span<float> floats(const StateSlot& slot) const;

 private:
  std::vector<StateSlot> slots_;
  std::unordered_map<std::string, size_t> index_;
  MemoryBlock block_;
};

}  // namespace netc
