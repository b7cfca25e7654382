#include "compiler/ops/split_sums.h"

#include "compiler/base/error.h"
#include "compiler/ops/check.h"
#include "compiler/ops/nest.h"
#include "compiler/ops/registry.h"
#include "compiler/ops/rows.h"

namespace netc {
namespace {

const OpDef& whole_op() { return op("convolution_weight_gradient"); }

// The call of a weight gradient that is not split.
OpCall whole_call(const OpCall& call, const Attrs& attrs) { return {attrs, call.inputs, call.present, {}}; }

Attrs whole_attrs(const Attrs& attrs) {
  Attrs result;
  for (const AttrDef& def : whole_op().attrs) result.set(def.name, attrs.integer(def.name));
  return result;
}

std::vector<TensorType> infer_parts(const OpCall& call) {
  const Attrs attrs = whole_attrs(call.attrs);
  std::vector<TensorType> types = whole_op().infer(whole_call(call, attrs));
  const int64_t parts = check::integer_between(call, "parts", 1);
  check::require_argument(attrs.integer("groups") == 1, "a convolution with groups is not split", "groups");
  check::require_argument(call.inputs[0].shape[0] % parts == 0, "parts of equally many images", "parts");
  types[0].shape[0] *= parts;
  return types;
}

Contraction contract_parts(const OpCall& call) {
  const Attrs attrs = whole_attrs(call.attrs);
  OpCall whole = whole_call(call, attrs);
  whole.outputs = whole_op().infer(whole);
  return split_images(whole_op().contract(whole), call.attrs.integer("parts"));
}

std::vector<TensorType> infer_sum(const OpCall& call) {
  const int64_t parts = check::integer_between(call, "parts", 1);
  TensorType type = call.inputs[0];
  if (type.dtype != DType::f32) throw OpError("E0206", "parts of a sum are f32");
  check::require_argument(!type.shape.empty() && type.shape[0] % parts == 0, "parts of one shape, one behind the other", "parts");
  type.shape[0] /= parts;
  return {type};
}

LoopNest scalar_sum(const OpCall& call) {
  const Shape& shape = call.outputs[0].shape;
  LoopNest nest = reduce_over(shape, {call.attrs.integer("parts")});
  Dag& dag = nest.dag;
  std::vector<ExprId> indices = axes_of(dag, shape.size());
  indices[0] = dag.index_add(dag.index_mul(dag.axis(static_cast<int>(shape.size())), shape[0]), indices[0]);
  nest.reductions = {{ReduceKind::sum, dag.load(0, indices)}};
  nest.stores = {{0, dag.reduced(0)}};
  return nest;
}

AttrDef parts_attr() { return integer_attr("parts", "sums, of equally many images each"); }

const char* const kNoGradient = "it takes the place of a gradient";

}  // namespace

Contraction split_images(Contraction c, int64_t parts) {
  enum { kX, kWeight, kY };
  const AxisSum images = c.tensors[kX].index[0], filters = c.tensors[kWeight].index[0];
  NETC_CHECK(c.output == kWeight && images.terms.size() == 1 && filters.terms.size() == 1 && c.tensors[kY].index[0] == images,
             "the weight gradient of a convolution without groups");
  ContractionAxis& n = c.axes[static_cast<size_t>(images.terms[0].axis)];
  NETC_CHECK(parts >= 1 && n.extent % parts == 0, "parts of equally many images");
  n.extent /= parts;
  const int part = static_cast<int>(c.axes.size());
  const int64_t images_of_part = n.extent;
  c.axes.push_back({"part", parts});
  for (int tensor : {kX, kY}) {
    std::vector<AxisTerm>& terms = c.tensors[static_cast<size_t>(tensor)].index[0].terms;
    terms.insert(terms.begin(), {part, images_of_part});
  }
  ContractionTensor& weight = c.tensors[kWeight];
  weight.index[0].terms.insert(weight.index[0].terms.begin(), {part, weight.shape[0]});
  weight.shape[0] *= parts;
  return c;
}

const OpDef& weight_gradient_parts_op() {
  static const OpDef def = [] {
    OpDef d = whole_op();
    d.name = "weight_gradient_parts";
    d.doc = "The gradient of a convolution's weight of each part of the images: [parts*K, C, KH, KW].";
    d.outputs = {"parts"};
    d.attrs.push_back(parts_attr());
    d.infer = infer_parts;
    d.vjp = nullptr;
    d.no_gradient = kNoGradient;
    d.contract = contract_parts;
    d.samples = nullptr;
    return d;
  }();
  return def;
}

const OpDef& sum_of_parts_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "sum_of_parts";
    d.doc = "y[k, …] = sum over p of x[p*K + k, …]: the parts of a sum, added in order.";
    d.inputs = {{"x", "x: [parts*K, …]"}};
    d.outputs = {"y"};
    d.attrs = {parts_attr()};
    d.infer = infer_sum;
    d.no_gradient = kNoGradient;
    d.scalar = scalar_sum;
    return d;
  }();
  return def;
}

}  // namespace netc
