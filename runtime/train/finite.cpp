#include "runtime/train/finite.h"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "compiler/base/error.h"

namespace netc {
namespace {

constexpr const char* kFix = "a lower learning rate, a warm-up, or clip = norm(1.0); --check looks at every layer";

// f32: a value is infinite or no number where all bits of its exponent are set. Without branches, for whole slabs.
bool has_non_finite(const std::byte* data, int64_t count) {
  constexpr uint32_t kExponent = 0x7F800000;
  bool found = false;
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits = 0;
    std::memcpy(&bits, data + 4 * i, sizeof bits);
    found |= (bits & kExponent) == kExponent;
  }
  return found;
}

std::string at_step(const RuntimeScalars& scalars) {
  char text[96];
  std::snprintf(text, sizeof text, " at step %lld, learning rate %g", static_cast<long long>(scalars.step + 1), scalars.learning_rate);
  return text;
}

std::string counted(int64_t infinite, DType rounded_to) {
  const bool one = infinite == 1;
  const std::string what = rounded_to == DType::f16 ? (one ? " overflows f16" : " overflow f16") : one ? " is infinite" : " are infinite";
  return std::to_string(infinite) + what;
}

}  // namespace

const StateSlot* first_non_finite(const State& state, StateKind kind) {
  for (const StateSlot& slot : state.slots())
    if (slot.kind == kind && slot.type.dtype == DType::f32 && has_non_finite(state.data() + slot.offset, slot.bytes() / 4)) return &slot;
  return nullptr;
}

std::string to_string(const BadLayer& layer) {
  std::string text = "`" + layer.path + "`";
  if (!layer.call.empty()) text += ", " + layer.call;
  if (!layer.source.empty()) text += " at " + layer.source;
  text += ": of " + std::to_string(layer.values) + " values ";
  if (layer.infinite > 0) text += counted(layer.infinite, layer.rounded_to);
  if (layer.nan > 0) text += (layer.infinite > 0 ? ", " : "") + std::to_string(layer.nan) + (layer.nan == 1 ? " is nan" : " are nan");
  return text;
}

std::optional<LossScale> loss_scale_of(const EntryIo& entry) {
  if (!entry.has_output("loss_scale")) return std::nullopt;
  return LossScale{entry.scalar("loss_scale"), entry.scalar("overflow") != 0, static_cast<int64_t>(entry.scalar("skipped_steps"))};
}

void require_usable(const LossScale& scale, const LossScaleSpec& spec, const State& state, const RuntimeScalars& scalars) {
  if (!scale.overflow || (spec.dynamic && scale.scale >= kLeastLossScale)) return;
  char text[96];
  std::snprintf(text, sizeof text, "gradients overflow at %s loss scale, %g,", spec.dynamic ? "the least" : "a fixed",
                spec.dynamic ? 2 * scale.scale : scale.scale);
  std::string what = text + at_step(scalars);
  if (const StateSlot* first = first_non_finite(state, StateKind::gradient)) what += "; the first that is not finite is `" + first->path + "`";
  throw RuntimeError("E0916", what, spec.dynamic ? kFix : "loss_scale = dynamic, or a smaller one");
}

void FiniteGuard::fail(const char* code, const std::string& what, const RuntimeScalars& scalars,
                       const std::vector<BadLayer>& layers) const {
  if (options_.on_bad_layers && !layers.empty()) options_.on_bad_layers(layers);
  const std::string where = layers.empty() ? "" : "; the first layer that is not finite is " + to_string(layers.front());
  throw RuntimeError(code, what + at_step(scalars) + where, kFix);
}

void FiniteGuard::before_batch(const Batch& batch, const RuntimeScalars& scalars) const {
  if (!options_.every_value) return;
  const std::vector<BadLayer> layers = options_.find_bad_layers(state_, batch, scalars);
  if (!layers.empty()) fail("E0915", "a layer is not finite", scalars, layers);
}

void FiniteGuard::after_loss(double loss, const Batch& batch, const RuntimeScalars& scalars) const {
  if (std::isfinite(loss)) return;
  const std::string what = std::string("the loss is ") + (std::isnan(loss) ? "nan" : "infinite");
  // An earlier update may have spoilt the weights, of which every layer is then no number.
  if (const StateSlot* weights = first_non_finite(state_, StateKind::parameter))
    fail("E0914", what + ", since the last update left `" + weights->path + "` not finite,", scalars, {});
  fail("E0914", what, scalars, options_.find_bad_layers ? options_.find_bad_layers(state_, batch, scalars) : std::vector<BadLayer>{});
}

// Scaled gradients may overflow: their update is skipped.
void FiniteGuard::after_gradients(const RuntimeScalars& scalars) const {
  if (!options_.every_value || recipe_.precision.uses(Precision::f16)) return;
  if (const StateSlot* slot = first_non_finite(state_, StateKind::gradient)) fail("E0915", "`" + slot->path + "` is not finite", scalars, {});
}

void FiniteGuard::after_update(const std::optional<LossScale>& scale, const RuntimeScalars& scalars) const {
  if (scale) require_usable(*scale, recipe_.loss_scale, state_, scalars);
  if (!options_.every_value) return;
  if (const StateSlot* slot = first_non_finite(state_, StateKind::parameter))
    fail("E0915", "the update leaves `" + slot->path + "` not finite", scalars, {});
}

void FiniteGuard::before_save() const {
  for (StateKind kind : {StateKind::parameter, StateKind::buffer, StateKind::moment})
    if (const StateSlot* slot = first_non_finite(state_, kind))
      throw RuntimeError("E0914", "the training has diverged: `" + slot->path + "` is not finite", kFix);
}

}  // namespace netc
