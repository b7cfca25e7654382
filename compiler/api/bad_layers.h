// Which layers of a training compute values that are not finite: its forward pass, compiled once more with a count beside
// each layer. Only a training that diverges, or `--check`, compiles it.
//
//   BadLayerProbe probe(project, request, recipe, settings, pool);
//   std::vector<BadLayer> bad = probe.find(state, batch, scalars);
#pragma once

#include <vector>

#include "compiler/api/model.h"
#include "runtime/context.h"
#include "runtime/train/entry_io.h"
#include "runtime/train/finite.h"

namespace netc {

class BadLayerProbe {
 public:
  // `executor` must outlive it. THROWS as plan_training.
  BadLayerProbe(Project& project, const NetworkRequest& request, const Recipe& recipe, const CompileSettings& settings,
                Executor& executor);

  // For the parameters and buffers of `state`, which is left as it is.
  std::vector<BadLayer> find(const State& state, const Batch& batch, const RuntimeScalars& scalars);

 private:
  Model model_;
  Context context_;
  EntryIo io_;
  Executor& executor_;
  std::vector<BadLayer> layers_;  // of the outputs "layer/<i>"
};

}  // namespace netc
