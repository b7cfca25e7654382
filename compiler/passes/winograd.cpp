#include "compiler/passes/winograd.h"

#include <map>
#include <tuple>
#include <utility>

#include "compiler/ir/op_def.h"
#include "compiler/ops/build.h"
#include "compiler/ops/registry.h"
#include "compiler/ops/winograd.h"
#include "compiler/passes/hoist.h"

namespace netc {
namespace {

// A correlation, or a data gradient as the correlation that it is.
struct Convolution {
  ValueId x, weight;
  bool gradient;
};

std::optional<Convolution> convolution_of(const Node& node) {
  if (node.op == &op("correlation")) return Convolution{node.inputs[0], node.inputs[1], false};
  if (node.op == &op("convolution_data_gradient")) return Convolution{node.inputs[1], node.inputs[0], true};
  return std::nullopt;
}

// Why a convolution is none of Winograd's; empty: it may be one.
std::string refusal(const Graph& graph, const Node& node, const Convolution& convolution) {
  const Shape& weight = graph.type(convolution.weight).shape;
  const auto integer = [&](const char* name) { return node.attrs.integer(name); };
  if (weight[2] != 3 || weight[3] != 3) return "its window is " + std::to_string(weight[2]) + "x" + std::to_string(weight[3]);
  if (integer("stride_h") != 1 || integer("stride_w") != 1) return "it has strides";
  if (integer("dilation_h") != 1 || integer("dilation_w") != 1) return "it is dilated";
  if (integer("groups") != 1) return "it has groups";
  if (convolution.gradient && (integer("pad_h") > 2 || integer("pad_w") > 2)) return "it is padded by more than its window";
  return "";
}

// Padding of the correlation.
Attrs padding_of(const Node& node, const Convolution& convolution) {
  const auto padding = [&](const char* name) { return convolution.gradient ? 2 - node.attrs.integer(name) : node.attrs.integer(name); };
  return {{"pad_h", padding("pad_h")}, {"pad_w", padding("pad_w")}};
}

Contraction contraction_of(const Graph& graph, const Node& node, const Convolution& convolution) {
  const OpDef& correlation = op("correlation");
  TensorType weight = graph.type(convolution.weight);
  if (convolution.gradient) std::swap(weight.shape[0], weight.shape[1]);
  const Attrs attrs = complete_attrs(correlation, padding_of(node, convolution));
  return correlation.contract({attrs, {graph.type(convolution.x), weight}, {true, true}, {graph.type(node.outputs[0])}});
}

}  // namespace

WinogradGraph use_winograd(const Graph& graph, WeightTransforms weights, const ChooseWinograd& choose) {
  const std::vector<bool> fixed = fixed_values(graph);
  WinogradGraph result;
  std::map<std::tuple<ValueId, int64_t, bool>, ValueId> transformed;  // by weight, tile and whether it is the adjoint's
  const auto decide = [&](const Node& node, const Convolution& convolution) -> WinogradChoice {
    if (std::string reason = refusal(graph, node, convolution); !reason.empty()) return {std::nullopt, std::move(reason)};
    const bool depends_on_states = fixed[static_cast<size_t>(convolution.weight.index)];
    return choose(contraction_of(graph, node, convolution), graph.type(convolution.x).dtype, depends_on_states ? weights : WeightTransforms::each_run);
  };
  result.graph = rewrite(graph, [&](Builder& b, const Node& node, const std::vector<ValueId>& inputs) -> std::vector<ValueId> {
    const std::optional<Convolution> convolution = convolution_of(node);
    if (!convolution) return {};
    const WinogradChoice choice = decide(node, *convolution);
    result.decisions.push_back({node.origin.path, convolution->gradient, choice});
    if (!choice.winograd) return {};
    const int64_t tile = choice.winograd->tile;
    ValueId& u = transformed[{convolution->weight, tile, convolution->gradient}];
    if (!u.valid()) {
      const ValueId weight = build::cast(b, inputs[convolution->gradient ? 0 : 1], DType::f32);  // the values that it was rounded to
      u = b.emit(winograd_weights_op(), {weight}, {{"tile", tile}, {"adjoint", convolution->gradient}});
    }
    Attrs attrs = padding_of(node, *convolution);
    attrs.set("tile", tile);
    attrs.set("adjoint", convolution->gradient);
    return {b.emit(winograd_correlation_op(), {inputs[convolution->gradient ? 1 : 0], u}, attrs)};
  });
  return result;
}

}  // namespace netc
