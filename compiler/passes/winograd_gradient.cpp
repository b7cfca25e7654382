#include "compiler/passes/winograd_gradient.h"

#include "compiler/ir/op_def.h"
#include "compiler/ops/registry.h"
#include "compiler/ops/split_sums.h"
#include "compiler/ops/winograd.h"

namespace netc {
namespace {

// Why a weight gradient is none of Winograd's; empty: it may be one.
std::string refusal(const Graph& graph, const Node& node) {
  const Shape& weight = graph.type(node.outputs[0]).shape;
  const auto integer = [&](const char* name) { return node.attrs.integer(name); };
  if (weight[2] != 3 || weight[3] != 3) return "its window is " + std::to_string(weight[2]) + "x" + std::to_string(weight[3]);
  if (integer("stride_h") != 1 || integer("stride_w") != 1) return "it has strides";
  if (integer("dilation_h") != 1 || integer("dilation_w") != 1) return "it is dilated";
  if (integer("groups") != 1) return "it has groups";
  return "";
}

}  // namespace

WinogradGradientGraph use_winograd_gradients(const Graph& graph,
                                             const ChooseWinogradGradient& choose) {
  WinogradGradientGraph result;
  result.graph = rewrite(graph, [&](Builder& b, const Node& node, const std::vector<ValueId>& inputs) -> std::vector<ValueId> {
    if (node.op != &op("convolution_weight_gradient")) return {};
    std::string reason = refusal(graph, node);
    const WinogradGradientChoice choice =
        reason.empty() ? choose(node.op->contract(make_call(graph, node)), graph.type(node.inputs[0]).dtype) : WinogradGradientChoice{std::nullopt, 1, std::move(reason)};
    result.decisions.push_back({node.origin.path, choice});
    if (!choice.winograd) return {};
    Attrs attrs = node.attrs;
    attrs.set("parts", choice.parts);
    attrs.set("tile", choice.winograd->tile);
    const ValueId sums = b.emit(winograd_weight_gradient_op(), inputs, attrs);
    return {choice.parts == 1 ? sums : b.emit(sum_of_parts_op(), {sums}, {{"parts", choice.parts}})};
  });
  return result;
}

}  // namespace netc
