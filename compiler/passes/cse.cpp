#include "compiler/passes/cse.h"

#include <map>
#include <tuple>

#include "compiler/ir/op_def.h"

namespace netc {

Graph eliminate_common_subexpressions(const Graph& graph) {
  using Key = std::tuple<const OpDef*, std::vector<ValueId>, std::map<std::string, Attr>, std::string>;
  std::map<Key, std::vector<ValueId>> known;
  return rewrite(graph, [&](Builder& builder, const Node& node, const std::vector<ValueId>& inputs) {
    bool constant = node.op == &constant_op();
    std::string type = constant ? to_string(graph.type(node.outputs[0])) : "";  // others' types follow from inputs
    auto [place, is_new] = known.try_emplace({node.op, inputs, node.attrs.all(), type});
    if (is_new)
      place->second = constant ? std::vector{builder.constant(node.attrs.real("value"), graph.type(node.outputs[0]))}
                               : builder.emit_all(*node.op, inputs, node.attrs);
    return place->second;
  });
}

}  // namespace netc
