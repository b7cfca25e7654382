#include "compiler/passes/average.h"

#include "compiler/ir/op_def.h"
#include "compiler/ops/build.h"
#include "compiler/ops/registry.h"
#include "compiler/passes/graph_copy.h"
#include "compiler/passes/update.h"

namespace netc {
namespace {

Graph mean_of(const std::string& mean_slab, const StateVariable& values) {
  using namespace build;
  Builder b;
  b.set_origin({"average", {}, {}});
  const int32_t state = b.declare_state({mean_slab, values.type, StateKind::moment, {}});
  const ValueId value = b.add_state(values), mean = b.read_state(state);
  const ValueId count = reshape(b, b.emit(op("runtime_scalar"), {}, {{"which", std::string("step")}}), {1});
  const ValueId next = add(b, mean, div(b, sub(b, value, mean), add(b, count, 1)));
  b.add_update(state, select(b, greater(b, count, number(b, 0, count)), next, value));
  return b.finish();
}

}  // namespace

Graph make_average(int64_t elements) {
  return mean_of(kSwaSlab, {kParameterSlab, {DType::f32, {elements}}, StateKind::parameter, {}});
}

Graph make_buffer_average(int64_t elements) {
  return mean_of(kSwaBufferSlab, {kBufferSlab, {DType::f32, {elements}}, StateKind::buffer, {}});
}

Graph batch_statistics(const Graph& training) {
  Builder b;
  GraphCopy copy(b, training);
  for (const Node& node : training.nodes) {
    if (node.op != &op("batch_norm")) {
      copy.node(node);
      continue;
    }
    Node whole = node;
    whole.attrs.set("momentum", 1.0);
    copy.node(whole);
  }
  for (const StateUpdate& update : training.updates) b.add_update(update.state, copy[update.value]);
  return b.finish();
}

}  // namespace netc
