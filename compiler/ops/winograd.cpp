#include "compiler/ops/winograd.h"

#include "compiler/ops/check.h"
#include "compiler/ops/nest.h"
#include "compiler/ops/registry.h"
#include "compiler/ops/rows.h"
#include "compiler/ops/split_sums.h"

namespace netc {
namespace {

Winograd winograd_of(const OpCall& call) {
  const int64_t tile = check::integer_between(call, "tile", 2, 4);
  check::require_argument(tile != 3, "Winograd tiles of 2 or 4", "tile");
  return {tile};
}

void require_f32(const OpCall& call, size_t input) {
  if (call.inputs[input].dtype != DType::f32) throw OpError("E0206", "Winograd's convolution transforms weights in f32");
}

std::vector<TensorType> infer_weights(const OpCall& call) {
  require_f32(call, 0);
  check::rank(call, 0, 4, "a weight [K, C, 3, 3]");
  const Shape& w = call.inputs[0].shape;
  check::shape(call, 0, {w[0], w[1], 3, 3}, "the weight");
  const Shape correlated = call.attrs.boolean("adjoint") ? Shape{w[1], w[0], 3, 3} : w;
  return {{DType::f32, transformed_shape(correlated, winograd_of(call))}};
}

// Column `k` of a matrix at a row that is an index.
ExprId coefficient(Dag& dag, const Matrix& matrix, ExprId row, size_t k) {
  ExprId value = dag.real(matrix.back()[k]);
  for (size_t r = matrix.size() - 1; r-- > 0;)
    value = dag.select(dag.index_equal(row, dag.index(static_cast<int64_t>(r))), dag.real(matrix[r][k]), value);
  return value;
}

LoopNest scalar_weights(const OpCall& call) {
  const Winograd winograd = winograd_of(call);
  const Matrix& g = winograd_transform(winograd.tile).weights;
  LoopNest nest = map_over(call.outputs[0].shape);
  Dag& dag = nest.dag;
  const bool adjoint = call.attrs.boolean("adjoint");
  const auto weight = [&](size_t kh, size_t kw) {
    const auto at = [&](size_t k) { return dag.index(static_cast<int64_t>(adjoint ? 2 - k : k)); };
    return dag.load(0, {dag.axis(adjoint ? 2 : 1), dag.axis(adjoint ? 1 : 2), at(kh), at(kw)});
  };
  const ExprId position = dag.axis(0);
  const ExprId row = dag.index_floor_div(position, winograd.window()), column = dag.index_floor_mod(position, winograd.window());
  ExprId sum = kNoExpr;
  const auto add = [&](ExprId total, ExprId term) { return total == kNoExpr ? term : dag.add(total, term); };
  for (size_t kw = 0; kw < 3; ++kw) {
    ExprId rows = kNoExpr;
    for (size_t kh = 0; kh < 3; ++kh) rows = add(rows, dag.mul(coefficient(dag, g, row, kh), weight(kh, kw)));
    sum = add(sum, dag.mul(coefficient(dag, g, column, kw), rows));
  }
  nest.stores = {{0, sum}};
  return nest;
}

// The correlation that it does, of weights [K, C, 3, 3].
struct Direct {
  Attrs attrs;
  std::vector<TensorType> inputs;
};

Direct direct_form(const OpCall& call) {
  const Shape& u = call.inputs[1].shape;
  return {complete_attrs(op("correlation"), {{"pad_h", check::integer_between(call, "pad_h", 0)}, {"pad_w", check::integer_between(call, "pad_w", 0)}}),
          {call.inputs[0], {call.inputs[0].dtype, {u[1], u[2], 3, 3}}}};
}

std::vector<TensorType> infer_correlation(const OpCall& call) {
  require_f32(call, 1);
  check::rank(call, 1, 3, "a weight [positions, K, C]");
  const Shape& u = call.inputs[1].shape;
  check::shape(call, 1, {winograd_of(call).positions(), u[1], u[2]}, "the weight");
  const Direct direct = direct_form(call);
  return op("correlation").infer({direct.attrs, direct.inputs, {true, true}, {}});
}

Contraction contract_correlation(const OpCall& call) {
  const Direct direct = direct_form(call);
  Contraction c = op("correlation").contract({direct.attrs, direct.inputs, {true, true}, call.outputs});
  c.winograd = winograd_of(call);
  return c;
}

std::vector<TensorType> infer_weight_gradient(const OpCall& call) {
  winograd_of(call);
  for (const char* name : {"stride_h", "stride_w", "dilation_h", "dilation_w"})
    check::require_argument(call.attrs.integer(name) == 1, "a window whose taps are neighbours, at every pixel", name);
  const std::vector<TensorType> types = weight_gradient_parts_op().infer(call);
  check::require_argument(types[0].shape[2] == 3 && types[0].shape[3] == 3, "a window of 3x3", "window_h");
  return types;
}

Contraction contract_weight_gradient(const OpCall& call) {
  Contraction c = weight_gradient_parts_op().contract(call);
  c.winograd = winograd_of(call);
  return c;
}

const char* const kNoGradient = "it takes the place of a correlation in a graph that has its gradients";

}  // namespace

const OpDef& winograd_weights_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "winograd_weights";
    d.doc = "The weights of a 3x3 convolution, or of its adjoint, for Winograd's algorithm: u[p, k, c] = (G w[k, c] G^T)[p] (Winograd 1980; Lavin, Gray 2016).";
    d.inputs = {{"weight", "weight: [K, C, 3, 3]"}};
    d.outputs = {"u"};
    d.attrs = {integer_attr("tile", "outputs along one edge of a tile: 2 or 4"),
               boolean_attr("adjoint", "turned by half a turn, channels exchanged: what the data gradient correlates with", false)};
    d.infer = infer_weights;
    d.no_gradient = kNoGradient;
    d.scalar = scalar_weights;
    return d;
  }();
  return def;
}

const OpDef& winograd_correlation_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "winograd_correlation";
    d.doc = "A 3x3 correlation of stride 1 by Winograd's algorithm, of transformed weights (Winograd 1980; Lavin, Gray 2016).";
    d.inputs = {{"x", "x: [N, C, H, W]"}, {"u", "u: [positions, K, C], f32"}};
    d.outputs = {"y"};
    d.attrs = {integer_attr("tile", "outputs along one edge of a tile: 2 or 4"), integer_attr("pad_h", "zero rows above and below", 0),
               integer_attr("pad_w", "zero columns left and right", 0),
               boolean_attr("adjoint", "whether it is a data gradient; for reports", false)};
    d.infer = infer_correlation;
    d.no_gradient = kNoGradient;
    d.contract = contract_correlation;
    d.arithmetic = Arithmetic::contraction;
    return d;
  }();
  return def;
}

const OpDef& winograd_weight_gradient_op() {
  static const OpDef def = [] {
    OpDef d = weight_gradient_parts_op();
    d.name = "winograd_weight_gradient";
    d.doc = "The gradient of a 3x3 convolution's weight by Winograd's algorithm, of each part of the images: [parts*K, C, 3, 3].";
    d.attrs.push_back(integer_attr("tile", "outputs along one edge of a tile: 2 or 4"));
    d.infer = infer_weight_gradient;
    d.contract = contract_weight_gradient;
    return d;
  }();
  return def;
}

}  // namespace netc
