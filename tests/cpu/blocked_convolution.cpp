#include "tests/cpu/blocked_convolution.h"

#include <algorithm>

#include "compiler/base/error.h"
#include "compiler/interpret/evaluate.h"
#include "compiler/ops/split_sums.h"

namespace netc {
namespace {

constexpr int64_t kBlock = 16;

// Axes of every convolution, in this order; those that a case does not have get extent 1.
enum Axis { kN, kG, kKb, kOh, kOw, kKi, kCb, kKh, kKw, kCi };

struct Columns {
  int64_t before = 0, total = 0;
};

// Columns of x as the forward pass and the weight gradient read them.
Columns columns_of_x(const BlockedConvolution& v) {
  return {v.pad, std::max(v.w + v.pad, v.stride * (v.out_w() - 1) + v.dilation * (v.window_w - 1) + 1)};
}

// Columns of y as the data gradient reads them.
Columns columns_of_y(const BlockedConvolution& v) {
  const int64_t before = std::max<int64_t>(0, ceil_div(v.dilation * (v.window_w - 1) - v.pad, v.stride));
  const int64_t last = std::max(v.out_w() - 1, floor_div(v.w - 1 + v.pad, v.stride));
  return {before, before + last + 1};
}

struct Tensors {
  Contraction contraction;
  Columns x, y;
};

Tensors tensors_of(const BlockedConvolution& v, Direction direction) {
  const bool blocked_c = v.c / v.groups >= kBlock || v.groups > 1;
  const int64_t cb = blocked_c ? ceil_div(v.c / v.groups, kBlock) : v.c / v.groups, ci = blocked_c ? kBlock : 1;
  const int64_t kb = ceil_div(v.k / v.groups, kBlock), g = v.groups, s = v.stride, d = v.dilation;
  NETC_CHECK(g == 1 || (v.c / g % kBlock == 0 && v.k / g % kBlock == 0), "groups of whole blocks");

  Tensors t;
  Contraction& c = t.contraction;
  c.axes = {{"n", v.n}, {"g", g}, {"kb", kb}, {"oh", v.out_h()}, {"ow", v.out_w()}, {"ki", kBlock},
            {"cb", cb}, {"kh", v.window_h}, {"kw", v.window_w}, {"ci", ci}};
  auto plain = [](int axis) { return AxisSum{{{axis, 1}}, 0}; };
  auto grouped = [&](int axis, int64_t extent) { return g == 1 ? plain(axis) : AxisSum{{{kG, extent}, {axis, 1}}, 0}; };
  t.x = direction == Direction::data_gradient ? Columns{0, v.w} : columns_of_x(v);
  t.y = direction == Direction::forward ? Columns{0, v.out_w()} : columns_of_y(v);
  const AxisSum ih{{{kOh, s}, {kKh, d}}, -v.pad}, iw{{{kOw, s}, {kKw, d}}, t.x.before - v.pad};
  const AxisSum ow{{{kOw, 1}}, t.y.before};
  ContractionTensor x{{v.n, g * cb, v.h, t.x.total}, {plain(kN), grouped(kCb, cb), ih, iw}};
  ContractionTensor y{{v.n, g * kb, v.out_h(), t.y.total, kBlock}, {plain(kN), grouped(kKb, kb), plain(kOh), ow, plain(kKi)}};
  ContractionTensor w;
  if (direction == Direction::data_gradient)
    w = {{g * cb, kb, v.window_h, v.window_w, kBlock}, {grouped(kCb, cb), plain(kKb), plain(kKh), plain(kKw), plain(kKi)}};
  else
    w = {{g * kb, cb, v.window_h, v.window_w}, {grouped(kKb, kb), plain(kCb), plain(kKh), plain(kKw)}};
  auto append = [](ContractionTensor& tensor, int64_t extent, AxisSum index) {
    tensor.shape.push_back(extent);
    tensor.index.push_back(std::move(index));
  };
  if (blocked_c) {
    append(x, kBlock, plain(kCi));
    append(w, kBlock, plain(kCi));
  }
  if (direction != Direction::data_gradient) append(w, kBlock, plain(kKi));
  c.tensors = {x, w, y};
  c.output = direction == Direction::forward ? 2 : direction == Direction::data_gradient ? 0 : 1;

  // Axes that stand for nothing: dropped, the others renumbered.
  std::vector<int> number(c.axes.size(), -1);
  std::vector<ContractionAxis> axes;
  for (size_t a = 0; a < c.axes.size(); ++a) {
    if ((a == kG && g == 1) || (a == kCi && !blocked_c)) continue;
    number[a] = static_cast<int>(axes.size());
    axes.push_back(c.axes[a]);
  }
  c.axes = axes;
  for (ContractionTensor& tensor : c.tensors)
    for (AxisSum& sum : tensor.index)
      for (AxisTerm& term : sum.terms) term.axis = number[static_cast<size_t>(term.axis)];
  return t;
}

KernelOperand operand_of(const std::string& name, const Shape& shape, bool written, DType dtype = DType::f32) {
  return {name, dtype, shape, row_major_strides(shape), Space::arena, written, {}};
}

}  // namespace

double BlockedConvolution::multiply_adds() const {
  return static_cast<double>(n * k * (c / groups) * window_h * window_w) * static_cast<double>(out_h() * out_w());
}

KernelBody blocked_body(const BlockedConvolution& v, Direction direction, bool halo, DType dtype) {
  static const char* const kNames[] = {"x", "w", "y"};
  const Tensors t = tensors_of(v, direction);
  const Contraction& c = t.contraction;
  KernelBody body;
  for (int tensor : {c.first_input(), c.second_input(), c.output})
    body.operands.push_back(operand_of(kNames[tensor], c.tensors[static_cast<size_t>(tensor)].shape, tensor == c.output,
                                       tensor == 1 && c.output == 1 ? DType::f32 : dtype));
  // What the output's columns are is said by its shape: its own columns, not those that a reader adds.
  KernelOperand& out = body.operands[2];
  if (halo) {
    Shape padded = out.shape;
    padded[3] += 2;
    out.strides = row_major_strides(padded);
    out.halo = {3, 1, 1};
  }
  body.contraction = ContractionStage{c, 0, 1};
  body.nest.extents = out.shape;
  body.nest.parallel = static_cast<int>(out.shape.size());
  body.nest.stores = {{2, body.nest.dag.reduced(0)}};
  return body;
}

void add_epilogue(KernelBody& body, int64_t channels, bool with_residual) {
  LoopNest& nest = body.nest;
  Dag& dag = nest.dag;
  std::vector<ExprId> axes;
  for (int a = 0; a < nest.parallel; ++a) axes.push_back(dag.axis(a));
  const ExprId channel = dag.index_add(dag.index_mul(axes[1], kBlock), axes.back());
  const ExprId real_channel = channels % kBlock == 0 ? kNoExpr : dag.index_less(channel, dag.index(channels));
  const int bias = static_cast<int>(body.operands.size()), residual = bias + 1;
  body.operands.push_back(operand_of("bias", {channels}, false));
  ExprId value = dag.add(nest.stores[0].value, dag.load(bias, {channel}, real_channel));
  if (with_residual) {
    body.operands.push_back(operand_of("residual", nest.extents, false, body.operands[static_cast<size_t>(nest.stores[0].output)].dtype));
    value = dag.add(value, dag.load(residual, axes));
  }
  value = dag.max(value, dag.real(0));
  if (real_channel != kNoExpr) value = dag.select(real_channel, value, dag.real(0));
  nest.stores[0].value = value;
}

void add_channel_sums(KernelBody& body, int64_t rows) {
  Dag& dag = body.nest.dag;
  const ExprId value = body.nest.stores[0].value;
  const std::vector<int> kept{1, body.nest.parallel - 1};
  for (ExprId summand : {value, dag.mul(value, value)}) {
    body.partials.push_back({kept, summand, static_cast<int>(body.operands.size())});
    body.operands.push_back(operand_of("sums", {rows, body.nest.extents[1] * kBlock}, true));
  }
}

KernelBody with_winograd(KernelBody body, const Winograd& winograd) {
  KernelOperand& u = body.operands[1];
  u.name = "u";
  u.dtype = DType::f32;
  u.shape = transformed_shape(u.shape, winograd);
  u.strides = row_major_strides(u.shape);
  body.contraction->contraction.winograd = winograd;
  return body;
}

KernelBody with_winograd_gradient(KernelBody body, const Winograd& winograd, int64_t parts) {
  Contraction& c = body.contraction->contraction;
  ContractionTensor& y = c.tensors[2];  // without the columns that a data gradient wants
  y.index[3].offset = 0;
  y.shape[3] = c.axes[static_cast<size_t>(y.index[3].terms[0].axis)].extent;
  body.operands[1].shape = y.shape;
  body.operands[1].strides = row_major_strides(y.shape);
  c = split_images(c, parts);
  c.winograd = winograd;
  KernelOperand& parts_of_w = body.operands[2];
  parts_of_w.shape = body.nest.extents = c.tensors[1].shape;
  parts_of_w.strides = row_major_strides(parts_of_w.shape);
  return body;
}

HostTensor blocked_tensor(const BlockedConvolution& v, const KernelBody& body, int operand, std::mt19937& random) {
  const KernelOperand& o = body.operands[static_cast<size_t>(operand)];
  HostTensor tensor{o.shape, {}};
  std::uniform_real_distribution<double> uniform(-1, 1);
  const bool x = o.name == "x", y = o.name == "y", blocked = o.shape.size() > 4;
  const Columns columns = x ? columns_of_x(v) : columns_of_y(v);
  const int64_t before = x ? columns.before : columns.before, width = x ? v.w : v.out_w();
  const int64_t channels = (x ? v.c : v.k) / v.groups;
  for (int64_t i = 0; i < element_count(o.shape); ++i) {
    int64_t rest = i;
    Shape index(o.shape.size());
    for (size_t d = index.size(); d-- > 0; rest /= o.shape[d]) index[d] = rest % o.shape[d];
    double value = round_to(uniform(random), o.dtype);
    if (x || y) {
      if (o.shape[3] != width && (index[3] < before || index[3] >= before + width)) value = 0;
      if (v.groups == 1 && blocked && index[1] * kBlock + index[4] >= channels) value = 0;
    } else if (o.name == "w" && o.shape.size() == 6) {
      // Blocks of outer and inner channels, in either order; both padded.
      const bool data_gradient = body.operands[2].name == "x";
      const int64_t outer = data_gradient ? v.c : v.k, inner = (data_gradient ? v.k : v.c) / v.groups;
      if ((v.groups == 1 && index[0] * kBlock + index[5] >= outer) || index[1] * kBlock + index[4] >= inner) value = 0;
    } else if (o.name == "w" && index[0] * kBlock + index[4] >= v.k) {
      value = 0;
    }
    tensor.data.push_back(value);
  }
  return tensor;
}

std::vector<HostTensor> reference(const KernelBody& body, const std::vector<const HostTensor*>& operands) {
  LoopNest nest = body.nest;
  const ContractionStage& stage = *body.contraction;
  const HostTensor sums = evaluate_contraction(stage.contraction, *operands[static_cast<size_t>(stage.lhs)],
                                               *operands[static_cast<size_t>(stage.rhs)]);
  std::vector<const HostTensor*> with_sums = operands;
  with_sums.resize(body.operands.size(), nullptr);
  with_sums.push_back(&sums);
  std::vector<ExprId> axes;
  for (int a = 0; a < nest.parallel; ++a) axes.push_back(nest.dag.axis(a));
  const ExprId sum = nest.dag.load(static_cast<int>(body.operands.size()), axes);
  Dag::Substitution substitution;
  substitution.reduced = [&](int64_t) { return sum; };
  for (Store& store : nest.stores) store.value = nest.dag.import(body.nest.dag, store.value, substitution);
  for (const PartialSum& p : body.partials) nest.stores.push_back({p.output, nest.dag.import(body.nest.dag, p.body, substitution)});
  std::vector<TensorType> types(nest.stores.size(), TensorType{DType::f32, nest.extents});
  std::vector<int> output;
  for (size_t s = 0; s < nest.stores.size(); ++s) {
    output.push_back(nest.stores[s].output);
    nest.stores[s].output = static_cast<int>(s);
  }
  const std::vector<HostTensor> values = evaluate_nest(nest, with_sums, types, {});
  std::vector<HostTensor> results(body.operands.size());
  for (size_t s = 0; s < body.nest.stores.size(); ++s) results[static_cast<size_t>(output[s])] = values[s];
  for (size_t p = 0; p < body.partials.size(); ++p) {
    const size_t s = body.nest.stores.size() + p;
    HostTensor& total = results[static_cast<size_t>(output[s])];
    total.shape = {body.operands[static_cast<size_t>(output[s])].shape[1]};
    total.data.assign(static_cast<size_t>(total.shape[0]), 0.0);
    for (size_t i = 0; i < values[s].data.size(); ++i) {
      int64_t rest = static_cast<int64_t>(i), column = 0;
      Shape index(nest.extents.size());
      for (size_t d = index.size(); d-- > 0; rest /= nest.extents[d]) index[d] = rest % nest.extents[d];
      for (int axis : body.partials[p].kept) column = column * nest.extents[static_cast<size_t>(axis)] + index[static_cast<size_t>(axis)];
      total.data[static_cast<size_t>(column)] += values[s].data[i];
    }
  }
  return results;
}

std::string name_of(const BlockedConvolution& v) {
  auto t = [](int64_t x) { return std::to_string(x); };
  std::string name = t(v.n) + "x" + t(v.c) + "x" + t(v.h) + "x" + t(v.w) + " to " + t(v.k) + ", " + t(v.window_h) + "x" + t(v.window_w);
  if (v.stride > 1) name += "/" + t(v.stride);
  if (v.pad > 0) name += " pad " + t(v.pad);
  if (v.dilation > 1) name += " dilation " + t(v.dilation);
  if (v.groups > 1) name += " groups " + t(v.groups);
  return name;
}

const char* name_of(Direction direction) {
  switch (direction) {
    case Direction::forward: return "forward";
    case Direction::data_gradient: return "data gradient";
    case Direction::weight_gradient: return "weight gradient";
  }
  return "?";
}

}  // namespace netc
