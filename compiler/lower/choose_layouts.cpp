#include "compiler/lower/choose_layouts.h"

#include <algorithm>
#include <numeric>

#include "compiler/base/error.h"
#include "compiler/ir/op_def.h"
#include "compiler/ops/tf32.h"

namespace netc {

using Part = LayoutDim::Part;

namespace {

constexpr int kChannels = 1;  // the dimension of an image that lies in blocks

// The only axis of an index, which moves by single places; -1: it is another one.
int single_axis(const Dag& dag, ExprId index) {
  AffineIndex form;
  if (!as_affine(dag, index, form) || form.coefficients.size() != 1) return -1;
  const auto& [axis, coefficient] = *form.coefficients.begin();
  return coefficient == 1 ? axis : -1;
}

class Chooser {
 public:
  Chooser(const Graph& graph, const Fusion& fusion, const StateLayouts& states, const LayoutOptions& options)
      : graph_(graph), fusion_(fusion), states_(states), options_(options), parent_(graph.values.size()),
        image_(in_blocks() ? blocked_layout(4, {kChannels}, kChannelBlock) : channels_last_layout()),
        wanted_(graph.values.size()), refused_(graph.values.size(), false) {
    std::iota(parent_.begin(), parent_.end(), 0);
    for (size_t v = 0; v < graph.values.size(); ++v) roots_.push_back(memory_root(graph, fusion, {static_cast<int32_t>(v)}));
    plan_.homes.resize(graph.values.size());
    plan_.contractions.resize(fusion.kernels.size());
  }

  LayoutPlan run() {
    place_states();
    if (options_.images == ImageLayout::dense) return std::move(plan_);
    for (size_t k = 0; k < fusion_.kernels.size(); ++k)
      if (const auto& stage = fusion_.kernels[k].contraction) plan_.contractions[k] = wanted_layouts(stage->contraction, options_);
    find_refused();
    for (size_t k = 0; k < fusion_.kernels.size(); ++k) {
      collect_wants(k);
      link(fusion_.kernels[k]);
    }
    place_images();
    return std::move(plan_);
  }

 private:
  static size_t at(ValueId value) { return static_cast<size_t>(value.index); }
  const Shape& shape(ValueId value) const { return graph_.type(value).shape; }
  ValueId root(ValueId value) const { return roots_[at(value)]; }

  void place_states() {
    auto layout_of = [&](int32_t state) {
      auto found = states_.find(graph_.states[static_cast<size_t>(state)].path);
      return found == states_.end() ? Layout{} : found->second;
    };
    for (const Node& node : graph_.nodes)
      if (node.op == &state_op()) plan_.homes[at(node.outputs[0])] = layout_of(static_cast<int32_t>(node.attrs.integer("index")));
    for (const auto& [value, state] : fusion_.in_state) plan_.homes[at(value)] = layout_of(state);
  }

  bool in_blocks() const { return options_.images == ImageLayout::blocks; }

  // Values that cannot lie as images do.
  void find_refused() {
    for (size_t v = 0; v < graph_.values.size(); ++v) {
      const ValueId value{static_cast<int32_t>(v)};
      const ValueRole role = fusion_.roles[v];
      if ((role != ValueRole::computed && role != ValueRole::gathered) || fusion_.in_state.count(value)) refused_[v] = true;
      if (in_blocks() && shape(value).size() == 4 && !fills_blocks(shape(value)[kChannels], options_)) refused_[v] = true;
    }
    for (const Node& node : graph_.nodes) {
      if (in_blocks() && node.op->name == "slice" && fusion_.roles[at(node.outputs[0])] == ValueRole::view && !cuts_between_blocks(node))
        refused_[at(root(node.outputs[0]))] = true;
    }
    for (const auto& [value, piece] : fusion_.pieces)
      if (!lies_between_blocks(value, piece.first, piece.second)) refused_[at(root(value))] = true;
    for (size_t k = 0; k < fusion_.kernels.size(); ++k)
      for (const FusedResult& result : fusion_.kernels[k].results) {
        if (fusion_.kernels[k].contraction && !plan_.contractions[k]) refused_[at(root(result.value))] = true;
        if (result.target.kind == ResultTarget::Kind::piece &&
            !lies_between_blocks(result.value, result.target.concat, result.target.index))
          refused_[at(root(result.target.concat))] = true;
      }
  }

  // A slice whose channels are whole blocks, with all columns.
  bool cuts_between_blocks(const Node& node) const {
    const Shape& from = shape(node.inputs[0]);
    if (from.size() != 4) return false;
    const Ints& begins = node.attrs.ints("begins");
    const int64_t begin = begins[kChannels], count = shape(node.outputs[0])[kChannels];
    return begin % kChannelBlock == 0 && (count % kChannelBlock == 0 || begin + count == from[kChannels]) &&
           shape(node.outputs[0])[3] == from[3];
  }

