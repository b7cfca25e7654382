#include "compiler/lower/rematerialise.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>

#include "compiler/base/error.h"
#include "compiler/ir/op_def.h"
#include "compiler/lower/live_bytes.h"
#include "compiler/lower/machine_model.h"
#include "compiler/lower/memory_plan.h"
#include "compiler/lower/recomputation.h"
#include "compiler/lower/recompute_analysis.h"
#include "compiler/lower/schedule.h"

namespace netc {
namespace {

constexpr size_t kLargestChain = 8;        // large values that a recomputation reads

std::string path_of(const Graph& graph, ValueId value) {
  const Origin& origin = graph.producer(value).origin;
  return origin.path.empty() ? graph.producer(value).op->name : origin.path;
}

// Values in kernels of the backward pass that could be written by them. A value costs a store then, and the kernel reads no more
// than it did: it read the value, or what the value is computed from.
class Restoration {
 public:
  Restoration(const RecomputeAnalysis& analysis, const Target& target, const RematerialiseOptions& options)
      : analysis_(analysis), graph_(analysis.graph()), machine_(machine_model(target)), recomputation_(analysis) {
    seconds_left_ = options.largest_share * step_seconds();
    for (ValueId value : by_size(options.smallest_restored)) consider(value);
  }

  const std::vector<RecomputedValue>& report() const { return report_; }
  Graph apply() { return recomputation_.run(); }

 private:
  // The kernel that can write a value, the first node in it that reads the value, and what has to wait for that: earlier readers.
  struct Place {
    const FusedKernel* kernel = nullptr;
    NodeId reader;
    std::set<NodeId> earlier;
  };

  // Of one step, estimated: what a share is of.
  double step_seconds() const {
    double seconds = 0;
    for (const FusedKernel& kernel : analysis_.fusion().kernels) {
      int64_t bytes = 0;
      for (ValueId operand : analysis_.operands_of(kernel)) bytes += graph_.type(operand).bytes();
      for (const FusedResult& result : kernel.results) bytes += graph_.type(result.value).bytes();
      seconds += machine_.seconds(kernel.contraction ? 2 * kernel.contraction->contraction.multiply_adds() : 0, bytes);
    }
    return seconds;
  }

  // Large values first: they bring most. Of equal ones the first, which no other one is computed from.
  std::vector<ValueId> by_size(int64_t smallest) const {
    std::vector<ValueId> values;
    for (size_t v = 0; v < graph_.values.size(); ++v) {
      const ValueId value{static_cast<int32_t>(v)};
      if (graph_.type(value).bytes() >= smallest && analysis_.is_candidate(value) && !analysis_.is_concat(value)) values.push_back(value);
    }
    std::stable_sort(values.begin(), values.end(),
                     [&](ValueId a, ValueId b) { return graph_.type(a).bytes() > graph_.type(b).bytes(); });
    return values;
  }

  void consider(ValueId value) {
    const double seconds = machine_.seconds(0, graph_.type(value).bytes());
    if (needed_.count(value) || seconds > seconds_left_) return;
    const std::optional<Place> place = place_of(value);
    const std::optional<RecomputeRecipe> recipe = place ? analysis_.recipe(value, chosen_) : std::nullopt;
    if (!recipe || !reads_no_more(value, *recipe, *place->kernel)) return;
    seconds_left_ -= seconds;
    chosen_.insert(value);
    needed_.insert(recipe->sources.begin(), recipe->sources.end());
    recomputation_.replace_value(value, *recipe, place->reader.index);
    for (NodeId node : place->earlier) recomputation_.delay(node, place->reader.index);
    const TensorType& type = graph_.type(value);
    report_.push_back({path_of(graph_, value), type.bytes(), recipe->flops * type.elements(), type.bytes()});
  }

  bool reads_no_more(ValueId value, const RecomputeRecipe& recipe, const FusedKernel& kernel) const {
    const std::set<ValueId> operands = analysis_.operands_of(kernel);
    int64_t more = 0;
    for (ValueId source : recipe.sources)
      if (analysis_.is_large(source, value) && !operands.count(source)) more += graph_.type(source).bytes();
    return more <= (operands.count(value) ? graph_.type(value).bytes() : 0);
  }

