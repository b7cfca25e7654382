// Arithmetic on elements: one instruction of the scalar language each, or a few.
#include <cmath>

#include "compiler/base/error.h"
#include "compiler/ops/build.h"
#include "compiler/ops/check.h"
#include "compiler/ops/families.h"
#include "compiler/ops/nest.h"
#include "compiler/ops/rows.h"

namespace netc {
namespace {

using Values = std::vector<ValueId>;

// ---- one operand

std::vector<TensorType> infer_unary(const OpCall& call) {
  check::floating(call, 0);
  return {call.inputs[0]};
}

template <ExprKind kind>
LoopNest instruction(const OpCall& call) {
  LoopNest nest = map_over(call.outputs[0].shape);
  ExprId x = load_same(nest.dag, 0, call.inputs[0].shape);
  nest.stores.push_back({0, nest.dag.unary(kind, x)});
  return nest;
}

LoopNest scalar_rsqrt(const OpCall& call) {
  LoopNest nest = map_over(call.outputs[0].shape);
  Dag& d = nest.dag;
  nest.stores.push_back({0, d.div(d.real(1), d.unary(ExprKind::sqrt, load_same(d, 0, call.inputs[0].shape)))});
  return nest;
}

LoopNest scalar_square(const OpCall& call) {
  LoopNest nest = map_over(call.outputs[0].shape);
  ExprId x = load_same(nest.dag, 0, call.inputs[0].shape);
  nest.stores.push_back({0, nest.dag.mul(x, x)});
  return nest;
}

// x to an integer power by squaring.
ExprId integer_power(Dag& d, ExprId x, int64_t exponent) {
  ExprId result = d.real(1);
  for (ExprId power = x; exponent > 0; exponent /= 2) {
    if (exponent % 2 == 1) result = d.mul(result, power);
    if (exponent > 1) power = d.mul(power, power);
  }
  return result;
}

LoopNest scalar_pow(const OpCall& call) {
  LoopNest nest = map_over(call.outputs[0].shape);
  Dag& d = nest.dag;
  ExprId x = load_same(d, 0, call.inputs[0].shape);
  double exponent = call.attrs.real("exponent"), magnitude = std::fabs(exponent);
  ExprId y;
  if (magnitude == std::floor(magnitude)) {
    y = integer_power(d, x, static_cast<int64_t>(magnitude));
  } else if (2 * magnitude == std::floor(2 * magnitude)) {
    y = d.mul(integer_power(d, x, static_cast<int64_t>(magnitude)), d.unary(ExprKind::sqrt, x));
  } else {
    y = d.unary(ExprKind::exp, d.mul(d.real(magnitude), d.unary(ExprKind::log, x)));
  }
  nest.stores.push_back({0, exponent < 0 ? d.div(d.real(1), y) : y});
  return nest;
}

std::vector<TensorType> infer_pow(const OpCall& call) {
  double exponent = call.attrs.real("exponent");
  check::require_argument(std::fabs(exponent) <= 64, "`exponent` must be from -64 to 64", "exponent");
  return infer_unary(call);
}

Values vjp_neg(Builder& b, const VjpCall& call) { return {build::neg(b, call.output_gradients[0])}; }
Values vjp_exp(Builder& b, const VjpCall& call) { return {build::mul(b, call.output_gradients[0], call.outputs[0])}; }
Values vjp_log(Builder& b, const VjpCall& call) { return {build::div(b, call.output_gradients[0], call.inputs[0])}; }
Values vjp_sqrt(Builder& b, const VjpCall& call) {
  return {build::div(b, build::mul(b, call.output_gradients[0], 0.5), call.outputs[0])};
}
Values vjp_rsqrt(Builder& b, const VjpCall& call) {
  ValueId y = call.outputs[0];
  return {build::mul(b, build::mul(b, call.output_gradients[0], -0.5), build::mul(b, y, build::square(b, y)))};
}
Values vjp_abs(Builder& b, const VjpCall& call) {
  ValueId x = call.inputs[0], zero = build::number(b, 0, x);
  ValueId sign = build::sub(b, build::greater(b, x, zero), build::greater(b, zero, x));
  return {build::mul(b, call.output_gradients[0], sign)};
}
Values vjp_erf(Builder& b, const VjpCall& call) {
  ValueId slope = build::exp(b, build::neg(b, build::square(b, call.inputs[0])));
  return {build::mul(b, call.output_gradients[0], build::mul(b, slope, M_2_SQRTPI))};
}
Values vjp_square(Builder& b, const VjpCall& call) {
  return {build::mul(b, call.output_gradients[0], build::mul(b, call.inputs[0], 2))};
}
Values vjp_pow(Builder& b, const VjpCall& call) {
  double exponent = call.attrs.real("exponent");
  if (exponent == 0) return {build::mul(b, call.output_gradients[0], 0)};
  // Near the limit of infer the factor x^(p-1) is made as 1/x * x^p.
  ValueId x = call.inputs[0];
  ValueId power = exponent - 1 < -64 ? build::div(b, call.outputs[0], x) : build::pow(b, x, exponent - 1);
  return {build::mul(b, call.output_gradients[0], build::mul(b, power, exponent))};
}

template <int low, int high>
std::vector<OpSample> samples_between() {
  return unary_samples(low, high);
}
std::vector<OpSample> samples_positive() { return unary_samples(0.1, 3); }
std::vector<OpSample> samples_pow() {
  std::vector<OpSample> samples;
  for (double exponent : {2.0, 3.0, -1.0, 0.5, -1.5, 0.75, -0.75})
    samples.push_back({"exponent" + std::to_string(exponent), {reals({3, 7}, 0.2, 2)}, {{"exponent", exponent}}});
  samples.push_back({"negative_base", {reals({3, 7}, -2, 2)}, {{"exponent", 3.0}}});
  return samples;
}

using Vjp = Values (*)(Builder&, const VjpCall&);

OpDef unary(const char* name, const char* doc, LoopNest (*scalar)(const OpCall&), Vjp vjp,
            std::vector<OpSample> (*samples)()) {
  OpDef def;
  def.name = name;
  def.doc = doc;
  def.inputs = {{"x", "x: any shape"}};
  def.outputs = {"y"};
  def.infer = infer_unary;
  def.vjp = vjp;
  def.scalar = scalar;
  def.samples = samples;
  return def;
}

OpDef floor_row() {
  OpDef def = unary("floor", "y = the greatest integer not above x.", instruction<ExprKind::floor>, nullptr,
                    samples_between<-3, 3>);
  def.no_gradient = "constant between its steps";
  return def;
}

OpDef pow_row() {
  OpDef def = unary("pow", "y = x^exponent; NaN for negative x unless the exponent is an integer.", scalar_pow, vjp_pow,
                    samples_pow);
  def.attrs = {real_attr("exponent", "from -64 to 64")};
  def.infer = infer_pow;
  return def;
}

// ---- cast

DType target_of(const OpCall& call) {
  std::optional<DType> dtype = dtype_from_name(call.attrs.text("dtype"));
  check::require_argument(dtype.has_value(), "no element type `" + call.attrs.text("dtype") + "`", "dtype");
  return *dtype;
}

std::vector<TensorType> infer_cast(const OpCall& call) { return {{target_of(call), call.inputs[0].shape}}; }

LoopNest scalar_cast(const OpCall& call) {
  LoopNest nest = map_over(call.outputs[0].shape);
  Dag& d = nest.dag;
  ExprId x = load_same(d, 0, call.inputs[0].shape);
  // Everything that widens to f32 is exact there; a narrowing cast rounds also when it is fused.
  DType target = call.outputs[0].dtype;
  nest.stores.push_back({0, target == DType::f32 ? x : d.cast(x, target)});
  return nest;
}

Values vjp_cast(Builder& b, const VjpCall& call) {
  DType from = b.type(call.inputs[0]).dtype;
  if (!is_floating(from) || !is_floating(b.type(call.outputs[0]).dtype)) return {ValueId{}};
  return {build::cast(b, call.output_gradients[0], from)};
}

std::vector<OpSample> samples_cast() {
  return {{"u8_to_f32", {{{DType::u8, {2, 3, 4}}, 0, 255}}, {{"dtype", std::string("f32")}}},
          {"i64_to_f32", {{{DType::i64, {7}}, -9, 9}}, {{"dtype", std::string("f32")}}},
          {"f32_to_i32", {reals({2, 5}, -9, 9)}, {{"dtype", std::string("i32")}}},
          {"f32_to_f32", {reals({2, 5})}, {{"dtype", std::string("f32")}}}};
}

OpDef cast_row() {
  OpDef def;
  def.name = "cast";
  def.doc = "The same values in another element type: to the nearest (even at ties), integers truncated and saturated.";
  def.inputs = {{"x", "x: any shape and element type"}};
  def.outputs = {"y"};
  def.attrs = {{"dtype", AttrType::text, std::nullopt, "f32, f16, bf16, u8, i32 or i64"}};
  def.infer = infer_cast;
  def.vjp = vjp_cast;
  def.scalar = scalar_cast;
  def.samples = samples_cast;
  return def;
}

// ---- two operands

// The shape of a broadcast of inputs first..last.
Shape broadcast_shape(const OpCall& call, size_t last) {
  Shape shape = call.inputs[0].shape;
  for (size_t i = 1; i <= last; ++i) {
    const Shape& other = call.inputs[i].shape;
    if (other.size() != shape.size()) check::refuse_shapes("broadcasting needs equal ranks", shape, other);
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      if (shape[axis] != other[axis] && shape[axis] != 1 && other[axis] != 1)
        check::refuse_shapes("the shapes do not agree", call.inputs[0].shape, other);
      if (shape[axis] == 1) shape[axis] = other[axis];
    }
  }
  return shape;
}

std::vector<TensorType> infer_binary(const OpCall& call) {
  check::floating(call, 0);
  check::same_dtype(call, 0, 1);
  return {{call.inputs[0].dtype, broadcast_shape(call, 1)}};
}

ExprId value_of(Dag& d, ExprKind kind, ExprId a, ExprId b) {
  if (kind == ExprKind::real_less) return d.select(d.less(b, a), d.real(1), d.real(0));
  if (kind == ExprKind::real_equal) return d.select(d.equal(a, b), d.real(1), d.real(0));
  return d.binary(kind, a, b);
}

template <ExprKind kind>
LoopNest binary_instruction(const OpCall& call) {
  const Shape& shape = call.outputs[0].shape;
  LoopNest nest = map_over(shape);
  ExprId a = load_broadcast(nest.dag, 0, call.inputs[0].shape, shape);
  ExprId b = load_broadcast(nest.dag, 1, call.inputs[1].shape, shape);
  nest.stores.push_back({0, value_of(nest.dag, kind, a, b)});
  return nest;
}

// Gradients of both operands, summed over what was broadcast.
Values reduced_to_inputs(Builder& b, const VjpCall& call, ValueId da, ValueId db) {
  return {build::sum_to(b, da, b.type(call.inputs[0]).shape), build::sum_to(b, db, b.type(call.inputs[1]).shape)};
}

Values vjp_add(Builder& b, const VjpCall& call) {
  return reduced_to_inputs(b, call, call.output_gradients[0], call.output_gradients[0]);
}
Values vjp_sub(Builder& b, const VjpCall& call) {
  ValueId dy = call.output_gradients[0];
  // Summed before it is negated: fewer elements.
  return {build::sum_to(b, dy, b.type(call.inputs[0]).shape),
          build::neg(b, build::sum_to(b, dy, b.type(call.inputs[1]).shape))};
}
Values vjp_mul(Builder& b, const VjpCall& call) {
  ValueId dy = call.output_gradients[0];
  return reduced_to_inputs(b, call, build::mul(b, dy, call.inputs[1]), build::mul(b, dy, call.inputs[0]));
}
Values vjp_div(Builder& b, const VjpCall& call) {
  ValueId da = build::div(b, call.output_gradients[0], call.inputs[1]);
  return reduced_to_inputs(b, call, da, build::neg(b, build::mul(b, da, call.outputs[0])));
}
// `winner_a`, `winner_b`: 1 where that operand alone is the result. At ties both get half, as in PyTorch.
Values vjp_extremum(Builder& b, const VjpCall& call, ValueId winner_a, ValueId winner_b) {
  ValueId dy = call.output_gradients[0];
  ValueId half = build::mul(b, build::equal(b, call.inputs[0], call.inputs[1]), 0.5);
  return reduced_to_inputs(b, call, build::mul(b, dy, build::add(b, winner_a, half)),
                           build::mul(b, dy, build::add(b, winner_b, half)));
}
Values vjp_maximum(Builder& b, const VjpCall& call) {
  ValueId x = call.inputs[0], y = call.inputs[1];
  return vjp_extremum(b, call, build::greater(b, x, y), build::greater(b, y, x));
}
Values vjp_minimum(Builder& b, const VjpCall& call) {
  ValueId x = call.inputs[0], y = call.inputs[1];
  return vjp_extremum(b, call, build::greater(b, y, x), build::greater(b, x, y));
}

std::vector<OpSample> samples_binary() {
  return {{"same", {reals({2, 3, 4, 5}), reals({2, 3, 4, 5}, 0.5, 2)}, {}},
          {"per_channel", {reals({2, 3, 4, 5}), reals({1, 3, 1, 1}, 0.5, 2)}, {}},
          {"both_ways", {reals({1, 3, 5}), reals({4, 3, 1}, 0.5, 2)}, {}},
          {"numbers", {reals({}), reals({}, 0.5, 2)}, {}}};
}

OpDef binary(const char* name, const char* doc, LoopNest (*scalar)(const OpCall&), Vjp vjp) {
  OpDef def;
  def.name = name;
  def.doc = doc;
  def.inputs = {{"a", "a: any shape"}, {"b", "b: of equal rank; extents of 1 broadcast"}};
  def.outputs = {"y"};
  def.infer = infer_binary;
  def.vjp = vjp;
  if (!vjp) def.no_gradient = "a comparison is constant between its steps";
  def.scalar = scalar;
  def.samples = samples_binary;
  return def;
}

// ---- select

std::vector<TensorType> infer_select(const OpCall& call) {
  check::floating(call, 0);
  check::floating(call, 1);
  check::same_dtype(call, 1, 2);
  return {{call.inputs[1].dtype, broadcast_shape(call, 2)}};
}

LoopNest scalar_select(const OpCall& call) {
  const Shape& shape = call.outputs[0].shape;
  LoopNest nest = map_over(shape);
  Dag& d = nest.dag;
  ExprId condition = load_broadcast(d, 0, call.inputs[0].shape, shape);
  ExprId a = load_broadcast(d, 1, call.inputs[1].shape, shape);
  ExprId b = load_broadcast(d, 2, call.inputs[2].shape, shape);
  nest.stores.push_back({0, d.select(d.equal(condition, d.real(0)), b, a)});
  return nest;
}

Values vjp_select(Builder& b, const VjpCall& call) {
  ValueId dy = call.output_gradients[0], condition = call.inputs[0], zero = build::number(b, 0, dy);
  return {ValueId{}, build::sum_to(b, build::select(b, condition, dy, zero), b.type(call.inputs[1]).shape),
          build::sum_to(b, build::select(b, condition, zero, dy), b.type(call.inputs[2]).shape)};
}

std::vector<OpSample> samples_select() {
  SampleInput mask{{DType::f32, {2, 3, 5}}, -1, 1, false};
  return {{"same", {mask, reals({2, 3, 5}), reals({2, 3, 5})}, {}},
          {"broadcast", {mask, reals({1, 3, 1}), reals({1, 1, 1})}, {}}};
}

OpDef select_row() {
  OpDef def;
  def.name = "select";
  def.doc = "y = a where condition is not 0, else b.";
  def.inputs = {{"condition", "condition: any shape"}, {"a", "a: of equal rank"}, {"b", "b: of equal rank"}};
  def.outputs = {"y"};
  def.infer = infer_select;
  def.vjp = vjp_select;
  def.scalar = scalar_select;
  def.samples = samples_select;
  return def;
}

}  // namespace

