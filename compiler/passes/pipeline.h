// The table of contents of the middle: which passes run, in which order, and what each one promises.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "compiler/ir/graph.h"

namespace netc {

struct Pass {
  std::string name;  // of `--dump-after`
  std::string doc;
  Graph (*run)(const Graph& graph);
};

// In order. Before the first: any verified graph. After the last: only scalar and contraction operators
// and leaves, no dead node, no two equal nodes.
const std::vector<Pass>& lowering_passes();

// Called after each pass with its name and result, for dumps.
using PassObserver = std::function<void(const std::string& pass, const Graph& graph)>;

// Runs all passes. The verifier runs after each (Builder::finish), and an InternalError names the pass.
Graph optimize(const Graph& graph, const PassObserver& observe = {});

}  // namespace netc
