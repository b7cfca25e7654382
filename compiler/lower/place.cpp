#include "compiler/lower/place.h"

#include <map>
#include <set>

#include "compiler/base/error.h"
#include "compiler/ir/op_def.h"

namespace netc {
namespace {

// Where a tensor is: offset and strides in elements of its dtype.
struct Placement {
  int32_t buffer = -1;
  int64_t offset = 0;
  Shape strides;
};

struct PartialBuffer {
  int32_t buffer = -1;
  Shape shape;  // [rows, columns]
};

class Placer {
 public:
  Placer(const Graph& graph, const Fusion& fusion, const Target& target)
      : graph_(graph), fusion_(fusion), target_(target) {
    schedule_.states = graph.states;
    state_buffers_.resize(graph.states.size(), -1);
  }

  Schedule run() {
    for (const GraphInput& input : graph_.inputs)
      schedule_.inputs.push_back({input.name, graph_.type(input.value), view_of(input.value)});
    find_stored_values();
    for (const FusedKernel& kernel : fusion_.kernels) add_kernel(kernel);
    for (size_t i = 0; i < graph_.outputs.size(); ++i) {
      const GraphOutput& output = graph_.outputs[i];
      auto copied = output_copies_.find(static_cast<int32_t>(i));
      schedule_.outputs.push_back({output.name, graph_.type(output.value),
                                   copied == output_copies_.end() ? view_of(output.value) : copied->second});
    }
    return std::move(schedule_);
  }

 private:
  ValueRole role(ValueId value) const { return fusion_.roles[static_cast<size_t>(value.index)]; }

  int32_t new_buffer(std::string name, int64_t bytes, int32_t state = -1) {
    schedule_.buffers.push_back({std::move(name), bytes, state});
    return static_cast<int32_t>(schedule_.buffers.size()) - 1;
  }

  int32_t state_buffer(int32_t state) {
    int32_t& buffer = state_buffers_[static_cast<size_t>(state)];
    const StateVariable& variable = graph_.states[static_cast<size_t>(state)];
    if (buffer < 0) buffer = new_buffer(variable.path, variable.type.bytes(), state);
    return buffer;
  }

  std::string name_of(ValueId value) const {
    const Node& node = graph_.producer(value);
    if (node.op == &input_op()) return node.attrs.text("name");
    if (node.op == &state_op()) return graph_.states[static_cast<size_t>(node.attrs.integer("index"))].path;
    return node.origin.path.empty() ? node.op->name : node.origin.path + "." + node.op->name;
  }

  const Placement& place(ValueId value) {
    auto found = placements_.find(value);
    if (found != placements_.end()) return found->second;
    Placement placement = make_placement(value);
    return placements_.emplace(value, std::move(placement)).first->second;
  }

  Placement make_placement(ValueId value) {
    const Node& node = graph_.producer(value);
    const TensorType& type = graph_.type(value);
    switch (role(value)) {
      case ValueRole::view: return view_placement(value);
      case ValueRole::leaf:
        if (node.op == &state_op())
          return {state_buffer(static_cast<int32_t>(node.attrs.integer("index"))), 0, row_major_strides(type.shape)};
        break;
      case ValueRole::computed:
      case ValueRole::gathered:
        if (auto state = fusion_.in_state.find(value); state != fusion_.in_state.end())
          return {state_buffer(state->second), 0, row_major_strides(type.shape)};
        if (auto piece = fusion_.pieces.find(value); piece != fusion_.pieces.end())
          return piece_placement(piece->second.first, piece->second.second);
        break;
      case ValueRole::constant:
      case ValueRole::inlined: throw InternalError("a value without memory is placed: " + name_of(value));
    }
    return {new_buffer(name_of(value), type.bytes()), 0, row_major_strides(type.shape)};
  }

