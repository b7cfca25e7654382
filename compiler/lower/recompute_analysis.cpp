#include "compiler/lower/recompute_analysis.h"

#include <algorithm>

#include "compiler/ir/op_def.h"
#include "compiler/lower/expand.h"
#include "compiler/lower/use_analysis.h"

namespace netc {
namespace {

constexpr int64_t kLargestWork = 48;  // per element: batch norm, activation and dropout, but no chain of exp

}  // namespace

RecomputeAnalysis::RecomputeAnalysis(const Graph& graph, const FuseOptions& options, int64_t smallest_value)
    : graph_(graph), fusion_(fuse(graph, options)), smallest_(smallest_value), node_kernels_(graph.nodes.size(), -1) {
  for (const GraphOutput& output : graph.outputs) backward_ = std::max(backward_, graph.value(output.value).producer.index + 1);
  for (const GraphOutput& output : graph.outputs) results_.insert(view_base(graph, fusion_, output.value).base);
  for (const StateUpdate& update : graph.updates) results_.insert(view_base(graph, fusion_, update.value).base);
  for (size_t k = 0; k < fusion_.kernels.size(); ++k) {
    for (NodeId node : fusion_.kernels[k].nodes) node_kernels_[static_cast<size_t>(node.index)] = static_cast<int32_t>(k);
    find_uses(fusion_.kernels[k]);
  }
  // An inlined node is where all its users are; users come later.
  std::vector<std::set<int32_t>> users(graph.nodes.size());
  for (size_t n = graph.nodes.size(); n-- > 0;) {
    if (node_kernels_[n] < 0 && users[n].size() == 1) node_kernels_[n] = *users[n].begin();
    for (ValueId input : graph.nodes[n].inputs)
      if (input.valid()) users[static_cast<size_t>(graph.value(input).producer.index)].insert(node_kernels_[n]);
  }
}

bool RecomputeAnalysis::is_concat(ValueId value) const { return netc::is_concat(graph_.producer(value)); }

bool RecomputeAnalysis::is_candidate(ValueId value) const {
  const bool stored = role(value) == ValueRole::gathered || (role(value) == ValueRole::computed && !is_piece(value));
  return stored && is_forward(value) && first_backward_use(value) >= 0 && !results_.count(value) && !fusion_.in_state.count(value) &&
         is_floating(graph_.type(value).dtype) && is_worth_it(value);
}

bool RecomputeAnalysis::is_kept(ValueId value) const {
  return role(value) == ValueRole::leaf || fusion_.in_state.count(value) || first_backward_use(value) >= 0;
}

int32_t RecomputeAnalysis::first_backward_use(ValueId value) const {
  auto found = first_use_.find(value);
  return found == first_use_.end() ? -1 : found->second;
}

std::vector<NodeId> RecomputeAnalysis::backward_readers(ValueId value) const {
  std::set<ValueId> seen{value};  // the value, and what stands for it
  std::vector<NodeId> readers;
  for (auto n = static_cast<size_t>(graph_.value(value).producer.index) + 1; n < graph_.nodes.size(); ++n) {
    const Node& node = graph_.nodes[n];
    const bool reads = std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId input) { return seen.count(input) > 0; });
    if (!reads) continue;
    if (static_cast<int32_t>(n) >= backward_) {
      readers.push_back({static_cast<int32_t>(n)});
      continue;
    }
    for (ValueId output : node.outputs)
      if (role(output) == ValueRole::inlined || role(output) == ValueRole::view) seen.insert(output);
  }
  return readers;
}

std::set<ValueId> RecomputeAnalysis::operands_of(const FusedKernel& kernel) const {
  std::set<ValueId> operands;
  for (ValueId operand : kernel.operands)
    if (!is_partial(graph_, operand)) operands.insert(view_base(graph_, fusion_, operand).base);
  return operands;
}

void RecomputeAnalysis::find_uses(const FusedKernel& kernel) {
  int32_t first = std::numeric_limits<int32_t>::max();
  for (NodeId node : kernel.nodes) first = std::min(first, node.index);
  if (first < backward_) return;
  for (ValueId operand : operands_of(kernel)) note_use(operand, first);
}

// A piece of a concat lies in the concat's buffer, so whoever reads the one needs the other.
void RecomputeAnalysis::note_use(ValueId value, int32_t node) {
  auto [use, is_new] = first_use_.try_emplace(value, node);
  use->second = std::min(use->second, node);
  if (auto piece = fusion_.pieces.find(value); piece != fusion_.pieces.end()) note_use(piece->second.first, node);
}

std::optional<RecomputeRecipe> RecomputeAnalysis::recipe(ValueId value, const std::set<ValueId>& chosen) const {
  const std::optional<RecomputeRecipe>& own = own_recipe(value);
  if (!own) return std::nullopt;
  RecomputeRecipe whole{{}, {}, own->work, own->flops};
  for (ValueId source : own->sources) {
    if (!chosen.count(source) && (is_kept(source) || !is_large(source, value))) {
      whole.sources.insert(source);
      continue;
    }
    const std::optional<RecomputeRecipe> inner = is_concat(source) ? std::nullopt : recipe(source, chosen);
    if (!inner) return std::nullopt;
    whole.sources.insert(inner->sources.begin(), inner->sources.end());
    whole.through.insert(inner->through.begin(), inner->through.end());
    whole.through.insert(source);
    whole.work += inner->work;
    whole.flops += inner->flops;
  }
  return whole.work <= kLargestWork ? std::optional(whole) : std::nullopt;
}

const std::optional<RecomputeRecipe>& RecomputeAnalysis::own_recipe(ValueId value) const {
  auto [known, is_new] = recipes_.try_emplace(value);
  if (!is_new) return known->second;
  RecomputeRecipe recipe;
  bool possible = true;
  if (is_concat(value)) {
    for (ValueId piece : graph_.producer(value).inputs) possible = possible && is_piece(piece) && add(piece, recipe);
  } else {
    possible = add(value, recipe);
  }
  std::optional<RecomputeRecipe>& result = recipes_[value];
  if (possible) result = std::move(recipe);
  return result;
}

// Adds a value's own work and that of inlined values; what lies in memory becomes a source.
bool RecomputeAnalysis::add(ValueId value, RecomputeRecipe& out) const {
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

}  // namespace netc
