// Operators that move elements without computing: reshape, transpose, slice, pad, concat, broadcast,
// nearest upsampling.
#include <algorithm>
#include <functional>

#include "compiler/base/error.h"
#include "compiler/ops/build.h"
#include "compiler/ops/check.h"
#include "compiler/ops/families.h"
#include "compiler/ops/nest.h"
#include "compiler/ops/registry.h"
#include "compiler/ops/rows.h"

namespace netc {
namespace {

using Values = std::vector<ValueId>;

// A nest over the output that stores input 0 at `indices`.
LoopNest gather(const Shape& shape, const std::function<std::vector<ExprId>(Dag&)>& indices) {
  LoopNest nest = map_over(shape);
  std::vector<ExprId> at = indices(nest.dag);
  nest.stores.push_back({0, nest.dag.load(0, std::move(at))});
  return nest;
}

OpDef shape_row(const char* name, const char* doc, std::vector<AttrDef> attrs) {
  OpDef def;
  def.name = name;
  def.doc = doc;
  def.inputs = {{"x", "x: any shape"}};
  def.outputs = {"y"};
  def.attrs = std::move(attrs);
  return def;
}

void require_length(const OpCall& call, const char* attr, size_t length) {
  check::require_argument(call.attrs.ints(attr).size() == length,
                          "`" + std::string(attr) + "` must have one number an axis, " + std::to_string(length) +
                              " in all",
                          attr);
}

// ---- reshape

std::vector<TensorType> infer_reshape(const OpCall& call) {
  check::floating(call, 0);
  const Shape& shape = call.attrs.ints("shape");
  if (check::count(shape) != check::count(call.inputs[0].shape))
    check::refuse_shapes("a reshape keeps the number of elements", call.inputs[0].shape, shape);
  return {{call.inputs[0].dtype, shape}};
}

// Both shapes are cut into the shortest groups of equal product; within a group the output's index is
// made linear and then split, so that axes that a reshape leaves alone stay plain axes.
std::vector<ExprId> reshape_indices(Dag& d, const Shape& from, const Shape& to) {
  std::vector<ExprId> indices;
  size_t i = 0, o = 0;
  while (i < from.size()) {
    size_t first_in = i, first_out = o;
    int64_t in_count = from[i++], out_count = o < to.size() ? to[o++] : 1;
    while (in_count != out_count) {
      if (in_count < out_count) in_count *= from[i++];
      else out_count *= to[o++];
    }
    ExprId linear = d.index(0);
    for (size_t axis = first_out; axis < o; ++axis)
      linear = d.index_add(d.index_mul(linear, to[axis]), d.axis(static_cast<int>(axis)));
    int64_t below = in_count;
    for (size_t axis = first_in; axis < i; ++axis) {
      bool outermost = below == in_count;
      below /= from[axis];
      ExprId index = d.index_floor_div(linear, below);
      if (!outermost) index = d.index_floor_mod(index, from[axis]);
      indices.push_back(from[axis] == 1 ? d.index(0) : index);
    }
  }
  return indices;
}

LoopNest scalar_reshape(const OpCall& call) {
  const Shape &from = call.inputs[0].shape, &to = call.outputs[0].shape;
  return gather(to, [&](Dag& d) { return reshape_indices(d, from, to); });
}

Values vjp_reshape(Builder& b, const VjpCall& call) {
  return {build::reshape(b, call.output_gradients[0], b.type(call.inputs[0]).shape)};
}

OpDef reshape_row() {
  OpDef def = shape_row("reshape", "The same elements in row-major order under another shape.",
                        {ints_attr("shape", "the full shape, batch included")});
  def.infer = infer_reshape;
  def.arithmetic = Arithmetic::movement;
  def.vjp = vjp_reshape;
  def.scalar = scalar_reshape;
  def.samples = [] {
    return std::vector<OpSample>{{"flatten", {reals({2, 3, 4, 5})}, {{"shape", Ints{2, 60}}}},
                                 {"unflatten", {reals({2, 60})}, {{"shape", Ints{2, 3, 4, 5}}}},
                                 {"regroup", {reals({2, 6, 10})}, {{"shape", Ints{2, 4, 15}}}},
                                 {"ones", {reals({1, 6})}, {{"shape", Ints{6, 1, 1}}}},
                                 {"to_number", {reals({1, 1})}, {{"shape", Ints{}}}},
                                 {"from_number", {reals({})}, {{"shape", Ints{1, 1}}}}};
  };
  return def;
}

// ---- transpose

std::vector<TensorType> infer_transpose(const OpCall& call) {
  check::floating(call, 0);
  const Shape& from = call.inputs[0].shape;
  require_length(call, "permutation", from.size());
  const Ints& permutation = call.attrs.ints("permutation");
  Ints sorted = permutation;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i)
    check::require_argument(sorted[i] == static_cast<int64_t>(i), "`permutation` must name every axis once",
                            "permutation");
  Shape shape;
  for (int64_t axis : permutation) shape.push_back(from[static_cast<size_t>(axis)]);
  return {{call.inputs[0].dtype, shape}};
}

Ints inverse(const Ints& permutation) {
  Ints result(permutation.size());
  for (size_t i = 0; i < permutation.size(); ++i) result[static_cast<size_t>(permutation[i])] = static_cast<int64_t>(i);
  return result;
}

LoopNest scalar_transpose(const OpCall& call) {
  return gather(call.outputs[0].shape, [&](Dag& d) {
    std::vector<ExprId> indices;
    for (int64_t axis : inverse(call.attrs.ints("permutation"))) indices.push_back(d.axis(static_cast<int>(axis)));
    return indices;
  });
}

Values vjp_transpose(Builder& b, const VjpCall& call) {
  return {build::transpose(b, call.output_gradients[0], inverse(call.attrs.ints("permutation")))};
}

OpDef transpose_row() {
  OpDef def = shape_row("transpose", "The axes in another order: y's axis i is x's axis permutation[i].",
                        {ints_attr("permutation", "every axis once")});
  def.infer = infer_transpose;
  def.arithmetic = Arithmetic::movement;
  def.vjp = vjp_transpose;
  def.scalar = scalar_transpose;
  def.samples = [] {
    return std::vector<OpSample>{{"matrix", {reals({3, 5})}, {{"permutation", Ints{1, 0}}}},
                                 {"cycle", {reals({2, 3, 4, 5})}, {{"permutation", Ints{0, 2, 3, 1}}}},
                                 {"reverse", {reals({2, 3, 4})}, {{"permutation", Ints{2, 1, 0}}}}};
  };
  return def;
}

// ---- slice

std::vector<TensorType> infer_slice(const OpCall& call) {
  check::floating(call, 0);
  const Shape& from = call.inputs[0].shape;
  for (const char* attr : {"begins", "sizes", "steps"}) require_length(call, attr, from.size());
  const Ints &begins = call.attrs.ints("begins"), &sizes = call.attrs.ints("sizes"), &steps = call.attrs.ints("steps");
  for (size_t i = 0; i < from.size(); ++i) {
    check::require_argument(begins[i] >= 0 && begins[i] < from[i], "a slice begins outside its axis", "begins");
    check::require_argument(steps[i] >= 1 && steps[i] <= from[i], "a step must be from 1 to the extent", "steps");
    check::require_argument(sizes[i] >= 1 && sizes[i] <= from[i] && begins[i] + (sizes[i] - 1) * steps[i] < from[i],
                            "a slice of " + std::to_string(sizes[i]) + " from " + std::to_string(begins[i]) +
                                " leaves its axis of " + std::to_string(from[i]),
                            "sizes");
  }
  return {{call.inputs[0].dtype, sizes}};
}

LoopNest scalar_slice(const OpCall& call) {
  const Ints &begins = call.attrs.ints("begins"), &steps = call.attrs.ints("steps");
  return gather(call.outputs[0].shape, [&](Dag& d) {
    std::vector<ExprId> indices;
    for (size_t i = 0; i < begins.size(); ++i)
      indices.push_back(d.index_add(d.index_mul(d.axis(static_cast<int>(i)), steps[i]), d.index(begins[i])));
    return indices;
  });
}

Values vjp_slice(Builder& b, const VjpCall& call) {
  const Ints &begins = call.attrs.ints("begins"), &sizes = call.attrs.ints("sizes"), &steps = call.attrs.ints("steps");
  const Shape shape = b.type(call.inputs[0]).shape;
  const ValueId dy = call.output_gradients[0];
  if (steps != Ints(steps.size(), 1)) return {b.emit(op("slice_gradient"), {dy}, {{"shape", shape}, {"begins", begins}, {"steps", steps}})};
  Ints after;
  for (size_t i = 0; i < shape.size(); ++i) after.push_back(shape[i] - begins[i] - sizes[i]);
  return {build::pad(b, dy, begins, after, 0)};
}

OpDef slice_row() {
  OpDef def = shape_row("slice", "y[i] = x[begins + i * steps].",
                        {ints_attr("begins", "the first index, an axis each"), ints_attr("sizes", "y's shape"),
                         ints_attr("steps", "the distance between indices, an axis each")});
  def.infer = infer_slice;
  def.arithmetic = Arithmetic::movement;
  def.vjp = vjp_slice;
  def.scalar = scalar_slice;
  def.samples = [] {
    return std::vector<OpSample>{
        {"channels", {reals({2, 6, 3, 3})}, {{"begins", Ints{0, 2, 0, 0}}, {"sizes", Ints{2, 3, 3, 3}}, {"steps", Ints{1, 1, 1, 1}}}},
        {"strided", {reals({2, 3, 7, 8})}, {{"begins", Ints{0, 0, 0, 1}}, {"sizes", Ints{2, 3, 4, 3}}, {"steps", Ints{1, 1, 2, 3}}}},
        {"whole", {reals({3, 4})}, {{"begins", Ints{0, 0}}, {"sizes", Ints{3, 4}}, {"steps", Ints{1, 1}}}}};
  };
  return def;
}

// ---- slice_gradient

std::vector<TensorType> infer_slice_gradient(const OpCall& call) {
  check::floating(call, 0);
  const Shape &from = call.inputs[0].shape, &shape = call.attrs.ints("shape");
  for (const char* attr : {"shape", "begins", "steps"}) require_length(call, attr, from.size());
  check::count(shape);
  for (size_t i = 0; i < from.size(); ++i) {
    const int64_t begin = call.attrs.ints("begins")[i], step = call.attrs.ints("steps")[i];
    check::require_argument(begin >= 0 && begin < shape[i] && step >= 1 && from[i] - 1 <= (shape[i] - 1 - begin) / step,
                            "the slice must lie in its tensor", "shape");
  }
  return {{call.inputs[0].dtype, shape}};
}

LoopNest scalar_slice_gradient(const OpCall& call) {
  const Shape& from = call.inputs[0].shape;
  LoopNest nest = map_over(call.outputs[0].shape);
  Dag& d = nest.dag;
  std::vector<ExprId> indices;
  ExprId inside = kNoExpr;
  for (size_t i = 0; i < from.size(); ++i) {
    const int64_t begin = call.attrs.ints("begins")[i], step = call.attrs.ints("steps")[i];
    const ExprId distance = d.index_sub(d.axis(static_cast<int>(i)), d.index(begin));
    const ExprId index = step == 1 ? distance : d.index_floor_div(distance, step);
    indices.push_back(index);
    if (step > 1) inside = d.logical_and(inside, d.index_equal(d.index_floor_mod(distance, step), d.index(0)));
    if (begin > 0 || from[i] * step < call.attrs.ints("shape")[i]) inside = d.logical_and(inside, d.in_range(index, from[i]));
  }
  nest.stores.push_back({0, d.load(0, std::move(indices), inside)});
  return nest;
}

Values vjp_slice_gradient(Builder& b, const VjpCall& call) {
  return {build::slice(b, call.output_gradients[0], call.attrs.ints("begins"), b.type(call.inputs[0]).shape, call.attrs.ints("steps"))};
}

OpDef slice_gradient_row() {
  OpDef def = shape_row("slice_gradient", "y[begins + i * steps] = x[i], and zeros elsewhere.",
                        {ints_attr("shape", "y's shape"), ints_attr("begins", "the first index, an axis each"),
                         ints_attr("steps", "the distance between indices, an axis each")});
  def.infer = infer_slice_gradient;
  def.arithmetic = Arithmetic::movement;
  def.vjp = vjp_slice_gradient;
  def.scalar = scalar_slice_gradient;
  def.samples = [] {
    return std::vector<OpSample>{
        {"pixels", {reals({2, 3, 4, 3})}, {{"shape", Ints{2, 3, 8, 5}}, {"begins", Ints{0, 0, 0, 0}}, {"steps", Ints{1, 1, 2, 2}}}},
        {"from within", {reals({2, 3, 4})}, {{"shape", Ints{5, 3, 14}}, {"begins", Ints{1, 0, 2}}, {"steps", Ints{2, 1, 3}}}}};
  };
  return def;
}

// ---- pad

std::vector<TensorType> infer_pad(const OpCall& call) {
  check::floating(call, 0);
  Shape shape = call.inputs[0].shape;
  for (const char* attr : {"before", "after"}) {
    require_length(call, attr, shape.size());
    for (size_t i = 0; i < shape.size(); ++i) {
      int64_t amount = call.attrs.ints(attr)[i];
      check::require_argument(amount >= 0 && amount < (int64_t{1} << 31), "padding must not be negative", attr);
      shape[i] += amount;
    }
  }
  check::count(shape);
  return {{call.inputs[0].dtype, shape}};
}

LoopNest scalar_pad(const OpCall& call) {
  const Shape& from = call.inputs[0].shape;
  LoopNest nest = map_over(call.outputs[0].shape);
  Dag& d = nest.dag;
  std::vector<ExprId> indices;
  ExprId inside = kNoExpr;
  for (size_t i = 0; i < from.size(); ++i) {
    int64_t before = call.attrs.ints("before")[i], after = call.attrs.ints("after")[i];
    ExprId index = d.index_sub(d.axis(static_cast<int>(i)), d.index(before));
    indices.push_back(index);
    if (before > 0 || after > 0) inside = d.logical_and(inside, d.in_range(index, from[i]));
  }
  ExprId x = d.load(0, std::move(indices), inside);
  double value = call.attrs.real("value");
  nest.stores.push_back({0, inside == kNoExpr || value == 0 ? x : d.select(inside, x, d.real(value))});
  return nest;
}

Values vjp_pad(Builder& b, const VjpCall& call) {
  const Shape shape = b.type(call.inputs[0]).shape;
  return {build::slice(b, call.output_gradients[0], call.attrs.ints("before"), shape, Ints(shape.size(), 1))};
}

OpDef pad_row() {
  OpDef def = shape_row("pad", "x with `value` around it.",
                        {ints_attr("before", "elements before the first, an axis each"),
                         ints_attr("after", "elements after the last, an axis each"),
                         real_attr("value", "of the new elements", 0)});
  def.infer = infer_pad;
  def.arithmetic = Arithmetic::movement;
  def.vjp = vjp_pad;
  def.scalar = scalar_pad;
  def.samples = [] {
    return std::vector<OpSample>{
        {"image", {reals({2, 3, 4, 5})}, {{"before", Ints{0, 0, 1, 2}}, {"after", Ints{0, 0, 3, 0}}}},
        {"value", {reals({3, 4})}, {{"before", Ints{0, 1}}, {"after", Ints{0, 1}}, {"value", 2.5}}},
        {"channels", {reals({2, 3, 2, 2})}, {{"before", Ints{0, 0, 0, 0}}, {"after", Ints{0, 3, 0, 0}}}}};
  };
  return def;
}

// ---- concat

std::vector<TensorType> infer_concat(const OpCall& call) {
  int64_t axis = check::axis(call);
  Shape shape = call.inputs[0].shape;
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    check::floating(call, i);
    check::same_dtype(call, 0, i);
    if (i == 0) continue;
    const Shape& other = call.inputs[i].shape;
    Shape expected = shape;
    if (other.size() == shape.size()) expected[static_cast<size_t>(axis)] = other[static_cast<size_t>(axis)];
    if (other != expected) check::refuse_shapes("concat takes equal shapes but for one axis", call.inputs[0].shape, other);
    shape[static_cast<size_t>(axis)] += other[static_cast<size_t>(axis)];
  }
  check::count(shape);
  return {{call.inputs[0].dtype, shape}};
}

