#include "compiler/ops/tf32.h"

#include <array>

#include "compiler/ops/nest.h"
#include "compiler/ops/registry.h"

namespace netc {
namespace {

constexpr std::array<const char*, 4> kContractions{"matmul", "correlation", "convolution_data_gradient",
                                                        "convolution_weight_gradient"};
const char* const kNoGradient = "it is put in behind differentiation";

std::vector<TensorType> infer_round(const OpCall& call) {
  if (call.inputs[0].dtype != DType::f32) throw OpError("E0206", "what is rounded to tf32 is f32");
  return {call.inputs[0]};
}

LoopNest scalar_round(const OpCall& call) {
  LoopNest nest = map_over(call.outputs[0].shape);
  nest.stores.push_back({0, nest.dag.unary(ExprKind::round_tf32, load_same(nest.dag, 0, call.inputs[0].shape))});
  return nest;
}

template <size_t kIndex>
std::vector<TensorType> infer(const OpCall& call) {
  if (call.inputs[0].dtype != DType::f32) throw OpError("E0206", "what is rounded to tf32 is f32");
  return op(kContractions[kIndex]).infer(call);
}
template <size_t kIndex>
Contraction contract(const OpCall& call) {
  Contraction c = op(kContractions[kIndex]).contract(call);
  c.tf32 = true;
  return c;
}

template <size_t kIndex>
OpDef make() {
  OpDef def = op(kContractions[kIndex]);
  def.name += "_tf32";
  def.doc += " Of operands rounded to tf32.";
  def.infer = infer<kIndex>;
  def.vjp = nullptr;
  def.no_gradient = kNoGradient;
  def.contract = contract<kIndex>;
  def.samples = nullptr;
  return def;
}

}  // namespace

const OpDef& round_tf32_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "round_tf32";
    d.doc = "The nearest values with 10 explicit bits of mantissa, ties away from zero.";
    d.inputs = {{"x", "x: any shape, f32"}};
    d.outputs = {"y"};
    d.infer = infer_round;
    d.no_gradient = kNoGradient;
    d.scalar = scalar_round;
    return d;
  }();
  return def;
}

const OpDef* tf32_contraction(const OpDef& contraction) {
  static const std::array<OpDef, kContractions.size()> defs{make<0>(), make<1>(), make<2>(), make<3>()};
  for (size_t i = 0; i < kContractions.size(); ++i)
    if (&contraction == &op(kContractions[i])) return &defs[i];
  return nullptr;
}

}  // namespace netc
