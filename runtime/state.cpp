#include "runtime/state.h"

#include <cstring>
#include <utility>

#include "compiler/base/error.h"

namespace netc {

State::State(const Program& program)
    : State(program, MemoryBlock(program.state_bytes, "the network's state")) {}

State::State(const Program& program, MemoryBlock memory) : slots_(program.state), block_(std::move(memory)) {
  NETC_CHECK(block_.size() == program.state_bytes, "memory of another size than the state's");
  for (size_t i = 0; i < slots_.size(); ++i) {
    const StateSlot& slot = slots_[i];
    NETC_CHECK(slot.offset >= 0 && slot.offset + slot.bytes() <= program.state_bytes,
               "state slot " + slot.path + " lies outside the state");
    NETC_CHECK(index_.emplace(slot.path, i).second, "two state slots are named " + slot.path);
  }
}

const StateSlot* State::find(const std::string& path) const {
  auto it = index_.find(path);
  return it == index_.end() ? nullptr : &slots_[it->second];
}

namespace {

// Calls move(dense, stored) for the bytes of every element.
template <class Move>
void for_each_element(const StateSlot& slot, const Move& move) {
  const int64_t size = size_of(slot.type.dtype);
  int64_t dense = 0;
  for (int64_t position : element_positions(slot.layout, slot.type.shape)) move(size * dense++, size * position);
}

}  // namespace

std::vector<std::byte> State::read(const StateSlot& slot) const {
  const std::byte* stored = data() + slot.offset;
  const auto count = static_cast<size_t>(slot.type.bytes()), size = static_cast<size_t>(size_of(slot.type.dtype));
  if (slot.layout.dense()) return {stored, stored + count};
  std::vector<std::byte> values(count);
  for_each_element(slot, [&](int64_t to, int64_t from) { std::memcpy(values.data() + to, stored + from, size); });
  return values;
}

void State::write(const StateSlot& slot, std::span<const std::byte> values) {
  NETC_CHECK(static_cast<int64_t>(values.size()) == slot.type.bytes(), slot.path + " is " + to_string(slot.type));
  std::byte* stored = data() + slot.offset;
  const auto size = static_cast<size_t>(size_of(slot.type.dtype));
  if (slot.layout.dense()) std::memcpy(stored, values.data(), values.size());
  else for_each_element(slot, [&](int64_t from, int64_t to) { std::memcpy(stored + to, values.data() + from, size); });
}

std::span<std::byte> State::bytes(const StateSlot& slot) const {
  NETC_CHECK(slot.layout.dense(), slot.path + " lies in the layout " + to_string(slot.layout));
  return block_.bytes().subspan(static_cast<size_t>(slot.offset), static_cast<size_t>(slot.type.bytes()));
}

std::span<float> State::floats(const StateSlot& slot) const {
  NETC_CHECK(slot.type.dtype == DType::f32, slot.path + " is " + to_string(slot.type));
  std::span<std::byte> raw = bytes(slot);
  return {reinterpret_cast<float*>(raw.data()), raw.size() / sizeof(float)};
}

}  // namespace netc