  std::optional<Place> place_of(ValueId value) const {
    Place place;
    for (NodeId node : analysis_.backward_readers(value)) {
      const int32_t number = analysis_.kernel_of(node);
      if (number < 0) return std::nullopt;  // inlined into several
      const FusedKernel& kernel = analysis_.fusion().kernels[static_cast<size_t>(number)];
      if (is_map_over(kernel, node, value)) {
        place.kernel = &kernel;
        place.reader = node;
        break;
      }
      place.earlier.insert(node);
    }
    if (!place.kernel) return std::nullopt;
    for (int32_t n = 0; n <= place.reader.index; ++n) add_waiting({n}, place.earlier);
    for (NodeId node : place.earlier)
      if (node == place.reader || is_in(node, *place.kernel)) return std::nullopt;
    return place;
  }

  // A node that uses what waits has to wait as well.
  void add_waiting(NodeId node, std::set<NodeId>& waiting) const {
    if (waiting.empty() || node < *waiting.begin()) return;
    for (ValueId input : graph_.node(node).inputs)
      if (input.valid() && waiting.count(graph_.value(input).producer)) waiting.insert(node);
  }

  bool is_in(NodeId node, const FusedKernel& kernel) const {
    const int32_t number = analysis_.kernel_of(node);
    return number >= 0 && &analysis_.fusion().kernels[static_cast<size_t>(number)] == &kernel;
  }

  bool is_map_over(const FusedKernel& kernel, NodeId id, ValueId value) const {
    const Node& node = graph_.node(id);
    return node.op->scalar && kernel.nest.reductions.empty() && graph_.type(node.outputs[0]).shape == graph_.type(value).shape &&
           same_squeezed(kernel.nest.parallel_extents(), graph_.type(value).shape);
  }

  const RecomputeAnalysis& analysis_;
  const Graph& graph_;
  MachineModel machine_;
  GraphRecomputation recomputation_;
  double seconds_left_ = 0;
  std::set<ValueId> chosen_, needed_;
  std::vector<RecomputedValue> report_;
};

int64_t planned_arena(const Graph& graph, const Target& target, const FuseOptions& options) {
  return plan_memory(make_schedule(graph, target, nullptr, options)).arena_bytes;
}

// A graph and what there is to know of it.
struct AnalysedGraph {
  AnalysedGraph(Graph g, const RematerialiseOptions& options)
      : graph(std::move(g)), analysis(graph, options.fuse, options.smallest_value) {}
  AnalysedGraph(const AnalysedGraph&) = delete;  // the analysis refers to the graph

  const Graph graph;
  const RecomputeAnalysis analysis;
};

// Step 1: null where nothing is worth a store. Schedules of both graphs would say exactly what it brings, and take as long as all
// else that is done for a training step.
std::unique_ptr<AnalysedGraph> restore(const AnalysedGraph& kept, const Target& target, const RematerialiseOptions& options,
                                       std::vector<RecomputedValue>& report) {
  Restoration restoration(kept.analysis, target, options);
  if (restoration.report().empty()) return nullptr;
  auto restored = std::make_unique<AnalysedGraph>(restoration.apply(), options);
  if (estimate_live_bytes(restored->graph, restored->analysis.fusion()) >= estimate_live_bytes(kept.graph, kept.analysis.fusion()))
    return nullptr;
  report = restoration.report();
  return restored;
}

// Step 2. Kernels that read a value and whatever large it is computed from compute it themselves.
Graph recompute_for_free(const AnalysedGraph& analysed, std::vector<RecomputedValue>& report) {
  const auto& [graph, analysis] = analysed;
  GraphRecomputation recomputation(analysis);
  for (const FusedKernel& kernel : analysis.fusion().kernels) {
    const std::set<ValueId> operands = analysis.operands_of(kernel);
    for (NodeId user : kernel.nodes) {
      const Node& node = graph.node(user);
      if (!node.op->scalar || analysis.is_forward(node.outputs[0])) continue;
      for (ValueId input : std::set<ValueId>(node.inputs.begin(), node.inputs.end())) {
        if (!input.valid() || analysis.role(input) != ValueRole::computed || !operands.count(input) ||
            !analysis.is_worth_it(input))
          continue;
        const std::optional<RecomputeRecipe> recipe = analysis.recipe(input);
        bool is_read = recipe.has_value();
        if (recipe)
          for (ValueId source : recipe->sources) is_read = is_read && (!analysis.is_large(source, input) || operands.count(source));
        if (!is_read) continue;
        recomputation.replace_input(user, input, *recipe);
        report.push_back({path_of(graph, input), 0, recipe->flops * graph.type(input).elements(), 0});
      }
    }
  }
  return report.empty() ? graph : recomputation.run();
}

// Step 3.
class LimitedChoice {
 public:
  LimitedChoice(const Graph& graph, const RematerialiseOptions& options)
      : graph_(graph), analysis_(graph, options.fuse, options.smallest_value) {
    choose();
  }

