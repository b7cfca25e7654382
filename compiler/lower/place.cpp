#include "compiler/lower/place.h"

#include <map>
#include <numeric>
#include <set>

#include "compiler/base/error.h"
#include "compiler/ir/op_def.h"
#include "compiler/lower/choose_layouts.h"
#include "compiler/lower/expand.h"
#include "compiler/lower/physical_space.h"
#include "compiler/lower/placement.h"
#include "compiler/lower/split_contraction.h"
#include "compiler/lower/tasks.h"

namespace netc {
namespace {

struct PartialBuffer {
  int32_t buffer = -1;
  Shape shape;  // [rows, columns]
};

class Placer {
 public:
  Placer(const Graph& graph, const Fusion& fusion, const LayoutPlan& layouts, const StateLayouts& states, const Target& target)
      : graph_(graph), fusion_(fusion), layouts_(layouts), state_layouts_(states), target_(target) {
    schedule_.states = graph.states;
    state_buffers_.resize(graph.states.size(), -1);
  }

  Schedule run() {
    for (const GraphInput& input : graph_.inputs)
      schedule_.inputs.push_back({input.name, graph_.type(input.value), view_of(input.value)});
    find_stored_values();
    for (size_t k = 0; k < fusion_.kernels.size(); ++k) add_kernel(fusion_.kernels[k], layouts_.contractions[k]);
    for (size_t i = 0; i < graph_.outputs.size(); ++i) {
      const GraphOutput& output = graph_.outputs[i];
      auto copied = output_copies_.find(static_cast<int32_t>(i));
      schedule_.outputs.push_back({output.name, graph_.type(output.value),
                                   copied == output_copies_.end()
                                       ? view_of(output.value, dense(output.value, "it is the output " + output.name))
                                       : copied->second});
    }
    return std::move(schedule_);
  }

 private:
  ValueRole role(ValueId value) const { return fusion_.roles[static_cast<size_t>(value.index)]; }

  const Shape& shape(ValueId value) const { return graph_.type(value).shape; }

  // A buffer for a whole tensor.
  Placement new_buffer(std::string name, const TensorType& type, const Layout& layout, int32_t state = -1) {
    const auto buffer = static_cast<int32_t>(schedule_.buffers.size());
    const int64_t bytes = element_count(physical_shape(layout, type.shape)) * size_of(type.dtype);
    schedule_.buffers.push_back({std::move(name), bytes, state, layout});
    return whole_buffer(buffer, layout, type.shape);
  }

  Placement state_placement(int32_t state) {
    int32_t& buffer = state_buffers_[static_cast<size_t>(state)];
    const StateVariable& variable = graph_.states[static_cast<size_t>(state)];
    auto known = state_layouts_.find(variable.path);
    const Layout layout = known == state_layouts_.end() ? Layout{} : known->second;
    if (buffer < 0) buffer = new_buffer(variable.path, variable.type, layout, state).buffer;
    return whole_buffer(buffer, layout, variable.type.shape);
  }

  // Where a value lies that becomes a state's, perhaps after reshapes: [1, 3] for the state [3].
  Placement placement_in_state(int32_t state, const Shape& to) {
    const Placement whole = state_placement(state);
    const Shape& from = graph_.states[static_cast<size_t>(state)].type.shape;
    if (same_squeezed(from, to)) return with_shape(whole, from, to);
    NETC_CHECK(is_dense(whole, from), "a reshaped value becomes a state that is not dense");
    return {whole.buffer, whole.offset, dense_layout(to.size()), row_major_strides(to)};
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
    switch (role(value)) {
      case ValueRole::view: return view_placement(value);
      case ValueRole::leaf:
        if (node.op == &state_op()) return state_placement(static_cast<int32_t>(node.attrs.integer("index")));
        break;
      case ValueRole::computed:
      case ValueRole::gathered:
        if (auto state = fusion_.in_state.find(value); state != fusion_.in_state.end()) return placement_in_state(state->second, shape(value));
        if (auto piece = fusion_.pieces.find(value); piece != fusion_.pieces.end())
          return piece_placement(piece->second.first, piece->second.second);
        break;
      case ValueRole::constant:
      case ValueRole::inlined: throw InternalError("a value without memory is placed: " + name_of(value));
    }
    return new_buffer(name_of(value), graph_.type(value), layouts_.homes[static_cast<size_t>(value.index)]);
  }