  bool lies_between_blocks(ValueId value, ValueId concat, int32_t input) const {
    const Node& node = graph_.producer(concat);
    const int64_t axis = node.attrs.integer("axis");
    if (axis == 0 || shape(concat).size() != 4) return axis == 0;
    if (!in_blocks()) return true;
    if (axis != kChannels) return false;
    int64_t begin = 0;
    for (int32_t i = 0; i < input; ++i) begin += shape(node.inputs[static_cast<size_t>(i)])[kChannels];
    const int64_t count = shape(value)[kChannels];
    return begin % kChannelBlock == 0 && (count % kChannelBlock == 0 || begin + count == shape(concat)[kChannels]);
  }

  // What the inputs and results of a contraction should lie in.
  void collect_wants(size_t k) {
    if (!plan_.contractions[k]) return;
    const FusedKernel& kernel = fusion_.kernels[k];
    const ContractionStage& stage = *kernel.contraction;
    const std::array<Layout, 3>& layouts = *plan_.contractions[k];
    const Contraction& c = stage.contraction;
    want(kernel.operands[static_cast<size_t>(stage.lhs)], layouts[static_cast<size_t>(c.first_input())]);
    want(kernel.operands[static_cast<size_t>(stage.rhs)], layouts[static_cast<size_t>(c.second_input())]);
    for (const FusedResult& result : kernel.results)
      if (shape(result.value) == kernel.nest.extents) want(result.value, layouts[static_cast<size_t>(c.output)]);
  }

  // The first layout that is wanted counts, with the most halo that one of the kind asks for.
  void want(ValueId value, const Layout& layout) {
    if (is_partial(graph_, value)) return;
    if (!keeps_dimensions(value)) return;
    std::optional<Layout>& wanted = wanted_[at(root(value))];
    if (!wanted) {
      wanted = layout;
      return;
    }
    Layout widest = layout;
    if (wanted->dims.size() != layout.dims.size()) return;
    for (size_t i = 0; i < layout.dims.size(); ++i) {
      LayoutDim &a = widest.dims[i], &b = wanted->dims[i];
      if (a.dimension != b.dimension || a.part != b.part) return;
      a.before = std::max(a.before, b.before);
      a.after = std::max(a.after, b.after);
    }
    wanted = std::move(widest);
  }

  // Whether a value is its memory, or a piece or slice of it.
  bool keeps_dimensions(ValueId value) const {
    const ValueId end = root(value);
    while (value != end) {
      if (fusion_.roles[at(value)] != ValueRole::view) {
        value = fusion_.pieces.at(value).first;
        continue;
      }
      const Node& node = graph_.producer(value);
      if (shape(value).size() != shape(node.inputs[0]).size() || (node.op->name != "slice" && shape(value) != shape(node.inputs[0])))
        return false;
      value = node.inputs[0];
    }
    return true;
  }

  // Images whose channels are one axis of a kernel lie alike.
  void link(const FusedKernel& kernel) {
    std::map<int, ValueId> by_axis;
    auto add = [&](ValueId value, int axis) {
      const ValueId r = root(value);
      if (axis < 0 || refused_[at(r)]) return;
      auto [first, is_new] = by_axis.try_emplace(axis, r);
      if (!is_new) parent_[find(r)] = static_cast<int32_t>(find(first->second));
    };
    for (const FusedResult& result : kernel.results)
      if (shape(result.value).size() == 4 && shape(result.value)[kChannels] > 1)
        add(result.value, squeezed_axes(shape(result.value), kernel.nest.parallel_extents())[kChannels]);
    const Dag& dag = kernel.nest.dag;
    std::vector<ExprId> roots;
    for (const Reduction& r : kernel.nest.reductions) roots.push_back(r.body);
    for (const FusedResult& r : kernel.results) roots.push_back(r.expr);
    for (const FusedPartial& p : kernel.partials) roots.push_back(p.body);
    visit_postorder(dag, roots, [&](ExprId id) {
      const Expr& e = dag[id];
      if (e.kind != ExprKind::load && e.kind != ExprKind::index_load) return;
      const ValueId value = kernel.operands[static_cast<size_t>(e.integer)];
      if (is_partial(graph_, value) || shape(value).size() != 4 || !keeps_dimensions(value)) return;
      add(value, in_blocks() ? axis_within_block(dag, e.indices[kChannels], kChannelBlock) : single_axis(dag, e.indices[kChannels]));
    });
  }

  size_t find(ValueId value) {
    size_t v = at(value);
    while (parent_[v] != static_cast<int32_t>(v)) {
      parent_[v] = parent_[static_cast<size_t>(parent_[v])];
      v = static_cast<size_t>(parent_[v]);
    }
    return v;
  }

