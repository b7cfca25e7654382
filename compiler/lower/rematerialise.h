// Rematerialisation: values of the forward pass that the backward pass computes anew instead of keeping them.
//
// Candidates are element-wise: batch norm's apply with its activation, residual sums, casts, dropout, and a concat of such. What they
// are computed from (the convolution's output, which batch norm's gradient needs anyway) stays in memory.
//
// 1. For a store, where that lets fewer bytes live (live_bytes.h): a kernel of the backward pass that reads a large value, or what it is
//    computed from, writes it again for the kernels after it. The data gradient of a convolution masks its result by the
//    sign of the convolution's input r = relu(a * c + b), and reads c for batch norm's sums; it computes r, stores it, and the weight
//    gradient, which comes later, reads that. Of residual blocks x2 = relu(x1 + c2), every second one: x1 takes the place of x2.
// 2. Free of cost, always: where a kernel reads a value v and also whatever large v is computed from, it computes v's elements
//    itself. A ReLU's mask in the epilogue of a data gradient comes from the batch norm's input, which the sums read there.
// 3. Under a limit: the cheapest values per byte are recomputed right before their first use in the backward pass, as few as the memory
//    plan needs to stay below the limit. Each is computed by one kernel from values that are in memory, however long the chain:
//    of residual blocks x2 = relu(x1 + c2), x1 = relu(x0 + c1), x2 may be recomputed from x0, c1 and c2.
//
// Example, with a limit: forward r = relu(a * c + b), conv(r); backward weight_gradient(r, dy)
//   -> forward unchanged; backward r' = relu(a * c + b), weight_gradient(r', dy). r's memory is free after conv.
//
// REQUIRES: a graph after the passes of pipeline.h, backward nodes behind the nodes of the outputs (as `differentiate` appends them).
// GUARANTEES: the same values bit for bit: the same operators on the same inputs, random numbers are keyed by path. No pass
// that merges equal nodes may run afterwards.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "compiler/base/target.h"
#include "compiler/ir/graph.h"
#include "compiler/lower/fuse.h"

namespace netc {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

struct RematerialiseOptions {
  int64_t arena_limit = kNoLimit;   // bytes
  int64_t smallest_value = 65536;   // bytes of a value that is worth the trouble
  int64_t smallest_restored = int64_t{8} << 20;  // bytes of a value that is worth a store
  double largest_share = 0.01;      // of a step's estimated time that such stores may take
  FuseOptions fuse = {};
};

struct RecomputedValue {
  std::string path;          // "stage.0.0.bottleneck0.relu0"
  int64_t bytes = 0;         // of the value, which need not be kept; 0: it is kept for another use
  int64_t flops = 0;         // of computing it again
  int64_t moved_bytes = 0;   // read and written for that
};

struct Rematerialisation {
  Graph graph;
  std::vector<RecomputedValue> restored; // stored again by kernels of the backward pass
  std::vector<RecomputedValue> free;     // by kernels that read what they need anyway
  std::vector<RecomputedValue> limited;  // because of the limit
  int64_t arena_bytes = 0;               // planned, of the result
  int64_t unlimited_bytes = 0;           // planned, without `limited`
  int64_t least_bytes = 0;               // with a limit: the least of the plans that were tried
  bool within_limit = true;
};

Rematerialisation rematerialise(const Graph& graph, const Target& target, const RematerialiseOptions& options = {});

}  // namespace netc
