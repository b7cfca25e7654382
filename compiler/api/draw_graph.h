// A network as a drawing: layers as boxes, `residual` and `inception` as frames around them.
//
//   draw_graph(network)   ->   digraph small { subgraph cluster_3 { label="residual"; … } l4 -> l5; … }
//   render_svg(dot)       ->   <svg …>   (by graphviz)
#pragma once

#include <string>

#include "compiler/sema/sema.h"

namespace netc {

// Graphviz's language; the same text for the same network.
std::string draw_graph(const ElaboratedNetwork& network);

// Runs `dot -Tsvg`. THROWS RuntimeError E0921 where graphviz is missing or fails.
std::string render_svg(const std::string& dot);

}  // namespace netc