  Placement view_placement(ValueId value) {
    const Node& node = graph_.producer(value);
    const ValueId source = node.inputs[0];
    const Shape &from = shape(source), &to = shape(value);
    if (node.op->name == "slice") {
      const Ints& begins = node.attrs.ints("begins");
      if (std::optional<Placement> slice = slice_of(place(source), from, begins, to)) return *slice;
      return *slice_of(dense(source, "a slice begins or ends within a block"), from, begins, to);
    }
    if (same_squeezed(from, to)) return with_shape(place(source), from, to);
    const Placement flat = dense(source, "a reshape looks at it");
    return {flat.buffer, flat.offset, dense_layout(to.size()), row_major_strides(to)};
  }

  Placement piece_placement(ValueId concat, int32_t input) {
    const Node& node = graph_.producer(concat);
    auto axis = static_cast<size_t>(node.attrs.integer("axis"));
    Shape begins(shape(concat).size(), 0);
    for (int32_t i = 0; i < input; ++i) begins[axis] += shape(node.inputs[static_cast<size_t>(i)])[axis];
    Placement whole = place(concat);
    std::optional<Placement> piece = slice_of(whole, shape(concat), begins, shape(node.inputs[static_cast<size_t>(input)]));
    NETC_CHECK(piece.has_value(), "a piece of a concat begins or ends within a block");
    return *piece;
  }

  // Where a value lies in a layout that a reader needs: its own place, or a converted copy.
  Placement in_layout(ValueId value, const Layout& layout, const std::string& reason) {
    if (std::optional<Placement> own = seen_as(place(value), layout, shape(value))) return *own;
    return converted(value, layout, reason);
  }

  // Where a value lies row-major without gaps.
  Placement dense(ValueId value, const std::string& reason) {
    const Placement& own = place(value);
    return is_dense(own, shape(value)) ? own : converted(value, dense_layout(shape(value).size()), reason);
  }

  const Placement& converted(ValueId value, const Layout& layout, const std::string& reason) {
    auto [copy, is_new] = copies_.try_emplace({value, to_string(layout)});
    if (is_new) {
      copy->second = new_buffer(name_of(value), graph_.type(value), layout);
      add_conversion(value, place(value), copy->second, reason);
    }
    return copy->second;
  }