  void place_images() {
    const std::vector<bool> sliced = find_sliced(), shown = find_shown();
    std::vector<bool> follows(graph_.values.size(), false);
    for (size_t v = 0; v < graph_.values.size(); ++v)
      if (!refused_[v] && wanted_[v] && same_dims(*wanted_[v], image_)) follows[find({static_cast<int32_t>(v)})] = true;
    for (size_t v = 0; v < graph_.values.size(); ++v) {
      const ValueId value{static_cast<int32_t>(v)};
      if (fusion_.roles[v] != ValueRole::computed && fusion_.roles[v] != ValueRole::gathered) continue;
      if (fusion_.in_state.count(value) || root(value) != value) continue;
      Layout& home = plan_.homes[v];
      // Pieces and slices know images only.
      const bool any = fusion_.roles[v] != ValueRole::gathered && !sliced[v];
      if (wanted_[v] && (same_dims(*wanted_[v], image_) ? !refused_[v] : any)) home = *wanted_[v];
      else if (!refused_[v] && shape(value).size() == 4 && follows[find(value)]) home = image_;
      if (!shown[v]) remove_halo(home);
    }
  }

  static bool same_dims(const Layout& a, const Layout& b) {
    return a.dims.size() == b.dims.size() && std::equal(a.dims.begin(), a.dims.end(), b.dims.begin(), [](const LayoutDim& x, const LayoutDim& y) {
             return x.dimension == y.dimension && x.part == y.part;
           });
  }

  // Of values that are memory roots: whether a slice looks into them.
  std::vector<bool> find_sliced() const {
    std::vector<bool> sliced(graph_.values.size(), false);
    for (const Node& node : graph_.nodes)
      if (node.op->name == "slice" && fusion_.roles[at(node.outputs[0])] == ValueRole::view) sliced[at(root(node.outputs[0]))] = true;
    return sliced;
  }

  // Of memory roots: whether the axes of all kernels that write them are the value's dimensions, one by one: such kernels write a halo.
  std::vector<bool> find_shown() const {
    std::vector<bool> shown(graph_.values.size(), true);
    for (const FusedKernel& kernel : fusion_.kernels)
      for (const FusedResult& result : kernel.results) {
        const ValueId place = result.target.kind == ResultTarget::Kind::piece ? result.target.concat : result.value;
        if (shape(result.value) != kernel.nest.parallel_extents()) shown[at(root(place))] = false;
      }
    return shown;
  }

  static void remove_halo(Layout& layout) {
    for (LayoutDim& d : layout.dims) d.before = d.after = 0;
  }

  const Graph& graph_;
  const Fusion& fusion_;
  const StateLayouts& states_;
  const LayoutOptions& options_;
  LayoutPlan plan_;
  std::vector<ValueId> roots_;   // memory_root of every value
  std::vector<int32_t> parent_;  // of linked images
  const Layout image_;           // without halo
  std::vector<std::optional<Layout>> wanted_;
  std::vector<bool> refused_;
};

}  // namespace

LayoutPlan choose_layouts(const Graph& graph, const Fusion& fusion, const StateLayouts& states, const LayoutOptions& options) {
  return Chooser(graph, fusion, states, options).run();
}

StateLayouts choose_state_layouts(const std::vector<const Graph*>& graphs, const LayoutOptions& options) {
  StateLayouts layouts;
  if (options.images == ImageLayout::dense) return layouts;
  for (const Graph* graph : graphs)
    for (const Node& node : graph->nodes) {
      if (!node.op->contract) continue;
      const Contraction c = node.op->contract(make_call(*graph, node));
      if (c.output != 2) continue;
      const std::optional<std::array<Layout, 3>> wanted = wanted_layouts(c, options);
      if (!wanted) continue;
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        const Node* producer = &graph->producer(node.inputs[i]);
        if (producer->op->name == "cast" || producer->op == &round_tf32_op())
          producer = &graph->producer(producer->inputs[0]);  // a rounded copy of the weights
        if (producer->op != &state_op()) continue;
        const StateVariable& state = graph->states[static_cast<size_t>(producer->attrs.integer("index"))];
        if (state.kind == StateKind::parameter || state.kind == StateKind::prepared)
          layouts.try_emplace(state.path, (*wanted)[static_cast<size_t>(i == 0 ? c.first_input() : c.second_input())]);
      }
    }
  const std::string prefix = "gradient/";
  for (const Graph* graph : graphs)
    for (const StateVariable& state : graph->states)
      if (state.kind == StateKind::gradient && state.path.compare(0, prefix.size(), prefix) == 0)
        if (auto known = layouts.find(state.path.substr(prefix.size())); known != layouts.end())
          layouts.emplace(state.path, known->second);
  return layouts;
}

ValueId memory_root(const Graph& graph, const Fusion& fusion, ValueId value) {
  while (true) {
    value = view_base(graph, fusion, value).base;
    auto piece = fusion.pieces.find(value);
    if (piece == fusion.pieces.end()) return value;
    value = piece->second.first;
  }
}

int axis_within_block(const Dag& dag, ExprId index, int64_t block) {
  AffineIndex form;
  if (!as_affine(dag, index, form) || form.constant % block != 0) return -1;
  int found = -1;
  for (auto [axis, coefficient] : form.coefficients) {
    if (coefficient % block == 0) continue;
    if (found >= 0 || coefficient != 1) return -1;
    found = axis;
  }
  return found;
}

}  // namespace netc
