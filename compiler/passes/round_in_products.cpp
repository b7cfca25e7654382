#include "compiler/passes/round_in_products.h"

#include <map>

#include "compiler/ir/op_def.h"
#include "compiler/ops/tf32.h"
#include "compiler/passes/dce.h"

namespace netc {

Graph round_in_products(const Graph& graph) {
  const auto is_rounded = [&](const Node& node, size_t input) {
    return graph.producer(node.inputs[input]).op == &round_tf32_op();
  };
  // What a rounding rounds, by the value of the new graph that it gave.
  std::map<ValueId, ValueId> unrounded;
  return eliminate_dead_code(
      rewrite(graph, [&](Builder& b, const Node& node, const std::vector<ValueId>& inputs) -> std::vector<ValueId> {
        if (node.op == &round_tf32_op()) {
          const ValueId rounded = b.emit(round_tf32_op(), inputs);
          unrounded[rounded] = inputs[0];
          return {rounded};
        }
        const OpDef* product = node.op->contract ? tf32_contraction(*node.op) : nullptr;
        if (!product || !is_rounded(node, 0) || !is_rounded(node, 1)) return {};
        return {b.emit(*product, {unrounded.at(inputs[0]), unrounded.at(inputs[1])}, node.attrs)};
      }));
}

}  // namespace netc
