// Loss scaling as a part of the graphs of a training, so that a step needs nobody between its kernels.
//
// Gradients below 2^-24 are zero in f16. Therefore the gradient of the loss begins as `scale`, not as 1; gradients of
// parameters are divided by it where they are made, in f32, so that their states hold true gradients. The update looks at
// all of them first: where one is infinite or NaN, the step is skipped.
//
//   gradient   dloss = scale;  gradient/<path> = dpath * (1 / scale)
//   update     clean = no gradient is infinite or NaN
//              clean:  every state as the optimizer says; after `growth_interval` such steps in a row scale = min(2 * scale, 2^24)
//              else:   no state of the optimizer changes; scale = scale / 2
// These are PyTorch's rules (torch.amp.GradScaler), and the first scale and the interval are its defaults. A fixed scale stays.
// Who runs the steps sees the outputs "loss_scale" (the next step's), "overflow" (1 if this one was skipped) and "skipped_steps"
// (of the whole training). A scale below kLeastLossScale is for them to refuse.
#pragma once

#include <string>
#include <vector>

#include "compiler/base/recipe.h"
#include "compiler/ir/graph.h"

namespace netc {

inline const std::string kLossScalePrefix = "loss_scale/";

// The states, each f32[1], with their first values: "loss_scale/scale", "…/clean_steps" and "…/skipped_steps".
std::vector<StateVariable> loss_scale_states(const LossScaleSpec& spec);

// The scale of the gradients of this run, f32[1].
ValueId read_loss_scale(Builder& builder, const LossScaleSpec& spec);

// What an update has to know of the gradients, each f32[1].
struct ScaledGradients {
  ValueId clean;    // 1 where all are finite, else 0
  ValueId skipped;  // how many steps were skipped before this one
};
// `gradients`: f32[n], all of them. Adds the updates of the scale's states, and the outputs.
ScaledGradients update_loss_scale(Builder& builder, const LossScaleSpec& spec, ValueId gradients);

}  // namespace netc
