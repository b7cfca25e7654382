// affine_sample: every augmentation that moves pixels (decision 9). The host draws one 2x3 matrix a
// sample, which says where in the input each output pixel comes from; flips, shifts, crops and rotations are matrices. A crop that
// is resized also has a box: between its outermost pixels' centres and its edge it has their values, as a resized picture does.
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
  if (call.present[2]) {
    check::floating(call, 2);
    check::shape(call, 2, {image.shape[0], 4}, "the boxes");
  }
  Shape shape{image.shape[0], image.shape[1], check::integer_between(call, "height", 1, 1 << 20),
              check::integer_between(call, "width", 1, 1 << 20)};
  check::count(shape);
  return {{DType::f32, shape}};
}

// One coordinate: the pixel before it, in -2..extent, how far beyond that pixel it lies, and whether it is within the box.
struct Coordinate {
  ExprId pixel, fraction, within;
};
Coordinate coordinate(Dag& d, int row, int64_t extent, bool boxed) {
  auto element = [&](int column) { return d.load(1, {d.axis(0), d.index(row), d.index(column)}); };
  ExprId y = d.from_index(d.axis(2)), x = d.from_index(d.axis(3));
  ExprId at = d.add(d.add(d.mul(element(0), y), d.mul(element(1), x)), element(2));
  ExprId within = at;  // nobody asks where there is no box
  if (boxed) {
    const ExprId first = d.load(2, {d.axis(0), d.index(row)}), last = d.load(2, {d.axis(0), d.index(row + 2)}), half = d.real(0.5);
    within = d.logical_and(d.less_equal(d.sub(first, half), at), d.less_equal(at, d.add(last, half)));
    at = d.min(d.max(at, first), last);
  }
  ExprId pixel = d.index_min(d.index_max(d.index_floor(at), d.index(-2)), d.index(extent));
  return {pixel, d.sub(at, d.unary(ExprKind::floor, at)), within};
}

LoopNest scalar_affine_sample(const OpCall& call) {
  const TensorType& image = call.inputs[0];
  int64_t height = image.shape[2], width = image.shape[3];
  LoopNest nest = map_over(call.outputs[0].shape);
  Dag& d = nest.dag;
  const bool boxed = call.present[2];
  Coordinate y = coordinate(d, 0, height, boxed), x = coordinate(d, 1, width, boxed);
  auto tap = [&](int64_t dy, int64_t dx) {
    ExprId h = d.index_add(y.pixel, d.index(dy)), w = d.index_add(x.pixel, d.index(dx));
    ExprId inside = d.logical_and(d.in_range(h, height), d.in_range(w, width));
    ExprId value = d.load(0, {d.axis(0), d.axis(1), clamped(d, h, height), clamped(d, w, width)}, inside);
    return d.select(inside, value, d.real(call.attrs.real("fill")));
  };
  auto between = [&](ExprId a, ExprId b, ExprId fraction) { return d.add(a, d.mul(fraction, d.sub(b, a))); };
  ExprId upper = between(tap(0, 0), tap(0, 1), x.fraction), lower = between(tap(1, 0), tap(1, 1), x.fraction);
  ExprId value = between(upper, lower, y.fraction);
  if (boxed) value = d.select(d.logical_and(y.within, x.within), value, d.real(call.attrs.real("fill")));
  nest.stores = {{0, value}};
  return nest;
}

}  // namespace

std::vector<OpDef> affine_sample_ops() {
  OpDef def;
  def.name = "affine_sample";
  def.doc =
      "y[.., i, j] = the image at row m0*i + m1*j + m2 and column m3*i + m4*j + m5, bilinear between pixels, `fill` "
      "outside. With a box, of rows b0..b2 and columns b1..b3: coordinates up to 0.5 beyond it are moved to it, others are outside.";
  def.inputs = {{"image", "image: [N, C, H, W] u8 or real"}, {"matrix", "matrix: [N, 2, 3] f32"}, {"box", "box: [N, 4] f32", true}};
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
    return std::vector<OpSample>{{"mixed", {reals({2, 3, 5, 6}), reals({2, 2, 3}, -2, 2), reals({-1})}, size},
                                 {"fill", {reals({1, 1, 3, 3}), reals({1, 2, 3}, -1, 1), reals({-1})}, filled},
                                 {"box", {reals({3, 2, 5, 6}), reals({3, 2, 3}, -1, 1), reals({3, 4}, 0, 4)}, filled},
                                 {"bytes", {{{DType::u8, {2, 1, 4, 4}}, 0, 255}, reals({2, 2, 3}, 0, 1), reals({-1})}, size}};
  };
  return {std::move(def)};
}

}  // namespace netc
