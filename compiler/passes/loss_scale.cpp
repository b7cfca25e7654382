#include "compiler/passes/loss_scale.h"

#include <limits>

#include "compiler/ops/build.h"
#include "compiler/ops/registry.h"

namespace netc {
namespace {

using namespace build;

// 1 where every element is finite, else 0. A sum of ones never comes back to zero, however many there are.
ValueId all_finite(Builder& b, ValueId values) {
  const ValueId size = b.emit(op("abs"), {values});
  // No comparison with NaN holds.
  const ValueId finite = greater(b, number(b, std::numeric_limits<float>::max(), size), size);
  const ValueId bad = reduce_sum(b, sub(b, number(b, 1, finite), finite), {0}, true);
  return equal(b, bad, number(b, 0, bad));
}

}  // namespace

std::vector<StateVariable> loss_scale_states(const LossScaleSpec& spec) {
  const TensorType type{DType::f32, {1}};
  return {{kLossScalePrefix + "scale", type, StateKind::moment, {InitSpec::Kind::constant, spec.initial}},
          {kLossScalePrefix + "clean_steps", type, StateKind::moment, {}},
          {kLossScalePrefix + "skipped_steps", type, StateKind::moment, {}}};
}

ValueId read_loss_scale(Builder& builder, const LossScaleSpec& spec) { return builder.add_state(loss_scale_states(spec).front()); }

ScaledGradients update_loss_scale(Builder& b, const LossScaleSpec& spec, ValueId gradients) {
  std::vector<int32_t> states;
  for (const StateVariable& state : loss_scale_states(spec)) states.push_back(b.declare_state(state));
  const int32_t scale_state = states[0], clean_state = states[1], skipped_state = states[2];
  const ScaledGradients found{all_finite(b, gradients), b.read_state(skipped_state)};
  const ValueId scale = b.read_state(scale_state), zero = number(b, 0, scale), one = number(b, 1, scale);
  ValueId next = scale;
  if (spec.dynamic) {
    const ValueId steps = add(b, b.read_state(clean_state), 1);
    const ValueId grows = greater(b, steps, number(b, static_cast<double>(spec.growth_interval) - 0.5, steps));
    const ValueId grown = minimum(b, mul(b, scale, 2), number(b, kGreatestLossScale, scale));
    next = select(b, found.clean, select(b, grows, grown, scale), mul(b, scale, 0.5));
    b.add_update(scale_state, next);
    b.add_update(clean_state, mul(b, found.clean, select(b, grows, zero, steps)));
  }
  const ValueId overflow = sub(b, one, found.clean), skipped = add(b, found.skipped, overflow);
  b.add_update(skipped_state, skipped);
  b.add_output("loss_scale", reshape(b, next, {}));
  b.add_output("overflow", reshape(b, overflow, {}));
  b.add_output("skipped_steps", reshape(b, skipped, {}));
  return found;
}

}  // namespace netc
