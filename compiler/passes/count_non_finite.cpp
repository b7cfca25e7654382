#include "compiler/passes/count_non_finite.h"

#include <limits>

#include "compiler/ops/build.h"
#include "compiler/ops/registry.h"
#include "compiler/passes/graph_copy.h"

namespace netc {

Graph count_non_finite(const Graph& graph, const std::string& prefix) {
  using namespace build;
  Builder b;
  GraphCopy copy(b, graph);
  for (const Node& node : graph.nodes) copy.node(node);
  for (const GraphOutput& output : graph.outputs) {
    if (!output.name.starts_with(prefix)) {
      b.add_output(output.name, copy[output.value]);
      continue;
    }
    b.set_origin(graph.producer(output.value).origin);
    const ValueId size = b.emit(op("abs"), {cast(b, copy[output.value], DType::f32)});
    // No comparison with NaN holds.
    const ValueId finite = greater(b, number(b, std::numeric_limits<float>::max(), size), size);
    const ValueId bad = sub(b, number(b, 1, finite), finite);
    Ints axes;
    for (size_t i = 0; i < b.type(bad).shape.size(); ++i) axes.push_back(static_cast<int64_t>(i));
    b.add_output(output.name, axes.empty() ? bad : reduce_sum(b, bad, axes));
  }
  for (const StateUpdate& update : graph.updates) b.add_update(update.state, copy[update.value]);
  return b.finish();
}

}  // namespace netc
