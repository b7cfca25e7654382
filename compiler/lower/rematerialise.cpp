#include "compiler/lower/rematerialise.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "compiler/base/error.h"
#include "compiler/ir/op_def.h"
#include "compiler/lower/expand.h"
#include "compiler/lower/memory_plan.h"
#include "compiler/lower/schedule.h"
#include "compiler/passes/graph_copy.h"

namespace netc {
namespace {

constexpr int64_t kLargestWork = 48;       // per element: batch norm, activation and dropout, but no chain of exp
constexpr size_t kLargestChain = 8;        // large values that a recomputation reads

size_t at(ValueId value) { return static_cast<size_t>(value.index); }

// How a value is computed again: from values in memory, by one kernel.
struct Recipe {
  std::set<ValueId> sources;
  int64_t work = 0, flops = 0;  // per element
};

// A graph with its fusion, and what the choice of values to recompute needs to know of them.
class Analysis {
 public:
  Analysis(const Graph& graph, const RematerialiseOptions& options)
      : graph_(graph), fusion_(fuse(graph, options.fuse)), smallest_(options.smallest_value) {
    for (const GraphOutput& output : graph.outputs) backward_ = std::max(backward_, graph.value(output.value).producer.index + 1);
    for (const GraphOutput& output : graph.outputs) results_.insert(view_base(graph, fusion_, output.value).base);
    for (const StateUpdate& update : graph.updates) results_.insert(view_base(graph, fusion_, update.value).base);
    for (size_t k = 0; k < fusion_.kernels.size(); ++k) find_uses(static_cast<int32_t>(k));
  }

  const Graph& graph() const { return graph_; }
  const Fusion& fusion() const { return fusion_; }
  ValueRole role(ValueId value) const { return fusion_.roles[at(value)]; }
  bool is_forward(ValueId value) const { return graph_.value(value).producer.index < backward_; }
  bool is_piece(ValueId value) const { return fusion_.pieces.count(value) > 0; }

  // The node of the backward pass before which a value must be there, or -1: no kernel of the backward pass reads it.
  int32_t first_backward_use(ValueId value) const {
    auto found = first_use_.find(value);
    return found == first_use_.end() ? -1 : found->second;
  }

  // How to compute a value from what is in memory, through values of `chosen`, which are not. Null if that is no cheap
  // element-wise work.
  std::optional<Recipe> recipe(ValueId value, const std::set<ValueId>& chosen = {}) const {
    const std::optional<Recipe>& own = own_recipe(value);
    if (!own) return std::nullopt;
    Recipe whole{{}, own->work, own->flops};
    for (ValueId source : own->sources) {
      if (!chosen.count(source)) {
        whole.sources.insert(source);
        continue;
      }
      const std::optional<Recipe> inner = is_concat(source) ? std::nullopt : recipe(source, chosen);
      if (!inner) return std::nullopt;
      whole.sources.insert(inner->sources.begin(), inner->sources.end());
      whole.work += inner->work;
      whole.flops += inner->flops;
    }
    return whole.work <= kLargestWork ? std::optional(whole) : std::nullopt;
  }

  bool is_concat(ValueId value) const { return graph_.producer(value).op->name == "concat"; }

  bool is_worth_it(ValueId value) const { return graph_.type(value).bytes() >= smallest_; }

  // Whether a value is element-wise work of the forward pass that the backward pass reads.
  bool is_candidate(ValueId value) const {
    const bool stored = role(value) == ValueRole::gathered || (role(value) == ValueRole::computed && !is_piece(value));
    return stored && is_forward(value) && first_backward_use(value) >= 0 && !results_.count(value) &&
           !fusion_.in_state.count(value) && is_floating(graph_.type(value).dtype) && is_worth_it(value);
  }

  // Whether a value is in memory during the backward pass whatever is recomputed.
  bool is_kept(ValueId value) const {
    return role(value) == ValueRole::leaf || fusion_.in_state.count(value) || first_backward_use(value) >= 0;
  }

 private:
  void find_uses(int32_t k) {
    const FusedKernel& kernel = fusion_.kernels[static_cast<size_t>(k)];
    int32_t first = std::numeric_limits<int32_t>::max();
    for (NodeId node : kernel.nodes) first = std::min(first, node.index);
    if (first < backward_) return;
    for (ValueId operand : kernel.operands) {
      if (is_partial(graph_, operand)) continue;
      note_use(view_base(graph_, fusion_, operand).base, first);
    }
  }
  // A piece of a concat lies in the concat's buffer, so whoever reads the one needs the other.
  void note_use(ValueId value, int32_t node) {
    auto [use, is_new] = first_use_.try_emplace(value, node);
    use->second = std::min(use->second, node);
    if (auto piece = fusion_.pieces.find(value); piece != fusion_.pieces.end()) note_use(piece->second.first, node);
  }

