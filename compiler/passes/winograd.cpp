#include "compiler/passes/winograd.h"

#include <map>

#include "compiler/ir/op_def.h"
#include "compiler/ops/registry.h"
#include "compiler/ops/winograd.h"
#include "compiler/passes/hoist.h"

namespace netc {
namespace {

// Why a convolution is none of Winograd's; empty: it may be one.
std::string refusal(const Graph& graph, const Node& node) {
  const Shape& weight = graph.type(node.inputs[1]).shape;
  const auto integer = [&](const char* name) { return node.attrs.integer(name); };
  for (ValueId input : node.inputs)
    if (graph.type(input).dtype != DType::f32) return "its operands are not f32";
  if (weight[2] != 3 || weight[3] != 3) return "its window is " + std::to_string(weight[2]) + "x" + std::to_string(weight[3]);
  if (integer("stride_h") != 1 || integer("stride_w") != 1) return "it has strides";
  if (integer("dilation_h") != 1 || integer("dilation_w") != 1) return "it is dilated";
  if (integer("groups") != 1) return "it has groups";
  return "";
}

}  // namespace

WinogradGraph use_winograd(const Graph& graph, const std::function<WinogradChoice(const Contraction&)>& choose) {
  const std::vector<bool> fixed = fixed_values(graph);
  WinogradGraph result;
  std::map<std::pair<ValueId, int64_t>, ValueId> transformed;  // by weight and tile
  const auto decide = [&](const Node& node) -> WinogradChoice {
    if (std::string reason = refusal(graph, node); !reason.empty()) return {std::nullopt, std::move(reason)};
    if (!fixed[static_cast<size_t>(node.inputs[1].index)]) return {std::nullopt, "its weights change from run to run"};
    return choose(node.op->contract(make_call(graph, node)));
  };
  result.graph = rewrite(graph, [&](Builder& b, const Node& node, const std::vector<ValueId>& inputs) -> std::vector<ValueId> {
    if (node.op != &op("correlation")) return {};
    const WinogradChoice choice = decide(node);
    result.decisions.push_back({node.origin.path, choice});
    if (!choice.winograd) return {};
    const int64_t tile = choice.winograd->tile;
    ValueId& weights = transformed[{node.inputs[1], tile}];
    if (!weights.valid()) weights = b.emit(winograd_weights_op(), {inputs[1]}, {{"tile", tile}});
    return {b.emit(winograd_correlation_op(), {inputs[0], weights},
                   {{"tile", tile}, {"pad_h", node.attrs.integer("pad_h")}, {"pad_w", node.attrs.integer("pad_w")}})};
  });
  return result;
}

}  // namespace netc
