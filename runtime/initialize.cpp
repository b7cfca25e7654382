#include "runtime/initialize.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "compiler/base/error.h"
#include "compiler/base/random.h"

namespace netc {
namespace {

// A standard normal number. `attempt` gives rejection sampling a fresh draw.
double standard_normal(uint64_t seed, uint32_t path, uint64_t element, uint32_t attempt) {
  std::array<uint32_t, 4> bits =
      philox4x32({static_cast<uint32_t>(element), attempt, 0, static_cast<uint32_t>(element >> 32)},
                 {static_cast<uint32_t>(seed) ^ path, static_cast<uint32_t>(seed >> 32)});
  constexpr double kUnit = 1.0 / (uint64_t{1} << 53);
  double u = static_cast<double>((((uint64_t{bits[0]} << 32) | bits[1]) >> 11) + 1) * kUnit;  // (0, 1]
  double v = static_cast<double>(((uint64_t{bits[2]} << 32) | bits[3]) >> 11) * kUnit;        // [0, 1)
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

template <class T>
void fill(State& state, const StateSlot& slot, uint64_t seed, Executor& executor) {
  constexpr int64_t kTask = 1 << 14;
  std::vector<T> values(static_cast<size_t>(slot.type.elements()));
  const auto count = static_cast<int64_t>(values.size());
  const uint32_t path = path_key(slot.path);
  executor.parallel_for((count + kTask - 1) / kTask, [&](int, int64_t first, int64_t last) {
    for (int64_t i = first * kTask; i < std::min(count, last * kTask); ++i)
      values[static_cast<size_t>(i)] =
          static_cast<T>(initial_value(slot.init, seed, path, static_cast<uint64_t>(i)));
  });
  state.write(slot, std::as_bytes(std::span<const T>(values)));
}

}  // namespace

double initial_value(const InitSpec& init, uint64_t seed, uint32_t path, uint64_t element) {
  switch (init.kind) {
    case InitSpec::Kind::constant:
      return init.a;
    case InitSpec::Kind::uniform:
      return init.a + (init.b - init.a) * uniform_from_bits(random_bits(seed, path, 0, 0, element));
    case InitSpec::Kind::normal:
      return init.a + init.b * standard_normal(seed, path, element, 0);
    case InitSpec::Kind::truncated_normal:
      for (uint32_t attempt = 0; attempt < 64; ++attempt) {  // one in 22 draws is refused
        double z = standard_normal(seed, path, element, attempt);
        if (std::abs(z) <= 2) return init.a + init.b * z;
      }
      return init.a;
  }
  throw InternalError("initial_value: no such kind");
}

void initialize(State& state, const StateSlot& slot, uint64_t seed, Executor& executor) {
  switch (slot.type.dtype) {
    case DType::f32:
      return fill<float>(state, slot, seed, executor);
    case DType::u8:
      return fill<uint8_t>(state, slot, seed, executor);
    case DType::i32:
      return fill<int32_t>(state, slot, seed, executor);
    case DType::i64:
      return fill<int64_t>(state, slot, seed, executor);
    case DType::f16:
    case DType::bf16:
      break;  // master weights are f32
  }
  throw InternalError("initialize: " + slot.path + " is " + to_string(slot.type));
}

void initialize(State& state, uint64_t seed, Executor& executor) {
  for (const StateSlot& slot : state.slots())
    if (slot.kind != StateKind::prepared) initialize(state, slot, seed, executor);
}

}  // namespace netc
