#include "tests/cuda/convolution_cases.h"

#include <algorithm>
#include <cmath>

#include "compiler/backend/cuda/cuda_backend.h"
#include "compiler/interpret/evaluate.h"
#include "compiler/lower/tasks.h"
#include "tests/tolerance.h"

namespace netc {
namespace {

Contraction contraction_of(const ConvolutionCase& v) {
  const int64_t oh = (v.h + 2 * v.pad - v.window) / v.stride + 1,
                ow = (v.w + 2 * v.pad - v.window) / v.stride + 1;
  Contraction c;
  const auto axis = [&](const char* name, int64_t extent) {
    c.axes.push_back({name, extent});
    return static_cast<int>(c.axes.size()) - 1;
  };
  const int n = axis("n", v.n), g = v.groups > 1 ? axis("g", v.groups) : -1, k = axis("k", v.k / v.groups),
            y = axis("oh", oh), x = axis("ow", ow), kh = axis("kh", v.window), kw = axis("kw", v.window),
            ci = axis("c", v.c / v.groups);
  const auto plain = [](int a) { return AxisSum{{{a, 1}}, 0}; };
  const auto grouped = [&](int inner) {
    return v.groups == 1 ? plain(inner)
                         : AxisSum{{{g, c.axes[static_cast<size_t>(inner)].extent}, {inner, 1}}, 0};
  };
  const auto pixel = [&](int o, int window) { return AxisSum{{{o, v.stride}, {window, 1}}, -v.pad}; };
  c.tensors[kX] = {{v.n, v.c, v.h, v.w}, {plain(n), grouped(ci), pixel(y, kh), pixel(x, kw)}};
  c.tensors[kW] = {{v.k, v.c / v.groups, v.window, v.window}, {grouped(k), plain(ci), plain(kh), plain(kw)}};
  c.tensors[kY] = {{v.n, v.k, oh, ow}, {plain(n), grouped(k), plain(y), plain(x)}};
  c.output = v.output;
  c.tf32 = v.tf32;
  if (v.channels_last)
    for (ContractionTensor& t : c.tensors) {
      std::rotate(t.shape.begin() + 1, t.shape.begin() + 2, t.shape.end());
      std::rotate(t.index.begin() + 1, t.index.begin() + 2, t.index.end());
    }
  verify(c);
  return c;
}

// relu(contraction + bias + residual), with partial sums of it and of its square per channel.
void add_epilogue(KernelBody& body, const ConvolutionCase& v) {
  const size_t channel = v.channels_last ? 3 : 1;
  const Shape shape = body.nest.extents;
  body.operands.push_back(dense_operand("bias", {DType::f32, {shape[channel]}}, false));
  body.operands.push_back(dense_operand("residual", {v.dtype, shape}, false));
  Dag& dag = body.nest.dag;
  std::vector<ExprId> axes;
  for (int a = 0; a < 4; ++a) axes.push_back(dag.axis(a));
  const ExprId value =
      dag.max(dag.add(dag.add(dag.reduced(0), dag.load(3, {axes[channel]})), dag.load(4, axes)), dag.real(0));
  body.nest.stores = {{2, value}};
  const TensorType rows{DType::f32,
                        {partial_rows(body, {static_cast<int>(channel)}, cuda_target("sm_80")), shape[channel]}};
  body.operands.push_back(dense_operand("sums", rows, true));
  body.operands.push_back(dense_operand("squares", rows, true));
  body.partials = {{{static_cast<int>(channel)}, value, 5},
                   {{static_cast<int>(channel)}, dag.mul(value, value), 6}};
}

}  // namespace

KernelBody body_of(const ConvolutionCase& v) {
  const Contraction c = contraction_of(v);
  KernelBody body;
  const auto type = [&](int tensor) {
    return TensorType{v.dtype, c.tensors[static_cast<size_t>(tensor)].shape};
  };
  body.operands = {dense_operand("first", type(c.first_input()), false),
                   dense_operand("second", type(c.second_input()), false),
                   dense_operand("out", type(c.output), true)};
  body.contraction = ContractionStage{c, 0, 1};
  body.nest.extents = type(c.output).shape;
  body.nest.parallel = 4;
  body.nest.stores = {{2, body.nest.dag.reduced(0)}};
  if (v.epilogue) add_epilogue(body, v);
  return body;
}

ConvolutionCase conv(const Shape& x, int64_t k, int64_t window, int64_t stride) {
  return {.n = x[0], .c = x[1], .h = x[2], .w = x[3], .k = k, .window = window, .stride = stride, .pad = window / 2};
}

ConvolutionCase ConvolutionCase::giving(ConvolutionTensor tensor) const {
  ConvolutionCase v = *this;
  v.output = tensor;
  return v;
}

ConvolutionCase ConvolutionCase::of(DType type) const {
  ConvolutionCase v = *this;
  v.dtype = type;
  return v;
}

ConvolutionCase ConvolutionCase::nhwc() const {
  ConvolutionCase v = *this;
  v.channels_last = true;
  return v;
}

ConvolutionCase ConvolutionCase::in_groups(int64_t count) const {
  ConvolutionCase v = *this;
  v.groups = count;
  return v;
}

ConvolutionCase ConvolutionCase::with_epilogue(bool with) const {
  ConvolutionCase v = *this;
  v.epilogue = with;
  return v;
}

ConvolutionCase ConvolutionCase::in_tf32() const {
  ConvolutionCase v = *this;
  v.tf32 = true;
  return v;
}

std::string ConvolutionCase::name() const {
  const char* const outputs[] = {"data gradient", "weight gradient", "forward"};
  std::string text = std::string(outputs[output]) + " " + std::string(name_of(dtype)) +
                     (channels_last ? " channels last" : "");
  for (int64_t v : {n, c, h, w, k, window, stride, pad, groups}) text += " " + std::to_string(v);
  return text + (tf32 ? " tf32" : "") + (epilogue ? " epilogue" : "");
}

std::vector<const HostTensor*> ConvolutionRun::operands() const {
  std::vector<const HostTensor*> pointers;
  for (size_t i = 0; i < tensors.size(); ++i)
    pointers.push_back(body->operands[i].written ? nullptr : &tensors[i]);
  return pointers;
}

// To 11 bits of mantissa, ties away from zero: written again, so that it is not what it tests.
HostTensor rounded_to_tf32(HostTensor tensor) {
  for (double& x : tensor.data) {
    int exponent = 0;
    const double mantissa = std::frexp(x, &exponent);
    x = std::ldexp(std::round(std::ldexp(mantissa, 11)), exponent - 11);
  }
  return tensor;
}

ConvolutionRun run_of(const ConvolutionCase& v, const KernelBody& body) {
  ConvolutionRun run;
  run.body = &body;
  std::mt19937 random(11);
  for (const KernelOperand& o : body.operands)
    run.tensors.push_back(random_tensor({o.dtype, o.shape}, -1, 1, random));
  const auto operand = [&](size_t i) { return v.tf32 ? rounded_to_tf32(run.tensors[i]) : run.tensors[i]; };
  Contraction contraction = body.contraction->contraction;
  contraction.tf32 = false;
  run.expected = evaluate_contraction(contraction, operand(0), operand(1));
  if (!v.epilogue) return run;
  const auto channels = static_cast<size_t>(body.operands[3].shape[0]);
  const size_t inner =
      v.channels_last ? 1 : run.expected.data.size() / channels / static_cast<size_t>(run.expected.shape[0]);
  run.sums = run.squares = {body.operands[3].shape, std::vector<double>(channels, 0.0)};
  for (size_t i = 0; i < run.expected.data.size(); ++i) {
    double& e = run.expected.data[i];
    const size_t channel = i / inner % channels;
    e = std::max(0.0, e + run.tensors[3].data[channel] + run.tensors[4].data[i]);
    run.sums.data[channel] += e;
    run.squares.data[channel] += e * e;
  }
  return run;
}

namespace {

std::string difference(const HostTensor& expected, const HostTensor& got, const Tolerance& allowed,
                       const char* what) {
  double scale = 0;
  for (double x : expected.data) scale = std::max(scale, std::abs(x));
  for (size_t i = 0; i < expected.data.size(); ++i)
    if (!allowed.accepts(expected.data[i], got.data[i], scale))
      return std::string(what) + " " + std::to_string(i) + ": expected " + std::to_string(expected.data[i]) +
             ", got " + std::to_string(got.data[i]);
  return {};
}

}  // namespace

std::string difference(const ConvolutionCase& v, const ConvolutionRun& run,
                       const std::vector<HostTensor>& got) {
  const int64_t length = reduction_length(*run.body);
  std::string problem = difference(run.expected, got[2], tolerance(v.dtype, length), "output");
  if (!problem.empty() || !v.epilogue) return problem;
  const size_t channels = run.sums.data.size();
  HostTensor sums{run.sums.shape, std::vector<double>(channels, 0.0)}, squares = sums;
  for (size_t i = 0; i < got[5].data.size(); ++i) {
    sums.data[i % channels] += got[5].data[i];
    squares.data[i % channels] += got[6].data[i];
  }
  const int64_t terms = length * element_count(run.expected.shape) / static_cast<int64_t>(channels);
  problem = difference(run.sums, sums, tolerance(DType::f32, terms), "sum");
  return problem.empty() ? difference(run.squares, squares, tolerance(DType::f32, terms), "square") : problem;
}

}  // namespace netc
