#include "compiler/passes/decompose.h"

#include <algorithm>

#include "compiler/base/error.h"
#include "compiler/ir/op_def.h"

namespace netc {

Graph decompose(const Graph& graph) {
  auto is_composite = [](const Node& node) { return node.op->decompose != nullptr; };
  Graph result = graph;
  for (int depth = 0; std::any_of(result.nodes.begin(), result.nodes.end(), is_composite); ++depth) {
    NETC_CHECK(depth < 32, "operators that decompose into each other");
    result = rewrite(result, [&](Builder& builder, const Node& node, const std::vector<ValueId>& inputs) {
      if (!is_composite(node)) return std::vector<ValueId>{};
      return node.op->decompose(builder, complete_attrs(*node.op, node.attrs), inputs);
    });
  }
  return result;
}

}  // namespace netc