LoopNest scalar_concat(const OpCall& call) {
  LoopNest nest = map_over(call.outputs[0].shape);
  Dag& d = nest.dag;
  size_t axis = static_cast<size_t>(call.attrs.integer("axis"));
  // From the last input to the first: select(a < end of input i, input i, the rest).
  const int64_t total = call.outputs[0].shape[axis];
  ExprId own = d.axis(static_cast<int>(axis)), value = kNoExpr;
  int64_t end = total;
  for (size_t i = call.inputs.size(); i-- > 0;) {
    int64_t begin = end - call.inputs[i].shape[axis];
    ExprId before_end = d.index_less(own, d.index(end)), guard = end < total ? before_end : kNoExpr;
    if (begin > 0) guard = d.logical_and(guard, d.index_less(d.index(begin - 1), own));
    std::vector<ExprId> indices = axes_of(d, call.inputs[i].shape.size());
    indices[axis] = d.index_sub(own, d.index(begin));
    ExprId x = d.load(static_cast<int>(i), std::move(indices), guard);
    value = value == kNoExpr ? x : d.select(before_end, x, value);
    end = begin;
  }
  nest.stores.push_back({0, value});
  return nest;
}

Values vjp_concat(Builder& b, const VjpCall& call) {
  size_t axis = static_cast<size_t>(call.attrs.integer("axis"));
  Values gradients;
  int64_t begin = 0;
  for (ValueId input : call.inputs) {
    Shape sizes = b.type(input).shape;
    Ints begins(sizes.size(), 0), steps(sizes.size(), 1);
    begins[axis] = begin;
    begin += sizes[axis];
    gradients.push_back(build::slice(b, call.output_gradients[0], begins, sizes, steps));
  }
  return gradients;
}

