#include "compiler/api/predictor.h"

#include <algorithm>
#include <cstring>

#include "compiler/base/error.h"
#include "compiler/base/random.h"

namespace netc {
namespace {

const EntryPoint& require_entry(const Executable& executable, const std::string& name) {
  const EntryPoint* entry = executable.program().find_entry(name);
  NETC_CHECK(entry, "no entry " + name);
  return *entry;
}

}  // namespace

Predictor::Predictor(const Executable& executable, std::shared_ptr<State> state, const std::string& entry,
                     Executor& executor)
    : entry_(&require_entry(executable, entry)), context_(executable, std::move(state)), executor_(executor) {
  for (const IoSlot& slot : entry_->inputs)
    if (!slot.type.shape.empty()) batch_ = slot.type.shape[0];
  inputs_.resize(entry_->inputs.size());
  outputs_.resize(entry_->outputs.size());
}

void Predictor::run(int64_t count, RuntimeScalars scalars) {
  if (count < batch_)
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const std::span<std::byte> bytes = input(i);
      const auto used = static_cast<size_t>(count * sample_bytes(entry_->inputs[i]));
      std::memset(bytes.data() + used, 0, bytes.size() - used);
    }
  scalars.valid_count = count;
  context_.run(entry_->name, inputs_, outputs_, scalars, executor_);
}

int64_t sample_bytes(const IoSlot& slot) {
  return slot.type.shape.empty() ? slot.type.bytes() : slot.type.bytes() / slot.type.shape[0];
}

void fill_random(const IoSlot& slot, std::span<std::byte> bytes, uint64_t seed, int64_t first, int64_t classes) {
  const uint32_t path = path_key("input/" + slot.name);
  const int64_t size = size_of(slot.type.dtype), per_sample = std::max<int64_t>(1, sample_bytes(slot) / size);
  const auto count = static_cast<int64_t>(bytes.size()) / size;
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t bits = random_bits(seed, path, 0, static_cast<uint64_t>(first + i / per_sample), static_cast<uint64_t>(i % per_sample));
    std::byte* to = bytes.data() + i * size;
    const auto put = [&](auto value) { std::memcpy(to, &value, sizeof value); };
    switch (slot.type.dtype) {
      case DType::f32: put(static_cast<float>(2 * uniform_from_bits(bits) - 1)); break;
      case DType::u8: put(static_cast<uint8_t>(bits >> 24)); break;
      case DType::i32: put(static_cast<int32_t>(bits % std::max<int64_t>(1, classes))); break;
      case DType::i64: put(static_cast<int64_t>(bits % std::max<int64_t>(1, classes))); break;
      case DType::f16:
      case DType::bf16: NETC_CHECK(false, "no random values of this type"); break;
    }
  }
}

}  // namespace netc
