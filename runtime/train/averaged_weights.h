// An average of weights in the place of the weights, for as long as it lives.
//
//   const AveragedWeights averaged(state, "ema/");
//   evaluate(...);                       // sees the average; afterwards training goes on with the weights
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "runtime/state.h"

namespace netc {

class AveragedWeights {
 public:
  enum class Of { weights, parameters };

  // Exchanges prefix + <path> with <path>, of parameters and, with Of::weights, buffers; nothing where `prefix` is empty.
  AveragedWeights(State& state, const std::string& prefix, Of of = Of::weights) : state_(state) {
    if (prefix.empty()) return;
    for (const StateSlot& slot : state.slots()) {
      if (!slot.path.starts_with(prefix)) continue;
      const StateSlot* weights = state.find(slot.path.substr(prefix.size()));
      if (weights && (of == Of::weights || weights->kind == StateKind::parameter)) pairs_.emplace_back(&slot, weights);
    }
    exchange();
  }
  ~AveragedWeights() { exchange(); }
  AveragedWeights(const AveragedWeights&) = delete;
  AveragedWeights& operator=(const AveragedWeights&) = delete;

 private:
  void exchange() {
    for (auto [average, weights] : pairs_) {
      std::byte* a = state_.data() + average->offset;  // both lie in one layout
      std::swap_ranges(a, a + average->bytes(), state_.data() + weights->offset);
    }
  }

  State& state_;
  std::vector<std::pair<const StateSlot*, const StateSlot*>> pairs_;
};

}  // namespace netc
