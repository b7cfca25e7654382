#include "runtime/cuda/memory_plan.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace netc {
namespace {

std::string mebibytes(int64_t bytes) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
  return text.data();
}

const char* kind_name(StateKind kind) {
  switch (kind) {
    case StateKind::parameter:
      return "weights";
    case StateKind::buffer:
      return "buffers";
    case StateKind::gradient:
      return "gradients";
    case StateKind::moment:
      return "optimizer";
    case StateKind::prepared:
      return "prepared weights";
  }
  return "";
}

int64_t largest_arena(const Program& program) {
  int64_t bytes = 0;
  for (const EntryPoint& entry : program.entries) bytes = std::max(bytes, entry.arena_bytes);
  return bytes;
}

}  // namespace

int64_t largest_batch(const Program& program, int64_t available) {
  int64_t batch = 0;
  for (const EntryPoint& entry : program.entries)
    for (const IoSlot& slot : entry.inputs)
      if (!slot.type.shape.empty()) batch = std::max(batch, slot.type.shape[0]);
  const int64_t arena = largest_arena(program), left = available - program.state_bytes;
  if (batch == 0 || arena == 0 || left <= 0) return 0;
  return static_cast<int64_t>(static_cast<double>(left) / static_cast<double>(arena) *
                              static_cast<double>(batch));
}

std::string memory_plan(const Program& program, int64_t available) {
  std::array<int64_t, 5> state{};
  for (const StateSlot& slot : program.state) state.at(static_cast<size_t>(slot.kind)) += slot.bytes();
  std::string text = "the plan: state " + mebibytes(program.state_bytes) + " (";
  const char* separator = "";
  for (size_t kind = 0; kind < state.size(); ++kind) {
    if (state.at(kind) == 0) continue;
    text +=
        separator + std::string(kind_name(static_cast<StateKind>(kind))) + " " + mebibytes(state.at(kind));
    separator = ", ";
  }
  text += "), activations " + mebibytes(largest_arena(program)) + " (";
  separator = "";
  for (const EntryPoint& entry : program.entries) {
    text += separator + entry.name + " " + mebibytes(entry.arena_bytes);
    separator = ", ";
  }
  text += ")";
  if (const int64_t batch = largest_batch(program, available); batch > 0)
    text += "\n  a batch of about " + std::to_string(batch) + " would fit, by the size of the activations";
  else
    text += "\n  no batch would fit";
  return text;
}

}  // namespace netc