  Placement view_placement(ValueId value) {
    const Node& node = graph_.producer(value);
    const Shape& from = graph_.type(node.inputs[0]).shape;
    const Shape& to = graph_.type(value).shape;
    Placement placement = place(node.inputs[0]);
    if (node.op->name == "slice") {
      const Ints& begins = node.attrs.ints("begins");
      for (size_t i = 0; i < begins.size(); ++i) placement.offset += begins[i] * placement.strides[i];
    } else if (same_squeezed(from, to)) {
      placement.strides = strides_over(placement.strides, from, to);
    } else {
      NETC_CHECK(placement.strides == row_major_strides(from), "a reshape looks at a strided value");
      placement.strides = row_major_strides(to);
    }
    return placement;
  }

  // The strides of `from` (squeezed-equal to `to`), axis by axis of `to`; 0 for extents of 1.
  static Shape strides_over(const Shape& strides, const Shape& from, const Shape& to) {
    Shape result;
    for (int axis : squeezed_axes(to, from)) result.push_back(axis < 0 ? 0 : strides[static_cast<size_t>(axis)]);
    return dense_ones(std::move(result), to);
  }

  // Gives axes of extent 1 the stride that a dense tensor would have, so that equal views are equal texts.
  static Shape dense_ones(Shape strides, const Shape& shape) {
    int64_t inner = 1;
    for (size_t i = shape.size(); i-- > 0;) {
      if (shape[i] == 1) strides[i] = inner;
      else inner = strides[i] * shape[i];
    }
    return strides;
  }

  Placement piece_placement(ValueId concat, int32_t input) {
    const Node& node = graph_.producer(concat);
    auto axis = static_cast<size_t>(node.attrs.integer("axis"));
    Placement placement = place(concat);
    for (int32_t i = 0; i < input; ++i)
      placement.offset += graph_.type(node.inputs[static_cast<size_t>(i)]).shape[axis] * placement.strides[axis];
    return placement;
  }

  BufferView view_of(ValueId value) {
    const Placement& placement = place(value);
    return {placement.buffer, placement.offset * size_of(graph_.type(value).dtype)};
  }

  // Computed values that something outside their kernel reads.
  void find_stored_values() {
    auto mark = [&](ValueId value) { stored_.insert(view_base(graph_, fusion_, value).base); };
    for (const FusedKernel& kernel : fusion_.kernels)
      for (ValueId operand : kernel.operands) mark(operand);
    for (const GraphOutput& output : graph_.outputs) mark(output.value);
    for (const auto& [value, piece] : fusion_.pieces) mark(value);
    for (const auto& [value, state] : fusion_.in_state) mark(value);
  }

  void add_operand(ScheduledKernel& kernel, std::string name, DType dtype, const Shape& shape, Shape strides,
                   BufferView view, bool written) {
    KernelOperand operand;
    operand.name = std::move(name);
    operand.dtype = dtype;
    operand.shape = shape;
    operand.strides = std::move(strides);
    operand.space = schedule_.buffers[static_cast<size_t>(view.buffer)].state >= 0 ? Space::state : Space::arena;
    operand.written = written;
    kernel.body.operands.push_back(std::move(operand));
    kernel.operands.push_back(view);
  }

  void add_kernel(const FusedKernel& fused) {
    ScheduledKernel kernel;
    kernel.body.nest = fused.nest;
    kernel.body.nest.stores.clear();
    kernel.body.contraction = fused.contraction;
    kernel.nodes = fused.nodes;
    kernel.reasons = fused.reasons;
    for (ValueId value : fused.operands) {
      if (is_partial(graph_, value)) {
        const PartialBuffer& p = partials_.at(value);
        add_operand(kernel, "partial sums", DType::f32, p.shape, row_major_strides(p.shape), {p.buffer, 0}, false);
        if (fused.sums_rows) kernel.body.nest.extents.back() = p.shape[0];
        continue;
      }
      const TensorType& type = graph_.type(value);
      add_operand(kernel, name_of(value), type.dtype, type.shape, place(value).strides, view_of(value), false);
    }
    for (const FusedResult& result : fused.results) add_store(kernel, result);
    for (const FusedPartial& partial : fused.partials) add_partial(kernel, partial);
    drop_unused(kernel.body);
    schedule_.kernels.push_back(std::move(kernel));
  }

