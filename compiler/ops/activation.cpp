// Activations, each with a gradient operator of its own: they are everywhere, and one node in place of
// four keeps graphs small and says what may be kept for the backward pass (the output, where it suffices).
#include <cmath>

#include "compiler/base/error.h"
#include "compiler/ops/check.h"
#include "compiler/ops/families.h"
#include "compiler/ops/nest.h"
#include "compiler/ops/registry.h"
#include "compiler/ops/rows.h"

namespace netc {
namespace {

using Values = std::vector<ValueId>;

// f(x), and its gradient dy * f'(saved), where `saved` is x or f(x).
using Function = ExprId (*)(Dag&, ExprId x, const Attrs&);
using Gradient = ExprId (*)(Dag&, ExprId dy, ExprId saved, const Attrs&);

ExprId logistic(Dag& d, ExprId x) {
  return d.div(d.real(1), d.add(d.real(1), d.unary(ExprKind::exp, d.unary(ExprKind::neg, x))));
}

ExprId relu(Dag& d, ExprId x, const Attrs&) { return d.max(x, d.real(0)); }
ExprId relu_gradient(Dag& d, ExprId dy, ExprId y, const Attrs&) {
  return d.select(d.less(d.real(0), y), dy, d.real(0));
}

ExprId leaky_relu(Dag& d, ExprId x, const Attrs& attrs) {
  return d.select(d.less(d.real(0), x), x, d.mul(d.real(attrs.real("slope")), x));
}
ExprId leaky_relu_gradient(Dag& d, ExprId dy, ExprId x, const Attrs& attrs) {
  return d.select(d.less(d.real(0), x), dy, d.mul(d.real(attrs.real("slope")), dy));
}

ExprId sigmoid(Dag& d, ExprId x, const Attrs&) { return logistic(d, x); }
ExprId sigmoid_gradient(Dag& d, ExprId dy, ExprId y, const Attrs&) {
  return d.mul(dy, d.mul(y, d.sub(d.real(1), y)));
}

ExprId tanh_value(Dag& d, ExprId x, const Attrs&) { return d.unary(ExprKind::tanh, x); }
ExprId tanh_gradient(Dag& d, ExprId dy, ExprId y, const Attrs&) {
  return d.mul(dy, d.sub(d.real(1), d.mul(y, y)));
}

ExprId silu(Dag& d, ExprId x, const Attrs&) { return d.mul(x, logistic(d, x)); }
ExprId silu_gradient(Dag& d, ExprId dy, ExprId x, const Attrs&) {
  ExprId s = logistic(d, x);
  return d.mul(dy, d.mul(s, d.add(d.real(1), d.mul(x, d.sub(d.real(1), s)))));
}

constexpr double kTanhScale = 0.79788456080286535588, kTanhCubic = 0.044715;  // sqrt(2/pi)

// The argument of tanh in the approximate form.
ExprId gelu_argument(Dag& d, ExprId x) {
  ExprId cube = d.mul(d.real(kTanhCubic), d.mul(x, d.mul(x, x)));
  return d.mul(d.real(kTanhScale), d.add(x, cube));
}

// The normal distribution's function, exact or approximate.
ExprId gelu_weight(Dag& d, ExprId x, const Attrs& attrs) {
  ExprId odd = attrs.boolean("approximate") ? d.unary(ExprKind::tanh, gelu_argument(d, x))
                                            : d.unary(ExprKind::erf, d.mul(d.real(M_SQRT1_2), x));
  return d.mul(d.real(0.5), d.add(d.real(1), odd));
}

ExprId gelu(Dag& d, ExprId x, const Attrs& attrs) { return d.mul(x, gelu_weight(d, x, attrs)); }
ExprId gelu_gradient(Dag& d, ExprId dy, ExprId x, const Attrs& attrs) {
  ExprId density;  // the derivative of gelu_weight
  if (attrs.boolean("approximate")) {
    ExprId t = d.unary(ExprKind::tanh, gelu_argument(d, x));
    ExprId inner = d.mul(d.real(0.5 * kTanhScale), d.add(d.real(1), d.mul(d.real(3 * kTanhCubic), d.mul(x, x))));
    density = d.mul(d.sub(d.real(1), d.mul(t, t)), inner);
  } else {
    ExprId bell = d.unary(ExprKind::exp, d.mul(d.real(-0.5), d.mul(x, x)));
    density = d.mul(d.real(0.5 * M_SQRT1_2 * M_2_SQRTPI), bell);
  }
  return d.mul(dy, d.add(gelu_weight(d, x, attrs), d.mul(x, density)));
}

std::vector<TensorType> infer_value(const OpCall& call) {
  check::floating(call, 0);
  return {call.inputs[0]};
}

std::vector<TensorType> infer_gradient(const OpCall& call) {
  check::floating(call, 0);
  check::same_dtype(call, 0, 1);
  check::shape(call, 1, call.inputs[0].shape, "the saved value");
  return {call.inputs[0]};
}

template <Function f>
LoopNest value_nest(const OpCall& call) {
  LoopNest nest = map_over(call.outputs[0].shape);
  nest.stores.push_back({0, f(nest.dag, load_same(nest.dag, 0, call.inputs[0].shape), call.attrs)});
  return nest;
}

template <Gradient f>
LoopNest gradient_nest(const OpCall& call) {
  LoopNest nest = map_over(call.outputs[0].shape);
  Dag& d = nest.dag;
  ExprId dy = load_same(d, 0, call.inputs[0].shape), saved = load_same(d, 1, call.inputs[1].shape);
  nest.stores.push_back({0, f(d, dy, saved, call.attrs)});
  return nest;
}

std::vector<OpSample> value_samples() { return unary_samples(-3, 3); }
std::vector<OpSample> gradient_samples() {
  return {{"image", {reals({2, 3, 5, 4}), reals({2, 3, 5, 4}, -0.9, 0.9)}, {}},
          {"vector", {reals({3, 7}), reals({3, 7}, -0.9, 0.9)}, {}}};
}
std::vector<OpSample> gelu_samples() {
  std::vector<OpSample> samples = unary_samples(-3, 3);
  samples.push_back({"approximate", {reals({3, 7}, -3, 3)}, {{"approximate", true}}});
  return samples;
}
std::vector<OpSample> leaky_samples() {
  std::vector<OpSample> samples = unary_samples(-3, 3);
  samples.push_back({"slope", {reals({3, 7}, -3, 3)}, {{"slope", 0.25}}});
  return samples;
}

// `name` and `name`_gradient. `saves`: what the gradient needs besides dy.
enum class Saves { input, output };

template <const char* name, Saves saves>
Values vjp(Builder& b, const VjpCall& call) {
  static const OpDef& gradient = op(std::string(name) + "_gradient");
  ValueId saved = saves == Saves::input ? call.inputs[0] : call.outputs[0];
  return {b.emit(gradient, {call.output_gradients[0], saved}, call.attrs)};
}

template <const char* name, Function value, Gradient gradient, Saves saves>
void add_activation(std::vector<OpDef>& ops, const char* doc, std::vector<AttrDef> attrs = {},
                    std::vector<OpSample> (*samples)() = value_samples) {
  OpDef def;
  def.name = name;
  def.doc = doc;
  def.inputs = {{"x", "x: any shape"}};
  def.outputs = {"y"};
  def.attrs = attrs;
  def.infer = infer_value;
  def.vjp = vjp<name, saves>;
  def.scalar = value_nest<value>;
  def.samples = samples;
  ops.push_back(std::move(def));

  OpDef back;
  back.name = std::string(name) + "_gradient";
  back.doc = "The gradient of " + std::string(name) + " with respect to x.";
  back.inputs = {{"dy", "dy: any shape"},
                 saves == Saves::input ? InputDef{"x", "x: of dy's shape"} : InputDef{"y", "y: of dy's shape"}};
  back.outputs = {"dx"};
  back.attrs = std::move(attrs);
  back.infer = infer_gradient;
  back.no_gradient = kFirstOrderOnly;
  back.scalar = gradient_nest<gradient>;
  back.samples = gradient_samples;
  ops.push_back(std::move(back));
}

constexpr char kRelu[] = "relu", kLeakyRelu[] = "leaky_relu", kSigmoid[] = "sigmoid", kTanh[] = "tanh",
               kSilu[] = "silu", kGelu[] = "gelu";

}  // namespace

std::vector<OpDef> activation_ops() {
  std::vector<OpDef> ops;
  add_activation<kRelu, relu, relu_gradient, Saves::output>(ops, "y = max(x, 0); lets NaN through.");
  add_activation<kLeakyRelu, leaky_relu, leaky_relu_gradient, Saves::input>(
      ops, "y = x where x > 0, else slope * x (Maas et al. 2013).",
      {real_attr("slope", "for negative x", 0.01)}, leaky_samples);
  add_activation<kSigmoid, sigmoid, sigmoid_gradient, Saves::output>(ops, "y = 1 / (1 + e^-x).");
  add_activation<kTanh, tanh_value, tanh_gradient, Saves::output>(ops, "y = the hyperbolic tangent of x.");
  add_activation<kSilu, silu, silu_gradient, Saves::input>(ops, "y = x * sigmoid(x) (Elfwing et al. 2017).");
  add_activation<kGelu, gelu, gelu_gradient, Saves::input>(
      ops, "y = x times the normal distribution function of x (Hendrycks and Gimpel 2016).",
      {boolean_attr("approximate", "the tanh form in place of erf", false)}, gelu_samples);
  return ops;
}

}  // namespace netc