  const std::optional<Recipe>& own_recipe(ValueId value) const {
    auto [known, is_new] = recipes_.try_emplace(value);
    if (!is_new) return known->second;
    Recipe recipe;
    bool possible = true;
    if (is_concat(value)) {
      for (ValueId piece : graph_.producer(value).inputs) possible = possible && is_piece(piece) && add(piece, recipe);
    } else {
      possible = add(value, recipe);
    }
    std::optional<Recipe>& result = recipes_[value];
    if (possible) result = std::move(recipe);
    return result;
  }

  // Adds a value's own work and that of inlined values; what lies in memory becomes a source.
  bool add(ValueId value, Recipe& out) const {
    const Node& node = graph_.producer(value);
    if (is_concat(value) || !node.op->scalar || node.outputs.size() != 1) return false;
    const LoopNest nest = node.op->scalar(make_call(graph_, node));
    if (!nest.reductions.empty()) return false;
    out.work += work_of(nest.dag, roots_of(nest));
    out.flops += work_of(nest.dag, roots_of(nest), true);
    if (out.work > kLargestWork) return false;
    for (ValueId input : node.inputs) {
      if (!input.valid() || role(input) == ValueRole::constant) continue;
      const ValueId base = view_base(graph_, fusion_, input).base;
      if (role(base) != ValueRole::inlined)
        out.sources.insert(base);
      else if (!add(base, out))
        return false;
    }
    return true;
  }

  const Graph& graph_;
  Fusion fusion_;
  int64_t smallest_;
  int32_t backward_ = 0;                // the first node that is not of the forward pass
  std::set<ValueId> results_;
  std::map<ValueId, int32_t> first_use_;
  mutable std::map<ValueId, std::optional<Recipe>> recipes_;  // what own_recipe has found
};

bool is_large(const Graph& graph, ValueId source, ValueId value) {
  return 4 * graph.type(source).bytes() >= graph.type(value).bytes();
}

// Copies a graph, with values computed again where that is asked for.
class Recomputation {
 public:
  explicit Recomputation(const Analysis& analysis) : analysis_(analysis), graph_(analysis.graph()), copy_(builder_, graph_) {}

  // Input `input` of node `user` becomes a value of its own.
  void replace_input(NodeId user, ValueId input) { private_inputs_.insert({user.index, input}); }
  // Nodes from `first` on, in the backward pass, use a value that is computed before that node.
  void replace_value(ValueId value, int32_t first) {
    chosen_.insert(value);
    due_[first].push_back(value);
    if (analysis_.is_concat(value))
      for (ValueId piece : graph_.producer(value).inputs) chosen_.insert(piece);
  }

  Graph run() {
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      const auto number = static_cast<int32_t>(n);
      if (auto due = due_.find(number); due != due_.end())
        for (ValueId value : due->second) recompute(value);
      copy(number);
    }
    copy_.results();
    return builder_.finish();
  }

 private:
  void recompute(ValueId value) {
    const Node& node = graph_.producer(value);
    if (!analysis_.is_concat(value)) {
      again_[value] = clone(value);
      return;
    }
    std::vector<ValueId> pieces;
    for (ValueId piece : node.inputs) pieces.push_back(again_[piece] = clone(piece));
    builder_.set_origin(node.origin);
    again_[value] = builder_.emit(*node.op, pieces, node.attrs);
  }

  // The value computed from what is in memory: through inlined and chosen values, and views of them.
  ValueId clone(ValueId value) {
    const Node& node = graph_.producer(value);
    std::vector<ValueId> inputs;
    for (ValueId input : node.inputs) inputs.push_back(needs_clone(input) ? clone(input) : copy_[input]);
    builder_.set_origin(node.origin);
    return builder_.emit_all(*node.op, inputs, node.attrs)[static_cast<size_t>(graph_.value(value).result)];
  }
  bool needs_clone(ValueId value) const {
    if (!value.valid()) return false;
    const ValueRole role = analysis_.role(value);
    if (role == ValueRole::inlined || chosen_.count(value)) return true;
    return role == ValueRole::view && needs_clone(graph_.producer(value).inputs[0]);
  }

  // A forward value as the backward pass sees it: what it looks at, or would be computed from, may have been recomputed.
  ValueId seen_backwards(ValueId value) {
    if (!value.valid() || !analysis_.is_forward(value) || !reaches_recomputed(value)) return copy_[value];
    if (auto known = again_.find(value); known != again_.end()) return known->second;
    const Node& node = graph_.producer(value);
    std::vector<ValueId> inputs;
    for (ValueId input : node.inputs) inputs.push_back(seen_backwards(input));
    builder_.set_origin(node.origin);
    std::vector<ValueId> results = builder_.emit_all(*node.op, inputs, node.attrs);
    for (size_t i = 0; i < results.size(); ++i) again_[node.outputs[i]] = results[i];
    return again_.at(value);
  }
  bool reaches_recomputed(ValueId value) {
    if (again_.count(value)) return true;
    const ValueRole role = analysis_.role(value);
    if (role != ValueRole::inlined && role != ValueRole::view) return false;
    for (ValueId input : graph_.producer(value).inputs)
      if (input.valid() && reaches_recomputed(input)) return true;
    return false;
  }

