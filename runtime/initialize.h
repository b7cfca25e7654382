// Gives every state slot its first value. A value is a pure function of (seed, path, element) and
// the slot's InitSpec, so it does not depend on the order of slots, on threads or on the device,
// and adding a layer changes no other layer's weights.
//
//   initialize(context.state(), recipe.seed, pool);
#pragma once

#include <cstdint>
#include <string>

#include "compiler/base/init_spec.h"
#include "runtime/executor.h"
#include "runtime/state.h"

namespace netc {

// All but prepared weights, which the entry "prepare" computes from the others.
void initialize(State& state, uint64_t seed, Executor& executor);

// One slot only: fine-tuning starts a new classifier so.
void initialize(State& state, const StateSlot& slot, uint64_t seed, Executor& executor);

// The value of one element. Normal: Box and Muller, "A note on the generation of random normal
// deviates" (1958), in double. Truncated normal: at most two standard deviations from the mean.
double initial_value(const InitSpec& init, uint64_t seed, uint32_t path, uint64_t element);

}  // namespace netc