OpDef concat_row() {
  OpDef def = shape_row("concat", "The inputs one after another along an axis.",
                        {integer_attr("axis", "which axis, the batch being 0", 1)});
  def.inputs = {{"x", "x: equal shapes but for `axis`", false, true}};
  def.infer = infer_concat;
  def.arithmetic = Arithmetic::movement;
  def.vjp = vjp_concat;
  def.scalar = scalar_concat;
  def.samples = [] {
    return std::vector<OpSample>{
        {"channels", {reals({2, 3, 4, 4}), reals({2, 1, 4, 4}), reals({2, 5, 4, 4})}, {}},
        {"last", {reals({2, 3}), reals({2, 4})}, {{"axis", int64_t{1}}}},
        {"first", {reals({1, 3}), reals({2, 3})}, {{"axis", int64_t{0}}}},
        {"one", {reals({2, 3})}, {}}};
  };
  return def;
}

// ---- broadcast

std::vector<TensorType> infer_broadcast(const OpCall& call) {
  check::floating(call, 0);
  const Shape &from = call.inputs[0].shape, &shape = call.attrs.ints("shape");
  bool fits = from.size() == shape.size();
  for (size_t i = 0; fits && i < from.size(); ++i) fits = from[i] == shape[i] || from[i] == 1;
  if (!fits) check::refuse_shapes("only extents of 1 broadcast", from, shape);
  check::count(shape);
  return {{call.inputs[0].dtype, shape}};
}