  void copy(int32_t number) {
    const Node& node = graph_.nodes[static_cast<size_t>(number)];
    bool changed = false;
    std::vector<ValueId> inputs;
    for (ValueId input : node.inputs) {
      const bool own = private_inputs_.count({number, input}) > 0;
      const bool backwards = !node.outputs.empty() && !analysis_.is_forward(node.outputs[0]);
      inputs.push_back(own ? clone(input) : backwards ? seen_backwards(input) : copy_[input]);
      changed |= input.valid() && inputs.back() != copy_[input];
    }
    if (!changed) return copy_.node(node);
    builder_.set_origin(node.origin);
    const std::vector<ValueId> results = builder_.emit_all(*node.op, inputs, node.attrs);
    for (size_t i = 0; i < results.size(); ++i) copy_.set(node.outputs[i], results[i]);
  }

  const Analysis& analysis_;
  const Graph& graph_;
  Builder builder_;
  GraphCopy copy_;
  std::set<ValueId> chosen_;
  std::set<std::pair<int32_t, ValueId>> private_inputs_;
  std::map<int32_t, std::vector<ValueId>> due_;
  std::map<ValueId, ValueId> again_;  // values of the graph, as they were recomputed in the new one
};

std::string path_of(const Graph& graph, ValueId value) {
  const Origin& origin = graph.producer(value).origin;
  return origin.path.empty() ? graph.producer(value).op->name : origin.path;
}

// Step 1. Kernels that read a value and whatever large it is computed from compute it themselves.
Graph recompute_for_free(const Graph& graph, const RematerialiseOptions& options, std::vector<RecomputedValue>& report) {
  const Analysis analysis(graph, options);
  Recomputation recomputation(analysis);
  for (const FusedKernel& kernel : analysis.fusion().kernels) {
    std::set<ValueId> operands;
    for (ValueId operand : kernel.operands)
      if (!is_partial(graph, operand)) operands.insert(view_base(graph, analysis.fusion(), operand).base);
    for (NodeId user : kernel.nodes) {
      const Node& node = graph.node(user);
      if (!node.op->scalar || analysis.is_forward(node.outputs[0])) continue;
      for (ValueId input : std::set<ValueId>(node.inputs.begin(), node.inputs.end())) {
        if (!input.valid() || analysis.role(input) != ValueRole::computed || !operands.count(input) ||
            !analysis.is_worth_it(input))
          continue;
        const std::optional<Recipe> recipe = analysis.recipe(input);
        bool is_read = recipe.has_value();
        if (recipe)
          for (ValueId source : recipe->sources) is_read = is_read && (!is_large(graph, source, input) || operands.count(source));
        if (!is_read) continue;
        recomputation.replace_input(user, input);
        report.push_back({path_of(graph, input), 0, recipe->flops * graph.type(input).elements(), 0});
      }
    }
  }
  return report.empty() ? graph : recomputation.run();
}

// Step 2.
class LimitedChoice {
 public:
  LimitedChoice(const Graph& graph, const RematerialiseOptions& options) : graph_(graph), analysis_(graph, options) { choose(); }

  size_t size() const { return order_.size(); }
  // The graph in which the first `count` values are recomputed.
  Graph apply(size_t count) const {
    Recomputation recomputation(analysis_);
    for (size_t i = 0; i < count; ++i) recomputation.replace_value(order_[i], analysis_.first_backward_use(order_[i]));
    return recomputation.run();
  }
  std::vector<RecomputedValue> report(size_t count) const {
    std::set<ValueId> chosen;
    for (size_t i = 0; i < count; ++i) insert(order_[i], chosen);
    std::vector<RecomputedValue> report;
    for (size_t i = 0; i < count; ++i) {
      const std::optional<Recipe> recipe = analysis_.recipe(order_[i], chosen);
      NETC_CHECK(recipe, "a value was chosen that cannot be computed again");
      const TensorType& type = graph_.type(order_[i]);
      report.push_back({path_of(graph_, order_[i]), type.bytes(), recipe->flops * type.elements(), moved(order_[i], *recipe)});
    }
    return report;
  }

