#include "compiler/passes/dce.h"

#include "compiler/ir/op_def.h"
#include "compiler/passes/graph_copy.h"

namespace netc {

Graph eliminate_dead_code(const Graph& graph) {
  std::vector<bool> live(graph.nodes.size(), false);
  auto mark = [&](ValueId value) {
    if (value.valid()) live[static_cast<size_t>(graph.value(value).producer.index)] = true;
  };
  for (const GraphInput& input : graph.inputs) mark(input.value);
  for (const GraphOutput& output : graph.outputs) mark(output.value);
  for (const StateUpdate& update : graph.updates) mark(update.value);
  for (size_t i = graph.nodes.size(); i-- > 0;)
    if (live[i])
      for (ValueId input : graph.nodes[i].inputs) mark(input);

  Builder builder;
  GraphCopy copy(builder, graph);
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    if (live[i]) copy.node(graph.nodes[i]);
  copy.results();
  return builder.finish();
}

}  // namespace netc