LoopNest scalar_broadcast(const OpCall& call) {
  LoopNest nest = map_over(call.outputs[0].shape);
  nest.stores.push_back({0, load_broadcast(nest.dag, 0, call.inputs[0].shape, call.outputs[0].shape)});
  return nest;
}

Values vjp_broadcast(Builder& b, const VjpCall& call) {
  return {build::sum_to(b, call.output_gradients[0], b.type(call.inputs[0]).shape)};
}

OpDef broadcast_row() {
  OpDef def = shape_row("broadcast", "x repeated along its axes of extent 1.",
                        {ints_attr("shape", "y's shape, of x's rank")});
  def.infer = infer_broadcast;
  def.arithmetic = Arithmetic::movement;
  def.vjp = vjp_broadcast;
  def.scalar = scalar_broadcast;
  def.samples = [] {
    return std::vector<OpSample>{{"per_channel", {reals({1, 3, 1, 1})}, {{"shape", Ints{2, 3, 4, 5}}}},
                                 {"rows", {reals({3, 1})}, {{"shape", Ints{3, 7}}}}};
  };
  return def;
}

// ---- upsample_nearest

std::vector<TensorType> infer_upsample(const OpCall& call) {
  check::floating(call, 0);
  check::rank(call, 0, 4, "[C, H, W]");
  Shape shape = call.inputs[0].shape;
  shape[2] *= check::integer_between(call, "scale_h", 1, 1 << 16);
  shape[3] *= check::integer_between(call, "scale_w", 1, 1 << 16);
  check::count(shape);
  return {{call.inputs[0].dtype, shape}};
}