 private:
  void insert(ValueId value, std::set<ValueId>& chosen) const {
    chosen.insert(value);
    if (analysis_.is_concat(value))
      for (ValueId piece : graph_.producer(value).inputs) chosen.insert(piece);
  }
  int64_t moved(ValueId value, const Recipe& recipe) const {
    int64_t bytes = graph_.type(value).bytes();
    for (ValueId source : recipe.sources) bytes += graph_.type(source).bytes();
    return bytes;
  }

  // Greedy: always the value that costs least per byte, in what must be moved for it and, where others are recomputed through it, for
  // them. Of equal ones the one that the backward pass needs last, since its memory is free for longest.
  void choose() {
    std::vector<ValueId> candidates;
    for (size_t v = 0; v < graph_.values.size(); ++v)
      if (const ValueId value{static_cast<int32_t>(v)}; analysis_.is_candidate(value)) candidates.push_back(value);
    std::set<ValueId> chosen;
    std::map<ValueId, int64_t> costs;  // of the chosen ones
    while (true) {
      std::tuple<double, int32_t, ValueId> best{0, 0, {}};
      for (ValueId value : candidates) {
        if (chosen.count(value)) continue;
        const std::optional<int64_t> cost = cost_of_adding(value, chosen, costs);
        if (!cost) continue;
        const std::tuple rank{static_cast<double>(*cost) / static_cast<double>(graph_.type(value).bytes()),
                              -analysis_.first_backward_use(value), value};
        if (!std::get<2>(best).valid() || rank < best) best = rank;
      }
      const ValueId value = std::get<2>(best);
      if (!value.valid()) return;
      insert(value, chosen);
      order_.push_back(value);
      for (ValueId known : order_) costs[known] = *cost_of(known, chosen);
    }
  }

  // Bytes moved to recompute a value; none if it cannot be, or not cheaply.
  std::optional<int64_t> cost_of(ValueId value, const std::set<ValueId>& chosen) const {
    const std::optional<Recipe> recipe = analysis_.recipe(value, chosen);
    if (!recipe) return std::nullopt;
    size_t large = 0;
    for (ValueId source : recipe->sources) {
      if (!is_large(graph_, source, value)) continue;
      if (!analysis_.is_kept(source) || ++large > kLargestChain) return std::nullopt;
    }
    return moved(value, *recipe);
  }
  std::optional<int64_t> cost_of_adding(ValueId value, const std::set<ValueId>& chosen, const std::map<ValueId, int64_t>& costs) const {
    std::set<ValueId> with = chosen;
    insert(value, with);
    std::optional<int64_t> total = cost_of(value, with);
    for (ValueId other : order_) {
      if (!total) break;
      if (!recomputed_through(other, value, chosen)) continue;
      const std::optional<int64_t> cost = cost_of(other, with);
      if (!cost) return std::nullopt;
      *total += *cost - costs.at(other);
    }
    return total;
  }
  bool recomputed_through(ValueId other, ValueId value, const std::set<ValueId>& chosen) const {
    const std::optional<Recipe> recipe = analysis_.recipe(other, chosen);
    if (!recipe) return false;
    if (recipe->sources.count(value)) return true;
    if (!analysis_.is_concat(value)) return false;
    for (ValueId piece : graph_.producer(value).inputs)
      if (recipe->sources.count(piece)) return true;
    return false;
  }

  const Graph& graph_;
  Analysis analysis_;
  std::vector<ValueId> order_;
};

int64_t planned_arena(const Graph& graph, const Target& target, const FuseOptions& options) {
  return plan_memory(make_schedule(graph, target, nullptr, options)).arena_bytes;
}

}  // namespace

Rematerialisation rematerialise(const Graph& graph, const Target& target, const RematerialiseOptions& options) {
  Rematerialisation result;
  result.graph = recompute_for_free(graph, options, result.free);
  if (options.arena_limit == kNoLimit) return result;
  result.unlimited_bytes = result.arena_bytes = result.least_bytes = planned_arena(result.graph, target, options.fuse);
  if (result.arena_bytes <= options.arena_limit) return result;

  const Graph unlimited = result.graph;
  const LimitedChoice choice(unlimited, options);
  const auto attempt = [&](size_t count) {
    Graph candidate = choice.apply(count);
    const int64_t bytes = planned_arena(candidate, target, options.fuse);
    result.least_bytes = std::min(result.least_bytes, bytes);
    if (bytes > options.arena_limit) return false;
    result.graph = std::move(candidate);
    result.arena_bytes = bytes;
    result.limited = choice.report(count);
    return true;
  };
  size_t too_few = 0, enough = choice.size();
  result.within_limit = attempt(enough);
  while (result.within_limit && enough - too_few > 1) {
    const size_t middle = (too_few + enough) / 2;
    (attempt(middle) ? enough : too_few) = middle;
  }
  return result;
}

}  // namespace netc