std::vector<OpDef> elementwise_ops() {
  return {
      unary("neg", "y = -x.", instruction<ExprKind::neg>, vjp_neg, samples_between<-3, 3>),
      unary("exp", "y = e^x.", instruction<ExprKind::exp>, vjp_exp, samples_between<-3, 3>),
      unary("log", "y = ln x; NaN for negative x.", instruction<ExprKind::log>, vjp_log, samples_positive),
      unary("sqrt", "y = the square root of x; NaN for negative x.", instruction<ExprKind::sqrt>, vjp_sqrt,
            samples_positive),
      unary("rsqrt", "y = 1 / sqrt(x).", scalar_rsqrt, vjp_rsqrt, samples_positive),
      unary("square", "y = x * x.", scalar_square, vjp_square, samples_between<-3, 3>),
      unary("abs", "y = |x|; its gradient at 0 is 0.", instruction<ExprKind::abs>, vjp_abs, samples_between<-3, 3>),
      unary("erf", "y = 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x.", instruction<ExprKind::erf>, vjp_erf,
            samples_between<-3, 3>),
      floor_row(),
      pow_row(),
      cast_row(),
      binary("add", "y = a + b.", binary_instruction<ExprKind::add>, vjp_add),
      binary("sub", "y = a - b.", binary_instruction<ExprKind::sub>, vjp_sub),
      binary("mul", "y = a * b.", binary_instruction<ExprKind::mul>, vjp_mul),
      binary("div", "y = a / b.", binary_instruction<ExprKind::div>, vjp_div),
      binary("maximum", "y = the greater of a and b; NaN if either is.", binary_instruction<ExprKind::max>,
             vjp_maximum),
      binary("minimum", "y = the smaller of a and b; NaN if either is.", binary_instruction<ExprKind::min>,
             vjp_minimum),
      binary("greater", "y = 1 where a > b, else 0.", binary_instruction<ExprKind::real_less>, nullptr),
      binary("equal", "y = 1 where a = b, else 0.", binary_instruction<ExprKind::real_equal>, nullptr),
      select_row(),
  };
}

}  // namespace netc