LoopNest scalar_upsample(const OpCall& call) {
  return gather(call.outputs[0].shape, [&](Dag& d) {
    return std::vector<ExprId>{d.axis(0), d.axis(1), d.index_floor_div(d.axis(2), call.attrs.integer("scale_h")),
                               d.index_floor_div(d.axis(3), call.attrs.integer("scale_w"))};
  });
}

Values vjp_upsample(Builder& b, const VjpCall& call) {
  const Shape s = b.type(call.inputs[0]).shape;
  Shape split{s[0], s[1], s[2], call.attrs.integer("scale_h"), s[3], call.attrs.integer("scale_w")};
  return {build::reduce_sum(b, build::reshape(b, call.output_gradients[0], split), {3, 5})};
}

OpDef upsample_row() {
  OpDef def = shape_row("upsample_nearest", "Every pixel becomes a block of scale_h x scale_w equal ones.",
                        {integer_attr("scale_h", "rows a row becomes"), integer_attr("scale_w", "columns a column becomes")});
  def.inputs = {{"x", "x: [N, C, H, W]"}};
  def.infer = infer_upsample;
  def.arithmetic = Arithmetic::movement;
  def.vjp = vjp_upsample;
  def.scalar = scalar_upsample;
  def.samples = [] {
    return std::vector<OpSample>{
        {"twice", {reals({2, 3, 3, 4})}, {{"scale_h", int64_t{2}}, {"scale_w", int64_t{2}}}},
        {"uneven", {reals({1, 2, 2, 3})}, {{"scale_h", int64_t{3}}, {"scale_w", int64_t{1}}}}};
  };
  return def;
}

}  // namespace

std::vector<OpDef> shape_ops() {
  return {reshape_row(), transpose_row(), slice_row(), slice_gradient_row(), pad_row(), concat_row(), broadcast_row(), upsample_row()};
}

}  // namespace netc
