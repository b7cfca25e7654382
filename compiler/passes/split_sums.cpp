#include "compiler/passes/split_sums.h"

#include "compiler/ir/op_def.h"
#include "compiler/ops/registry.h"
#include "compiler/ops/split_sums.h"

namespace netc {

Graph split_sums(const Graph& graph, const std::function<int64_t(const Contraction&, DType)>& choose) {
  return rewrite(graph, [&](Builder& b, const Node& node, const std::vector<ValueId>& inputs) -> std::vector<ValueId> {
    if (node.op != &op("convolution_weight_gradient") || node.attrs.integer("groups") != 1) return {};
    const int64_t parts = choose(node.op->contract(make_call(graph, node)), graph.type(node.inputs[0]).dtype);
    if (parts == 1) return {};
    Attrs attrs = node.attrs;
    attrs.set("parts", parts);
    const ValueId sums = b.emit(weight_gradient_parts_op(), inputs, attrs);
    return {b.emit(sum_of_parts_op(), {sums}, {{"parts", parts}})};
  });
}

}  // namespace netc