  size_t size() const { return order_.size(); }
  // The graph in which the first `count` values are recomputed.
  Graph apply(size_t count) const {
    GraphRecomputation recomputation(analysis_);
    const std::set<ValueId> chosen = first(count);
    for (size_t i = 0; i < count; ++i)
      recomputation.replace_value(order_[i], recipe(order_[i], chosen), analysis_.first_backward_use(order_[i]));
    return recomputation.run();
  }
  std::vector<RecomputedValue> report(size_t count) const {
    const std::set<ValueId> chosen = first(count);
    std::vector<RecomputedValue> report;
    for (size_t i = 0; i < count; ++i) {
      const RecomputeRecipe how = recipe(order_[i], chosen);
      const TensorType& type = graph_.type(order_[i]);
      report.push_back({path_of(graph_, order_[i]), type.bytes(), how.flops * type.elements(), moved(order_[i], how)});
    }
    return report;
  }

 private:
  std::set<ValueId> first(size_t count) const {
    std::set<ValueId> chosen;
    for (size_t i = 0; i < count; ++i) insert(order_[i], chosen);
    return chosen;
  }
  RecomputeRecipe recipe(ValueId value, const std::set<ValueId>& chosen) const {
    std::optional<RecomputeRecipe> recipe = analysis_.recipe(value, chosen);
    NETC_CHECK(recipe, "a value was chosen that cannot be computed again");
    return *std::move(recipe);
  }
  void insert(ValueId value, std::set<ValueId>& chosen) const {
    chosen.insert(value);
    if (analysis_.is_concat(value))
      for (ValueId piece : graph_.producer(value).inputs) chosen.insert(piece);
  }
  int64_t moved(ValueId value, const RecomputeRecipe& recipe) const {
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
    const std::optional<RecomputeRecipe> recipe = analysis_.recipe(value, chosen);
    if (!recipe) return std::nullopt;
    size_t large = 0;
    for (ValueId source : recipe->sources) {
      if (!analysis_.is_large(source, value)) continue;
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
    const std::optional<RecomputeRecipe> recipe = analysis_.recipe(other, chosen);
    if (!recipe) return false;
    if (recipe->sources.count(value)) return true;
    if (!analysis_.is_concat(value)) return false;
    for (ValueId piece : graph_.producer(value).inputs)
      if (recipe->sources.count(piece)) return true;
    return false;
  }

  const Graph& graph_;
  RecomputeAnalysis analysis_;
  std::vector<ValueId> order_;
};

// Steps 2 and 3 after step 1.
void finish(Rematerialisation& result, const AnalysedGraph& graph, const Target& target, const RematerialiseOptions& options) {
  result.graph = recompute_for_free(graph, result.free);
  if (options.arena_limit == kNoLimit) return;
  result.unlimited_bytes = result.arena_bytes = result.least_bytes = planned_arena(result.graph, target, options.fuse);
  if (result.arena_bytes <= options.arena_limit) return;

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
}

}  // namespace

Rematerialisation rematerialise(const Graph& graph, const Target& target, const RematerialiseOptions& options) {
  Rematerialisation result;
  const AnalysedGraph kept(graph, options);
  const std::unique_ptr<AnalysedGraph> restored = restore(kept, target, options, result.restored);
  finish(result, restored ? *restored : kept, target, options);
  if (result.within_limit || !restored) return result;
  // A value that is written again early lives longer than one that is recomputed right before its use.
  Rematerialisation other;
  finish(other, kept, target, options);
  other.unlimited_bytes = result.unlimited_bytes;
  if (other.within_limit || other.least_bytes < result.least_bytes) return other;
  return result;
}

}  // namespace netc
