// Stochastic weight averaging as graphs (Izmailov et al. 2018, arXiv 1803.05407), beside the update of every step.
//
// The mean of the parameters of several steps lies in a slab of its own, and so do the buffers that belong to it:
//   average       a = a + (p - a) / (n + 1) over the slabs "slab/swa" and "slab/parameters", n being how many sets of
//                 weights are in `a` already; a = p where n is 0        torch.optim.swa_utils.AveragedModel
//   recalibrate   with the mean in the place of the parameters, for each batch of a pass: batch_statistics, then the
//                 same mean over "slab/swa_buffers" and "slab/buffers"  torch.optim.swa_utils.update_bn
// n is the run-time scalar "step" of both.
#pragma once

#include <string>

#include "compiler/ir/graph.h"

namespace netc {

inline const std::string kSwaPrefix = "swa/";  // "swa/<path>": the mean of a parameter, or the buffer that belongs to it
inline const std::string kSwaSlab = "slab/swa";
inline const std::string kSwaBufferSlab = "slab/swa_buffers";

// `elements`: of each slab. A graph without inputs and outputs.
Graph make_average(int64_t elements);
Graph make_buffer_average(int64_t elements);

// The forward pass of a training as far as its batch norms need it: their running statistics become those of the batch
// alone. `training` is a network's graph for training, before differentiation; its inputs stay, its outputs do not.
//   batch_norm(x, …, momentum = 0.1)  ->  batch_norm(x, …, momentum = 1)
Graph batch_statistics(const Graph& training);

}  // namespace netc
