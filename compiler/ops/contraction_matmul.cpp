// Matrix products: matmul, and linear = matmul + bias.
//
//   c[b.., m, n] = sum over k of a[b.., m, k] * b[b.., k, n]
// Operands of a narrow type (bf16) are multiplied as they are; the sum, and with it the result, is f32.
// `transpose_a` and `transpose_b` say that a matrix is stored the other way round. The gradients are
// matmuls again, whatever the transpositions:
//   a plain: da = dc b'     a transposed: da = b dc'     b plain: db = a' dc     b transposed: db = dc' a
#include <fmt/format.h>

#include "compiler/ops/build.h"
#include "compiler/ops/check.h"
#include "compiler/ops/families.h"
#include "compiler/ops/registry.h"
#include "compiler/ops/rows.h"

namespace netc {
namespace {

struct Extents {
  Shape leading;
  int64_t m, n, k, k_of_b;
};

Extents extents(const Shape& a, const Shape& b, const Attrs& attrs) {
  bool ta = attrs.boolean("transpose_a"), tb = attrs.boolean("transpose_b");
  size_t rank = a.size();
  return {{a.begin(), a.end() - 2}, a[rank - (ta ? 1 : 2)], b[rank - (tb ? 2 : 1)], a[rank - (ta ? 2 : 1)], b[rank - (tb ? 1 : 2)]};
}

std::vector<TensorType> infer_matmul(const OpCall& call) {
  const Shape &a = call.inputs[0].shape, &b = call.inputs[1].shape;
  check::floating(call, 0);
  check::same_dtype(call, 0, 1);
  if (a.size() < 2 || a.size() != b.size())
    throw OpError("E0205", fmt::format("takes two matrices of equal rank, got {} and {}", to_string(a), to_string(b)));
  Extents e = extents(a, b, call.attrs);
  if (e.k != e.k_of_b || !std::equal(e.leading.begin(), e.leading.end(), b.begin()))
    throw OpError("E0204", fmt::format("the matrices do not fit: {} by {}", to_string(a), to_string(b)));
  Shape c = e.leading;
  c.insert(c.end(), {e.m, e.n});
  check::count(c);
  return {{DType::f32, c}};
}

ValueId matmul(Builder& builder, ValueId a, ValueId b, bool transpose_a, bool transpose_b) {
  return builder.emit(op("matmul"), {a, b}, {{"transpose_a", transpose_a}, {"transpose_b", transpose_b}});
}

std::vector<ValueId> vjp_matmul(Builder& builder, const VjpCall& call) {
  ValueId a = call.inputs[0], b = call.inputs[1];
  const DType dtype = builder.type(a).dtype;
  ValueId dc = build::cast(builder, call.output_gradients[0], dtype);
  bool ta = call.attrs.boolean("transpose_a"), tb = call.attrs.boolean("transpose_b");
  ValueId da = ta ? matmul(builder, b, dc, tb, true) : matmul(builder, dc, b, false, !tb);
  ValueId db = tb ? matmul(builder, dc, a, true, ta) : matmul(builder, a, dc, !ta, false);
  return {build::cast(builder, da, dtype), build::cast(builder, db, dtype)};
}

Contraction contract_matmul(const OpCall& call) {
  const Shape &a = call.inputs[0].shape, &b = call.inputs[1].shape;
  Extents e = extents(a, b, call.attrs);
  Contraction c;
  std::vector<AxisSum> batch;
  for (int64_t extent : e.leading) {
    batch.push_back({{{static_cast<int>(c.axes.size()), 1}}, 0});
    c.axes.push_back({"b" + std::to_string(c.axes.size()), extent});
  }
  int m = static_cast<int>(c.axes.size()), n = m + 1, k = m + 2;
  c.axes.insert(c.axes.end(), {{"m", e.m}, {"n", e.n}, {"k", e.k}});
  auto index = [&](int row, int column, bool transposed) {
    std::vector<AxisSum> sums = batch;
    if (transposed) std::swap(row, column);
    sums.push_back({{{row, 1}}, 0});
    sums.push_back({{{column, 1}}, 0});
    return sums;
  };
  c.tensors[0] = {a, index(m, k, call.attrs.boolean("transpose_a"))};
  c.tensors[1] = {b, index(k, n, call.attrs.boolean("transpose_b"))};
  c.tensors[2] = {call.outputs[0].shape, index(m, n, false)};
  c.output = 2;
  return c;
}

std::vector<TensorType> infer_linear(const OpCall& call) {
  const Shape &x = call.inputs[0].shape, &weight = call.inputs[1].shape;
  check::rank(call, 0, 2, "[C]");
  check::floating(call, 0);
  check::same_dtype(call, 0, 1);
  check::rank(call, 1, 2, "a weight [K, C]");
  check::shape(call, 1, {weight[0], x[1]}, "the weight");
  if (call.present[2]) {
    check::bias(call, weight[0]);
  }
  return {{DType::f32, {x[0], weight[0]}}};
}

std::vector<ValueId> vjp_linear(Builder& b, const VjpCall& call) {
  ValueId x = call.inputs[0], weight = call.inputs[1];
  const DType dtype = b.type(x).dtype;
  ValueId dy = build::cast(b, call.output_gradients[0], dtype);
  std::vector<ValueId> gradients{build::cast(b, matmul(b, dy, weight, false, false), dtype),
                                 build::cast(b, matmul(b, dy, x, true, false), dtype), ValueId{}};
  if (call.inputs[2].valid()) gradients[2] = build::reduce_sum(b, call.output_gradients[0], {0});
  return gradients;
}

std::vector<ValueId> decompose_linear(Builder& b, const Attrs&, const std::vector<ValueId>& inputs) {
  ValueId y = matmul(b, inputs[0], inputs[1], false, true);
  if (!inputs[2].valid()) return {y};
  return {build::add(b, y, build::reshape(b, inputs[2], {1, b.type(inputs[2]).shape[0]}))};
}

std::vector<OpSample> samples_matmul() {
  std::vector<OpSample> samples;
  for (bool ta : {false, true})
    for (bool tb : {false, true}) {
      Shape a = ta ? Shape{5, 3} : Shape{3, 5}, b = tb ? Shape{4, 5} : Shape{5, 4};
      std::string name = fmt::format("{} by {}", ta ? "transposed" : "plain", tb ? "transposed" : "plain");
      samples.push_back({name, {reals(a), reals(b)}, {{"transpose_a", ta}, {"transpose_b", tb}}});
      a.insert(a.begin(), {2, 3});
      b.insert(b.begin(), {2, 3});
      samples.push_back({"batched, " + name, {reals(a), reals(b)}, {{"transpose_a", ta}, {"transpose_b", tb}}});
    }
  samples.push_back({"row by column", {reals({1, 7}), reals({7, 1})}, {}});
  samples.push_back({"outer product", {reals({4, 1}), reals({1, 3})}, {}});
  samples.push_back({"beyond a tile", {reals({19, 37}), reals({37, 21})}, {}});
  return samples;
}

std::vector<OpSample> samples_linear() {
  return {
      {"bias", {reals({3, 5}), reals({4, 5}), reals({4})}, {}},
      {"without bias", {reals({3, 5}), reals({4, 5}), reals({-1})}, {}},
      {"one feature", {reals({2, 1}), reals({3, 1}), reals({3})}, {}},
      {"one sample, one output", {reals({1, 9}), reals({1, 9}), reals({1})}, {}},
  };
}

OpDef make_matmul() {
  OpDef def;
  def.name = "matmul";
  def.doc = "The matrix product c = a b over the last two dimensions; leading extents are equal.";
  def.inputs = {{"a", "a: [.., M, K], or [.., K, M] if transpose_a"}, {"b", "b: [.., K, N], or [.., N, K] if transpose_b"}};
  def.outputs = {"c"};
  def.attrs = {boolean_attr("transpose_a", "a is stored as [.., K, M]", false),
               boolean_attr("transpose_b", "b is stored as [.., N, K]", false)};
  def.infer = infer_matmul;
  def.vjp = vjp_matmul;
  def.contract = contract_matmul;
  def.arithmetic = Arithmetic::contraction;
  def.samples = samples_matmul;
  return def;
}

OpDef make_linear() {
  OpDef def;
  def.name = "linear";
  def.doc = "y = x weight' + bias: every output sees every input.";
  def.inputs = {{"x", "x: [N, C]"}, {"weight", "weight: [K, C]"}, {"bias", "bias: [K]", true}};
  def.outputs = {"y"};
  def.infer = infer_linear;
  def.vjp = vjp_linear;
  def.decompose = decompose_linear;
  def.arithmetic = Arithmetic::contraction;
  def.samples = samples_linear;
  return def;
}

}  // namespace

std::vector<OpDef> matmul_ops() { return {make_matmul(), make_linear()}; }

}  // namespace netc
