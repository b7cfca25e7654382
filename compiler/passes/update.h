// The optimizer as a graph: one step on flat slabs of all parameters, gradients and moments.
//
// Over p = "slab/parameters", g = "slab/gradients" and the moments, all f32[elements]:
//   sgd    g' = g + weight_decay * p
//          b  = momentum * b + (1 - dampening) * g'      (b = g' at step 0)
//          p  = p - lr * b                               (Nesterov: p - lr * (g' + momentum * b))
//   adam   g' = g + weight_decay * p;  m = beta1 * m + (1 - beta1) * g';  v = beta2 * v + (1 - beta2) * g'^2
//          p  = p - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon),  t = step + 1
//   adamw  the same with g' = g and p * (1 - lr * weight_decay) in place of p (Loshchilov and Hutter 2019)
//   rmsprop  g' = g + weight_decay * p;  v = alpha * v + (1 - alpha) * g'^2;  with `centered` also
//          a = alpha * a + (1 - alpha) * g' and v - a^2 for v;  b = momentum * b + g' / (sqrt(v) + epsilon);  p = p - lr * b
// These are PyTorch's definitions of torch.optim.SGD, Adam, AdamW and RMSprop. Where a step takes the gradients of several
// batches (`accumulate`), g is their mean: the slab "slab/accumulated" has the sum of all but the last, and the update
// leaves it zero and the mean in g. Then gradients are clipped:
//   clip_norm   g * min(1, clip_norm / (|g| + 1e-6)), |g| over all parameters      torch.nn.utils.clip_grad_norm_
//   clip_value  g within -clip_value..clip_value                                   clip_grad_value_
// after them the weights' moving average follows: e = d * e + (1 - d) * p, d = min(ema, t / (9 + t)), t = step, so that
// it begins as the weights; that of the buffers likewise. Groups of parameters are ranges of the slab, each with factors
// for lr and weight_decay. The learning rate and the step are run-time scalars. Elements between two parameters
// (alignment) stay 0: their gradient is. With a loss scale (loss_scale.h) a step whose gradients are not all finite changes
// none of these states (the accumulated slab becomes zero all the same), and t counts the steps that did.
#pragma once

#include <string>
#include <vector>

#include "compiler/base/recipe.h"
#include "compiler/ir/graph.h"

namespace netc {

inline const std::string kParameterSlab = "slab/parameters";
inline const std::string kGradientSlab = "slab/gradients";

inline const std::string kBufferSlab = "slab/buffers";
inline const std::string kBufferEmaSlab = "slab/ema_buffers";
inline const std::string kEmaPrefix = "ema/";  // "ema/<path>": the average of a parameter or a buffer

inline const std::string kAccumulatedSlab = "slab/accumulated";  // of "accumulated/<path>"

// Names of the optimizer's moments: {"momentum"}, {"exp_avg", "exp_avg_sq"} or none, and "ema". A moment's slab is
// "slab/<name>", the moment of one parameter "<name>/<path>".
std::vector<std::string> moment_names(const OptimizerSpec& optimizer);

// A part of the slabs with factors of its own.
struct UpdateRange {
  int64_t begin = 0;  // element; the first range begins at 0
  double rate = 1, decay = 1;
};

struct UpdateShape {
  int64_t elements = 0;             // of each slab
  int64_t buffer_elements = 0;      // of the slab of buffers, which the moving average follows too
  std::vector<UpdateRange> ranges;  // empty: one, with factors 1
};

// A graph without inputs and outputs that updates the slabs.
Graph make_update(const OptimizerSpec& optimizer, const UpdateShape& shape);
inline Graph make_update(const OptimizerSpec& optimizer, int64_t elements) {
  return make_update(optimizer, UpdateShape{elements, 0, {}});
}

// What follows the gradients of all batches of a step but the last one: the accumulated slab += the gradients'.
Graph make_accumulation(int64_t elements);

}  // namespace netc