  void add_partial(ScheduledKernel& kernel, const FusedPartial& partial) {
    int64_t rows = task_grid(kernel.body, target_).partial_rows({partial.kept});
    PartialBuffer p{new_buffer("partial sums", rows * partial.columns * size_of(DType::f32)), {rows, partial.columns}};
    kernel.body.partials.push_back({{partial.kept}, partial.body, static_cast<int>(kernel.operands.size())});
    add_operand(kernel, "partial sums", DType::f32, p.shape, row_major_strides(p.shape), {p.buffer, 0}, true);
    partials_[partial.value] = std::move(p);
  }

  void add_store(ScheduledKernel& kernel, const FusedResult& result) {
    const TensorType& type = graph_.type(result.value);
    Placement placement;
    switch (result.target.kind) {
      case ResultTarget::Kind::value:
        if (!stored_.count(result.value)) return;
        placement = place(result.value);
        break;
      case ResultTarget::Kind::piece: placement = piece_placement(result.target.concat, result.target.index); break;
      case ResultTarget::Kind::output: {
        placement = {new_buffer("output." + graph_.outputs[static_cast<size_t>(result.target.index)].name, type.bytes()),
                     0, row_major_strides(type.shape)};
        output_copies_[result.target.index] = {placement.buffer, 0};
        break;
      }
      case ResultTarget::Kind::update:
        placement = {state_buffer(graph_.updates[static_cast<size_t>(result.target.index)].state), 0,
                     row_major_strides(type.shape)};
        break;
    }
    LoopNest& nest = kernel.body.nest;
    Shape space = nest.parallel_extents();
    nest.stores.push_back({static_cast<int>(kernel.operands.size()), result.expr});
    add_operand(kernel, name_of(result.value), type.dtype, space, strides_over(placement.strides, type.shape, space),
                {placement.buffer, placement.offset * size_of(type.dtype)}, true);
  }

  // Keeps the reductions that a store uses (max pooling's positions serve only the gradient), and of the Dag
  // what is reachable.
  static void drop_unused(KernelBody& body) {
    LoopNest& nest = body.nest;
    std::vector<ExprId> values;
    for (const Store& store : nest.stores) values.push_back(store.value);
    std::vector<int> number(std::max<size_t>(nest.reductions.size(), 1), -1);
    visit_postorder(nest.dag, values, [&](ExprId id) {
      if (nest.dag[id].kind == ExprKind::reduced) number[static_cast<size_t>(nest.dag[id].integer)] = 0;
    });
    Dag dag;
    std::vector<Reduction> kept;
    for (size_t i = 0; i < number.size(); ++i) {
      if (number[i] < 0 || i >= nest.reductions.size()) continue;
      number[i] = static_cast<int>(kept.size());
      kept.push_back({nest.reductions[i].kind, dag.import(nest.dag, nest.reductions[i].body, {})});
    }
    Dag::Substitution substitution;
    substitution.reduced = [&](int64_t old) { return dag.reduced(number[static_cast<size_t>(old)]); };
    for (Store& store : nest.stores) store.value = dag.import(nest.dag, store.value, substitution);
    for (PartialSum& p : body.partials) p.body = dag.import(nest.dag, p.body, {});
    nest.reductions = std::move(kept);
    nest.dag = std::move(dag);
  }

  const Graph& graph_;
  const Fusion& fusion_;
  const Target& target_;
  Schedule schedule_;
  std::map<ValueId, PartialBuffer> partials_;
  std::vector<int32_t> state_buffers_;
  std::map<ValueId, Placement> placements_;
  std::set<ValueId> stored_;
  std::map<int32_t, BufferView> output_copies_;
};

}  // namespace

Schedule place(const Graph& graph, const Fusion& fusion, const Target& target) {
  return Placer(graph, fusion, target).run();
}

}  // namespace netc
