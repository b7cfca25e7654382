// The optimizer as a graph: one step on flat slabs of all parameters, gradients and moments.
//
// Over p = "slab/parameters", g = "slab/gradients" and the moments, all f32[elements]:
//   sgd    g' = g + weight_decay * p
//          b  = momentum * b + (1 - dampening) * g'      (b = g' at step 0)
//          p  = p - lr * b                               (Nesterov: p - lr * (g' + momentum * b))
//   adam   g' = g + weight_decay * p;  m = beta1 * m + (1 - beta1) * g';  v = beta2 * v + (1 - beta2) * g'^2
//          p  = p - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon),  t = step + 1
//   adamw  the same with g' = g and p * (1 - lr * weight_decay) in place of p (Loshchilov and Hutter 2019)
// These are PyTorch's definitions of torch.optim.SGD, Adam and AdamW. The learning rate and the step are run-time
// scalars. Elements between two parameters (alignment) stay 0: their gradient is.
#pragma once

#include <string>
#include <vector>

#include "compiler/base/recipe.h"
#include "compiler/ir/graph.h"

namespace netc {

inline const std::string kParameterSlab = "slab/parameters";
inline const std::string kGradientSlab = "slab/gradients";

// Names of the optimizer's moments: {"momentum"}, {"exp_avg", "exp_avg_sq"} or none. A moment's slab is
// "slab/<name>", the moment of one parameter "<name>/<path>".
std::vector<std::string> moment_names(const OptimizerSpec& optimizer);

// A graph without inputs and outputs that updates the slabs.
Graph make_update(const OptimizerSpec& optimizer, int64_t elements);

}  // namespace netc
