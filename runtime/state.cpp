#include "runtime/state.h"

#include "compiler/base/error.h"

namespace netc {

State::State(const Program& program)
    : slots_(program.state), block_(program.state_bytes, "the network's state") {
  for (size_t i = 0; i < slots_.size(); ++i) {
    const StateSlot& slot = slots_[i];
    NETC_CHECK(slot.offset >= 0 && slot.offset + slot.type.bytes() <= program.state_bytes,
               "state slot " + slot.path + " lies outside the state");
    NETC_CHECK(index_.emplace(slot.path, i).second, "two state slots are named " + slot.path);
  }
}

const StateSlot* State::find(const std::string& path) const {
  auto it = index_.find(path);
  return it == index_.end() ? nullptr : &slots_[it->second];
}

std::span<std::byte> State::bytes(const StateSlot& slot) const {
  return block_.bytes().subspan(static_cast<size_t>(slot.offset), static_cast<size_t>(slot.type.bytes()));
}

std::span<float> State::floats(const StateSlot& slot) const {
  NETC_CHECK(slot.type.dtype == DType::f32, slot.path + " is " + to_string(slot.type));
  std::span<std::byte> raw = bytes(slot);
  return {reinterpret_cast<float*>(raw.data()), raw.size() / sizeof(float)};
}

}  // namespace netc
