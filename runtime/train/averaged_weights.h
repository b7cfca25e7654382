// The moving average of weights in the place of the weights, for as long as it lives.
//
//   const AveragedWeights averaged(state, recipe.optimizer.ema > 0);
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
  // Exchanges "ema/<path>" with <path>, of parameters and buffers; nothing where `wanted` is false.
  AveragedWeights(State& state, bool wanted) : state_(state) {
    if (!wanted) return;
    const std::string prefix = "ema/";
    for (const StateSlot& slot : state.slots())
      if (slot.path.starts_with(prefix))
        if (const StateSlot* weights = state.find(slot.path.substr(prefix.size()))) pairs_.emplace_back(&slot, weights);
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
