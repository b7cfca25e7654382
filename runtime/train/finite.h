// A training that diverges ends before anything is lost, and says in which layer it began.
//
//   FiniteGuard guard(state, {.every_value = true, .find_bad_layers = finder});
//   guard.before_batch(batch, scalars);                  // every_value: E0915 before the weights change
//   guard.after_loss(loss, batch, scalars);              // E0914 where the loss is not finite, likewise
//   guard.before_save();                                 // E0914: no checkpoint holds a value that is not finite
//
// Which layer computes such a value from a batch only the compiler can say; it hands a BadLayerFinder to the training.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/state.h"
#include "runtime/train/batches.h"

namespace netc {

// A layer with values of a batch that are not finite.
struct BadLayer {
  std::string path;    // "stage.0.conv0"
  std::string call;    // as written: "conv(16, 3x3)"
  std::string source;  // "net.net:12"
  int64_t bad = 0, values = 0;
};
// "`conv0`, conv(16, 3x3) at net.net:12: 3 of 512 values"
std::string to_string(const BadLayer& layer);

// In the order in which the layers are computed, for the state before the batch's update. Empty: all are finite.
using BadLayerFinder = std::function<std::vector<BadLayer>(const State& state, const Batch& batch, const RuntimeScalars& scalars)>;

struct FiniteOptions {
  bool every_value = false;        // look at all layers, gradients and weights of every step, not at the loss alone
  BadLayerFinder find_bad_layers;  // empty: a divergence is reported without its layer. REQUIRED with `every_value`
  std::function<void(const std::vector<BadLayer>&)> on_bad_layers;  // before such an error; may be empty
};

// All but the constructor THROW RuntimeError E0914, or E0915 for what only `every_value` looks for.
class FiniteGuard {
 public:
  FiniteGuard(const State& state, const FiniteOptions& options) : state_(state), options_(options) {}

  void before_batch(const Batch& batch, const RuntimeScalars& scalars) const;
  void after_loss(double loss, const Batch& batch, const RuntimeScalars& scalars) const;
  void after_gradients(const RuntimeScalars& scalars) const;
  void after_update(const RuntimeScalars& scalars) const;
  void before_save() const;

 private:
  [[noreturn]] void fail(const char* code, const std::string& what, const RuntimeScalars& scalars,
                         const std::vector<BadLayer>& layers) const;

  const State& state_;
  const FiniteOptions& options_;
};

// The first slot of a kind, in the order of the state, with a value that is not finite; null where there is none.
const StateSlot* first_non_finite(const State& state, StateKind kind);

}  // namespace netc
