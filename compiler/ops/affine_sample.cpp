// affine_sample: every augmentation that moves pixels (decision 9). The host draws one 2x3 matrix a
// sample, which says where in the input each output pixel comes from; flips, shifts, crops and rotations are matrices.
#include "compiler/base/error.h"
#include "compiler/ops/check.h"
#include "compiler/ops/families.h"
#include "compiler/ops/nest.h"
#include "compiler/ops/rows.h"

namespace netc {
namespace {

std::vector<TensorType> infer_affine_sample(const OpCall& call) {
  const TensorType& image = call.inputs[0];
  if (!is_floating(image.dtype) && image.dtype != DType::u8)
    throw OpError("E0206", "takes an image of u8 or real numbers, got " + std::string(name_of(image.dtype)));
  check::rank(call, 0, 4, "[C, H, W]");
  check::floating(call, 1);
  check::shape(call, 1, {image.shape[0], 2, 3}, "the matrices");
  Shape shape{image.shape[0], image.shape[1], check::integer_between(call, "height", 1, 1 << 20),
              check::integer_between(call, "width", 1, 1 << 20)};
  check::count(shape);
  return {{DType::f32, shape}};
}

// One coordinate: the pixel before it, in -2..extent, and how far beyond that pixel it lies.
struct Coordinate {
  ExprId pixel, fraction;
};
Coordinate coordinate(Dag& d, int row, int64_t extent) {
  auto element = [&](int column) { return d.load(1, {d.axis(0), d.index(row), d.index(column)}); };
  ExprId y = d.from_index(d.axis(2)), x = d.from_index(d.axis(3));
  ExprId at = d.add(d.add(d.mul(element(0), y), d.mul(element(1), x)), element(2));
  ExprId pixel = d.index_min(d.index_max(d.index_floor(at), d.index(-2)), d.index(extent));
  return {pixel, d.sub(at, d.unary(ExprKind::floor, at))};
}

LoopNest scalar_affine_sample(const OpCall& call) {
  const TensorType& image = call.inputs[0];
  int64_t height = image.shape[2], width = image.shape[3];
  LoopNest nest = map_over(call.outputs[0].shape);
  Dag& d = nest.dag;
  Coordinate y = coordinate(d, 0, height), x = coordinate(d, 1, width);
  auto tap = [&](int64_t dy, int64_t dx) {
    ExprId h = d.index_add(y.pixel, d.index(dy)), w = d.index_add(x.pixel, d.index(dx));
    ExprId inside = d.logical_and(d.in_range(h, height), d.in_range(w, width));
    ExprId value = d.load(0, {d.axis(0), d.axis(1), clamped(d, h, height), clamped(d, w, width)}, inside);
    return d.select(inside, value, d.real(call.attrs.real("fill")));
  };
  auto between = [&](ExprId a, ExprId b, ExprId fraction) { return d.add(a, d.mul(fraction, d.sub(b, a))); };
  ExprId upper = between(tap(0, 0), tap(0, 1), x.fraction), lower = between(tap(1, 0), tap(1, 1), x.fraction);
  nest.stores = {{0, between(upper, lower, y.fraction)}};
  return nest;
}

}  // namespace

std::vector<OpDef> affine_sample_ops() {
  OpDef def;
  def.name = "affine_sample";
  def.doc =
      "y[.., i, j] = the image at row m0*i + m1*j + m2 and column m3*i + m4*j + m5, bilinear between pixels, `fill` "
      "outside.";
  def.inputs = {{"image", "image: [N, C, H, W] u8 or real"}, {"matrix", "matrix: [N, 2, 3] f32"}};
  def.outputs = {"y"};
  def.attrs = {integer_attr("height", "rows of the result"), integer_attr("width", "columns of the result"),
               real_attr("fill", "outside of the image", 0)};
  def.infer = infer_affine_sample;
  def.no_gradient = "augmentation applies to inputs, which are not trained";
  def.scalar = scalar_affine_sample;
  def.samples = [] {
    Attrs size{{"height", int64_t{4}}, {"width", int64_t{5}}};
    Attrs filled = size;
    filled.set("fill", 0.5);
    return std::vector<OpSample>{{"mixed", {reals({2, 3, 5, 6}), reals({2, 2, 3}, -2, 2)}, size},
                                 {"fill", {reals({1, 1, 3, 3}), reals({1, 2, 3}, -1, 1)}, filled},
                                 {"bytes", {{{DType::u8, {2, 1, 4, 4}}, 0, 255}, reals({2, 2, 3}, 0, 1)}, size}};
  };
  return {std::move(def)};
}

}  // namespace netc
