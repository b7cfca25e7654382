// A training that diverges ends before anything is lost, and says in which layer it began.
//
//   FiniteGuard guard(state, recipe, {.every_value = true, .find_bad_layers = finder});
//   guard.before_batch(batch, scalars);                  // every_value: E0915 before the weights change
//   guard.after_loss(loss, batch, scalars);              // E0914 where the loss is not finite, likewise
//   guard.after_update(scale, scalars);                  // E0916 where a loss scale is as small as it may be, and still too large
//   guard.before_save();                                 // E0914: no checkpoint holds a value that is not finite
//
// Which layer computes such a value from a batch only the compiler can say; it hands a BadLayerFinder to the training.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "compiler/base/recipe.h"
#include "runtime/state.h"
#include "runtime/train/batches.h"
#include "runtime/train/entry_io.h"

namespace netc {

// A layer with values of a batch that are not finite.
struct BadLayer {
  std::string path;    // "stage.0.conv0"
  std::string call;    // as written: "conv(16, 3x3)"
  std::string source;  // "net.net:12"
  DType rounded_to = DType::f32;  // infinite values of f16 have overflowed it, where f32 may still hold them
  int64_t infinite = 0, nan = 0, values = 0;
};
// "`conv0`, conv(16, 3x3) at net.net:12: of 512 values 3 overflow f16, 1 is nan"
std::string to_string(const BadLayer& layer);

// In the order in which the layers are computed, for the state before the batch's update. Empty: all are finite.
using BadLayerFinder = std::function<std::vector<BadLayer>(const State& state, const Batch& batch, const RuntimeScalars& scalars)>;

// What an update leaves of the loss scale, in a training with layers in f16.
struct LossScale {
  double scale = 0;           // of the next step
  bool overflow = false;      // the step was skipped
  int64_t skipped_steps = 0;  // of the whole training
};
// From the outputs of the last run of an entry with an update; none where nothing is scaled.
std::optional<LossScale> loss_scale_of(const EntryIo& entry);
// THROWS RuntimeError E0916 if the step was skipped and no smaller scale will be tried. `state`: with the step's gradients.
void require_usable(const LossScale& scale, const LossScaleSpec& spec, const State& state, const RuntimeScalars& scalars);

struct FiniteOptions {
  bool every_value = false;        // look at all layers, gradients and weights of every step, not at the loss alone
  BadLayerFinder find_bad_layers;  // empty: a divergence is reported without its layer. REQUIRED with `every_value`
  std::function<void(const std::vector<BadLayer>&)> on_bad_layers;  // before such an error; may be empty
};

// All but the constructor THROW RuntimeError E0914, or E0915 for what only `every_value` looks for.
class FiniteGuard {
 public:
  FiniteGuard(const State& state, const Recipe& recipe, const FiniteOptions& options) : state_(state), recipe_(recipe), options_(options) {}

  void before_batch(const Batch& batch, const RuntimeScalars& scalars) const;
  void after_loss(double loss, const Batch& batch, const RuntimeScalars& scalars) const;
  void after_gradients(const RuntimeScalars& scalars) const;
  // `scale`: what the update left of it, where there is one.
  void after_update(const std::optional<LossScale>& scale, const RuntimeScalars& scalars) const;
  void before_save() const;

 private:
  [[noreturn]] void fail(const char* code, const std::string& what, const RuntimeScalars& scalars,
                         const std::vector<BadLayer>& layers) const;

  const State& state_;
  const Recipe& recipe_;
  const FiniteOptions& options_;
};

// The first slot of a kind, in the order of the state, with a value that is not finite; null where there is none.
const StateSlot* first_non_finite(const State& state, StateKind kind);

}  // namespace netc
