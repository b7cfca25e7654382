// The values that a network's layers compute, as outputs of its graph: for who wants to look inside.
//
//   std::vector<LayerValue> values = layer_values(network);        // of layers, residuals and inceptions
//   expose(network, values, "layer/");                             // outputs "layer/0", "layer/1", …
#pragma once

#include <string>
#include <vector>

#include "compiler/sema/sema.h"

namespace netc {

struct LayerValue {
  int32_t layer = 0;  // into ElaboratedNetwork::layers
  ValueId value;
};

// In the order in which they are computed.
std::vector<LayerValue> layer_values(const ElaboratedNetwork& network);

// Adds an output PREFIX<i> to the graph for the i-th value.
void expose(ElaboratedNetwork& network, const std::vector<LayerValue>& values, const std::string& prefix);

// "net.net:12", where the layer is called; empty where the source does not say.
std::string source_of(const Project& project, const LayerNode& layer);

}  // namespace netc
