#include "compiler/lower/recomputation.h"

#include <algorithm>

#include "compiler/ir/op_def.h"

namespace netc {

GraphRecomputation::GraphRecomputation(const RecomputeAnalysis& analysis)
    : analysis_(analysis), graph_(analysis.graph()), copy_(builder_, graph_) {}

void GraphRecomputation::replace_input(NodeId user, ValueId input, const RecomputeRecipe& recipe) {
  absent_.insert(recipe.through.begin(), recipe.through.end());
  private_inputs_.insert({user.index, input});
}

void GraphRecomputation::replace_value(ValueId value, const RecomputeRecipe& recipe, int32_t first) {
  absent_.insert(value);
  absent_.insert(recipe.through.begin(), recipe.through.end());
  due_[first].push_back(value);
  if (analysis_.is_concat(value))
    for (ValueId piece : graph_.producer(value).inputs) absent_.insert(piece);
}

void GraphRecomputation::delay(NodeId node, int32_t behind) {
  int32_t& last = delayed_.try_emplace(node.index, behind).first->second;
  last = std::max(last, behind);
}

Graph GraphRecomputation::run() {
  for (const auto& [node, other] : delayed_) waiting_[other].push_back(node);
  for (size_t n = 0; n < graph_.nodes.size(); ++n)
    if (!delayed_.count(static_cast<int32_t>(n))) step(static_cast<int32_t>(n));
  copy_.results();
  return builder_.finish();
}

void GraphRecomputation::step(int32_t number) {
  if (auto due = due_.find(number); due != due_.end())
    for (ValueId value : due->second) recompute(value);
  copy(number);
  if (auto waiting = waiting_.find(number); waiting != waiting_.end())
    for (int32_t node : waiting->second) step(node);
}

void GraphRecomputation::recompute(ValueId value) {
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

// The value computed from what is in memory: through inlined and absent values, and views of them.
ValueId GraphRecomputation::clone(ValueId value) {
  const Node& node = graph_.producer(value);
  std::vector<ValueId> inputs;
  for (ValueId input : node.inputs) inputs.push_back(needs_clone(input) ? clone(input) : copy_[input]);
  builder_.set_origin(node.origin);
  return builder_.emit_all(*node.op, inputs, node.attrs)[static_cast<size_t>(graph_.value(value).result)];
}

bool GraphRecomputation::needs_clone(ValueId value) const {
  if (!value.valid()) return false;
  const ValueRole role = analysis_.role(value);
  if (role == ValueRole::inlined || absent_.count(value)) return true;
  return role == ValueRole::view && needs_clone(graph_.producer(value).inputs[0]);
}

// A forward value as the backward pass sees it: what it looks at, or would be computed from, may have been recomputed.
ValueId GraphRecomputation::seen_backwards(ValueId value) {
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

bool GraphRecomputation::reaches_recomputed(ValueId value) const {
  if (again_.count(value)) return true;
  const ValueRole role = analysis_.role(value);
  if (role != ValueRole::inlined && role != ValueRole::view) return false;
  for (ValueId input : graph_.producer(value).inputs)
    if (input.valid() && reaches_recomputed(input)) return true;
  return false;
}

void GraphRecomputation::copy(int32_t number) {
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

}  // namespace netc
