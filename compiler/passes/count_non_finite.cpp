#include "compiler/passes/count_non_finite.h"

#include <limits>

#include "compiler/ir/op_def.h"
#include "compiler/ops/build.h"
#include "compiler/ops/registry.h"
#include "compiler/passes/graph_copy.h"

namespace netc {
namespace {

using namespace build;

// The number of ones.
ValueId count(Builder& b, ValueId ones) {
  Ints axes;
  for (size_t i = 0; i < b.type(ones).shape.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  return axes.empty() ? ones : reduce_sum(b, ones, axes);
}

// Behind the cast pass an output is wide: the type before it was widened.
DType rounded_type(const Graph& graph, ValueId value) {
  const Node& producer = graph.producer(value);
  return producer.op == &op("cast") ? graph.type(producer.inputs[0]).dtype : graph.type(value).dtype;
}

}  // namespace

CountedGraph count_non_finite(const Graph& graph, const std::string& prefix) {
  Builder b;
  GraphCopy copy(b, graph);
  std::vector<DType> rounded_to;
  for (const Node& node : graph.nodes) copy.node(node);
  for (const GraphOutput& output : graph.outputs) {
    if (!output.name.starts_with(prefix)) {
      b.add_output(output.name, copy[output.value]);
      continue;
    }
    rounded_to.push_back(rounded_type(graph, output.value));
    b.set_origin(graph.producer(output.value).origin);
    const ValueId x = cast(b, copy[output.value], DType::f32), size = b.emit(op("abs"), {x});
    b.add_output(output.name + "/infinite", count(b, greater(b, size, number(b, std::numeric_limits<float>::max(), size))));
    const ValueId is_number = equal(b, x, x);  // no comparison with NaN holds
    b.add_output(output.name + "/nan", count(b, sub(b, number(b, 1, is_number), is_number)));
  }
  for (const StateUpdate& update : graph.updates) b.add_update(update.state, copy[update.value]);
  return {b.finish(), std::move(rounded_to)};
}

}  // namespace netc