  BufferView view_of(ValueId value) { return view_of(value, place(value)); }
  BufferView view_of(ValueId value, const Placement& placement) const {
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

  // A kernel while it is made: its body is logical, and `forms` say how its operands lie.
  struct Draft {
    ScheduledKernel kernel;
    std::vector<OperandForm> forms;
    std::vector<std::pair<ValueId, std::pair<Placement, Placement>>> conversions;  // of results, from where to where
  };

  void add_operand(Draft& draft, const std::string& name, const TensorType& type, OperandForm form, BufferView view, bool written) {
    KernelOperand operand;
    operand.name = name;
    operand.dtype = type.dtype;
    operand.shape = type.shape;
    operand.strides = row_major_strides(type.shape);
    operand.space = schedule_.buffers[static_cast<size_t>(view.buffer)].state >= 0 ? Space::state : Space::arena;
    operand.written = written;
    draft.kernel.body.operands.push_back(std::move(operand));
    draft.kernel.operands.push_back(view);
    draft.forms.push_back(std::move(form));
  }

  static OperandForm dense_form(const Shape& shape) { return {dense_layout(shape.size()), row_major_strides(shape), false}; }

  void add_kernel(const FusedKernel& fused, const std::optional<std::array<Layout, 3>>& blocked) {
    Draft draft;
    KernelBody& body = draft.kernel.body;
    body.nest = fused.nest;
    body.nest.stores.clear();
    body.contraction = fused.contraction;
    draft.kernel.nodes = fused.nodes;
    draft.kernel.reasons = fused.reasons;
    for (size_t i = 0; i < fused.operands.size(); ++i) add_read(draft, fused, static_cast<int>(i), blocked);
    std::optional<PhysicalSpace> space;
    if (fused.contraction)
      space = blocked ? space_of((*blocked)[static_cast<size_t>(fused.contraction->contraction.output)]) : logical_space(body.nest);
    add_stores(draft, fused.results, space);
    for (const FusedPartial& partial : fused.partials) {
      body.partials.push_back({{partial.kept}, partial.body, static_cast<int>(draft.kernel.operands.size())});
      const TensorType row{DType::f32, {1, partial.columns}};
      add_operand(draft, "partial sums", row, dense_form(row.shape), {new_buffer("partial sums", row, {}).buffer, 0}, true);
    }
    // Nothing loads what it computes: expressions that looked so, as x^0, became numbers.
    if (body.nest.stores.empty() && body.partials.empty()) return;
    drop_unused(body);
    finish(draft, space ? *space : choose_space(body, draft.forms));
    if (!fused.partials.empty()) size_partials(schedule_.kernels.back(), fused.partials);
    for (const auto& [value, way] : draft.conversions)
      add_conversion(value, way.first, way.second, "the kernel before it computes blocks of channels");
  }

  void finish(Draft& draft, const PhysicalSpace& space) {
    draft.kernel.flops = count_flops(draft.kernel.body);
    draft.kernel.body = make_physical(draft.kernel.body, draft.forms, space);
    for (size_t i = 0; i < draft.kernel.operands.size(); ++i)
      draft.kernel.body.operands[i].alignment = static_cast<int>(std::gcd(draft.kernel.operands[i].offset, kOperandAlignment));
    if (const std::optional<SplitContraction> split = split_contraction(draft.kernel.body, target_)) add_parts(draft.kernel, *split);
    else schedule_.kernels.push_back(std::move(draft.kernel));
  }

  // A contraction as two kernels.
  void add_parts(const ScheduledKernel& whole, const SplitContraction& split) {
    const ContractionStage& stage = *whole.body.contraction;
    const BufferView parts{new_buffer("parts", {DType::f32, split.product.nest.extents}, {}).buffer, 0};
    ScheduledKernel product = whole, sum = whole;
    product.body = split.product;
    product.operands = {whole.operands[static_cast<size_t>(stage.lhs)], whole.operands[static_cast<size_t>(stage.rhs)], parts};
    product.reasons.push_back(split.reason);
    sum.body = split.sum;
    sum.operands = {parts};
    for (int operand : split.kept) sum.operands.push_back(whole.operands[static_cast<size_t>(operand)]);
    sum.reasons = {"adds the parts of the kernel before it, in order"};
    sum.flops = 0;
    sum.adds_parts = true;
    schedule_.kernels.push_back(std::move(product));
    schedule_.kernels.push_back(std::move(sum));
  }

  void add_read(Draft& draft, const FusedKernel& fused, int number, const std::optional<std::array<Layout, 3>>& blocked) {
    const ValueId value = fused.operands[static_cast<size_t>(number)];
    if (is_partial(graph_, value)) {
      const PartialBuffer& p = partials_.at(value);
      add_operand(draft, "partial sums", {DType::f32, p.shape}, dense_form(p.shape), {p.buffer, 0}, false);
      if (fused.sums_rows) draft.kernel.body.nest.extents.back() = p.shape[0];
      return;
    }
    Placement placement = place(value);
    OperandForm form;
    if (fused.contraction && (number == fused.contraction->lhs || number == fused.contraction->rhs)) {
      const Contraction& c = fused.contraction->contraction;
      const int tensor = number == fused.contraction->lhs ? c.first_input() : c.second_input();
      const Layout layout = blocked ? (*blocked)[static_cast<size_t>(tensor)] : dense_layout(shape(value).size());
      placement = in_layout(value, layout, graph_.node(fused.nodes.front()).op->name + " reads it so");
      form.shows_halo = true;
      for (size_t i = 0; i < layout.dims.size(); ++i) placement.offset -= layout.dims[i].before * placement.strides[i];
    }
    form.layout = placement.layout;
    form.strides = placement.strides;
    add_operand(draft, name_of(value), graph_.type(value), std::move(form), view_of(value, placement), false);
  }

  // Gives partial sums their rows, now that the kernel's tasks are known. All keep the same axes.
  void size_partials(ScheduledKernel& kernel, const std::vector<FusedPartial>& partials) {
    const std::vector<int> kept = kernel.body.partials.front().kept;
    int64_t columns = 1;
    for (int axis : kept) columns *= kernel.body.nest.extents[static_cast<size_t>(axis)];
    const Shape rows{partial_rows(kernel.body, kept, target_), columns};
    for (size_t i = 0; i < partials.size(); ++i) {
      const auto output = static_cast<size_t>(kernel.body.partials[i].output);
      const int32_t buffer = kernel.operands[output].buffer;
      kernel.body.operands[output].shape = rows;
      kernel.body.operands[output].strides = row_major_strides(rows);
      schedule_.buffers[static_cast<size_t>(buffer)].bytes = element_count(rows) * size_of(DType::f32);
      partials_[partials[i].value] = {buffer, rows};
    }
  }

  // Where a result goes; its name.
  std::optional<Placement> target_of(const FusedResult& result) {
    const TensorType& type = graph_.type(result.value);
    switch (result.target.kind) {
      case ResultTarget::Kind::value:
        if (!stored_.count(result.value)) return std::nullopt;
        return place(result.value);
      case ResultTarget::Kind::piece: return piece_placement(result.target.concat, result.target.index);
      case ResultTarget::Kind::output: {
        Placement output =
            new_buffer("output." + graph_.outputs[static_cast<size_t>(result.target.index)].name, type, {});
        output_copies_[result.target.index] = {output.buffer, 0};
        return output;
      }
      case ResultTarget::Kind::update:
        return state_placement(graph_.updates[static_cast<size_t>(result.target.index)].state);
    }
    return std::nullopt;
  }

  // `fixed`: the kernel's space, if a contraction says so; else axes are split where a result lies in blocks. A result that
  // cannot be stored from there goes to a buffer of its own first.
  void add_stores(Draft& draft, const std::vector<FusedResult>& results, const std::optional<PhysicalSpace>& fixed) {
    const Shape extents = draft.kernel.body.nest.parallel_extents();
    std::vector<std::optional<Placement>> targets;
    std::set<int> split;
    for (const FusedResult& result : results) {
      std::optional<Placement> target = target_of(result);
      if (target) target = with_shape(*target, shape(result.value), extents);
      if (target)
        for (const LayoutDim& d : target->layout.dims)
          if (d.part == LayoutDim::Part::inner) split.insert(d.dimension);
      targets.push_back(std::move(target));
    }
    const PhysicalSpace space =
        fixed ? *fixed : space_of(blocked_layout(extents.size(), {split.begin(), split.end()}, kChannelBlock));
    for (size_t i = 0; i < results.size(); ++i)
      if (targets[i]) add_store(draft, results[i], *targets[i], space);
  }

  void add_store(Draft& draft, const FusedResult& result, Placement target, const PhysicalSpace& space) {
    const TensorType& type = graph_.type(result.value);
    LoopNest& nest = draft.kernel.body.nest;
    const Shape extents = nest.parallel_extents();
    if (!can_store(space, extents, target.layout)) {
      Placement own = new_buffer(name_of(result.value), {type.dtype, extents}, layout_of(space));
      draft.conversions.push_back({result.value, {with_shape(own, extents, type.shape), with_shape(target, extents, type.shape)}});
      target = std::move(own);
    }
    nest.stores.push_back({static_cast<int>(draft.kernel.operands.size()), result.expr});
    const BufferView view = view_of(result.value, target);
    add_operand(draft, name_of(result.value), {type.dtype, extents}, {target.layout, target.strides, false}, view, true);
  }

  // A kernel that copies a value from one place to another.
  void add_conversion(ValueId value, const Placement& from, const Placement& to, const std::string& reason) {
    const TensorType& type = graph_.type(value);
    Draft draft;
    LoopNest& nest = draft.kernel.body.nest;
    nest.extents = type.shape;
    nest.parallel = static_cast<int>(type.shape.size());
    std::vector<ExprId> axes;
    for (int a = 0; a < nest.parallel; ++a) axes.push_back(nest.dag.axis(a));
    const ExprId element = is_floating(type.dtype) ? nest.dag.load(0, axes) : nest.dag.from_index(nest.dag.index_load(0, axes));
    nest.stores = {{1, element}};
    draft.kernel.nodes = {graph_.value(value).producer};
    draft.kernel.converts = true;
    draft.kernel.reasons = {reason + "; from " + to_string(from.layout) + " to " + to_string(to.layout)};
    add_operand(draft, name_of(value), type, {from.layout, from.strides, false}, view_of(value, from), false);
    add_operand(draft, name_of(value), type, {to.layout, to.strides, false}, view_of(value, to), true);
    finish(draft, choose_space(draft.kernel.body, draft.forms));
  }

  // Keeps the reductions that a store or partial sum uses (max pooling's positions serve only the gradient), and of the Dag
  // what is reachable.
  static void drop_unused(KernelBody& body) {
    LoopNest& nest = body.nest;
    std::vector<ExprId> values;
    for (const Store& store : nest.stores) values.push_back(store.value);
    for (const PartialSum& p : body.partials) values.push_back(p.body);
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
    for (PartialSum& p : body.partials) p.body = dag.import(nest.dag, p.body, substitution);
    nest.reductions = std::move(kept);
    nest.dag = std::move(dag);
  }

  const Graph& graph_;
  const Fusion& fusion_;
  const LayoutPlan& layouts_;
  const StateLayouts& state_layouts_;
  const Target& target_;
  Schedule schedule_;
  std::map<std::pair<ValueId, std::string>, Placement> copies_;  // by layout
  std::map<ValueId, PartialBuffer> partials_;
  std::vector<int32_t> state_buffers_;
  std::map<ValueId, Placement> placements_;
  std::set<ValueId> stored_;
  std::map<int32_t, BufferView> output_copies_;
};

}  // namespace

Schedule place(const Graph& graph, const Fusion& fusion, const LayoutPlan& layouts, const StateLayouts& states,
               const Target& target) {
  return Placer(graph, fusion, layouts, states, target).run();
}

}  // namespace netc
