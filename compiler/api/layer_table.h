// What `netc explain` and `netc graph` say of a network: one row a layer, computed from the graph that
// elaboration made, for one image.
//
//   stem.conv  conv(64, 7x7, stride = 2)   [64, 112, 112]   9,408 parameters   236,027,904 FLOPs   sees 7x7
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "compiler/sema/sema.h"

namespace netc {

// How many input pixels an output element depends on, per spatial axis. 0: all of them.
struct ReceptiveField {
  int64_t height = 1, width = 1;
};

struct LayerRow {
  int32_t layer = 0;        // into ElaboratedNetwork::layers
  int depth = 0;            // of enclosing rows
  int64_t parameters = 0;   // first used here; a shared layer counts once
  int64_t flops = 0;        // of contractions, a multiply-add is 2
  ReceptiveField field;     // of the output; of constructs: of what leaves them
};

// In the order of network.layers: constructs hold the sums of what is inside them.
// REQUIRES: the graph was elaborated for batch 1 where FLOPs are to be those of one image.
std::vector<LayerRow> layer_table(const ElaboratedNetwork& network);

int64_t parameter_count(const ElaboratedNetwork& network);  // elements of all parameters, frozen ones among them
int64_t frozen_count(const ElaboratedNetwork& network);     // of those that a training leaves as they are
int64_t forward_flops(const Graph& graph);

}  // namespace netc
