#include "tests/lower/networks.h"

#include <cmath>
#include <random>

#include "compiler/ops/build.h"
#include "compiler/ops/registry.h"
#include "compiler/passes/split_sums.h"

namespace netc {

ValueId NetBuilder::image(Shape shape) {
  shape.insert(shape.begin(), batch_);
  return b.add_input("image", {DType::f32, std::move(shape)});
}

ValueId NetBuilder::parameter(const std::string& path, Shape shape, double scale) {
  return b.add_state({path, {DType::f32, std::move(shape)}, StateKind::parameter,
                      {InitSpec::Kind::uniform, -scale, scale}});
}

ValueId NetBuilder::linear(ValueId x, int64_t outputs, const std::string& path) {
  b.set_origin({path, {}, {}});
  int64_t inputs = b.type(x).shape[1];
  double scale = 1 / std::sqrt(static_cast<double>(inputs));
  ValueId weight = parameter(path + ".weight", {outputs, inputs}, scale), bias = parameter(path + ".bias", {outputs}, scale);
  return b.emit(op("linear"), {x, weight, bias});
}

ValueId NetBuilder::conv(ValueId x, int64_t outputs, int64_t window, int64_t stride, const std::string& path, bool bias, int64_t groups) {
  b.set_origin({path, {}, {}});
  int64_t inputs = b.type(x).shape[1] / groups;
  double scale = 1 / std::sqrt(static_cast<double>(inputs * window * window));
  ValueId weight = parameter(path + ".weight", {outputs, inputs, window, window}, scale);
  ValueId offset = bias ? parameter(path + ".bias", {outputs}, scale) : ValueId{};
  return b.emit(op("convolution"), {x, weight, offset},
                {{"stride_h", stride}, {"stride_w", stride}, {"pad_h", window / 2}, {"pad_w", window / 2}, {"groups", groups}});
}

ValueId NetBuilder::batch_norm(ValueId x, const std::string& path) {
  b.set_origin({path, {}, {}});
  int64_t channels = b.type(x).shape[1];
  ValueId gamma = parameter(path + ".weight", {channels}, 1), beta = parameter(path + ".bias", {channels}, 1);
  TensorType type{DType::f32, {channels}};
  int32_t mean = b.declare_state({path + ".running_mean", type, StateKind::buffer, {}});
  int32_t variance = b.declare_state({path + ".running_var", type, StateKind::buffer, {InitSpec::Kind::constant, 1, 0}});
  std::vector<ValueId> y = b.emit_all(op("batch_norm"), {x, gamma, beta, b.read_state(mean), b.read_state(variance)});
  b.add_update(mean, y[1]);
  b.add_update(variance, y[2]);
  return y[0];
}

ValueId NetBuilder::batch_norm_inference(ValueId x, const std::string& path) {
  b.set_origin({path, {}, {}});
  int64_t channels = b.type(x).shape[1];
  ValueId gamma = parameter(path + ".weight", {channels}, 1), beta = parameter(path + ".bias", {channels}, 1);
  TensorType type{DType::f32, {channels}};
  ValueId mean = b.add_state({path + ".running_mean", type, StateKind::buffer, {}});
  ValueId variance = b.add_state({path + ".running_var", type, StateKind::buffer, {InitSpec::Kind::constant, 1, 0}});
  return b.emit(op("batch_norm_inference"), {x, gamma, beta, mean, variance});
}

ValueId NetBuilder::layer_norm(ValueId x, const std::string& path) {
  b.set_origin({path, {}, {}});
  Shape shape(b.type(x).shape.begin() + 1, b.type(x).shape.end());
  ValueId gamma = parameter(path + ".weight", shape, 1);
  return b.emit(op("layer_norm"), {x, gamma, parameter(path + ".bias", shape, 1)});
}

ValueId NetBuilder::relu(ValueId x) { return build::relu(b, x); }

ValueId NetBuilder::max_pool(ValueId x, int64_t window, int64_t stride) {
  int64_t pad = stride == 1 ? window / 2 : 0;
  return b.emit_all(op("max_pool"), {x}, {{"window_h", window}, {"window_w", window}, {"stride_h", stride},
                                      {"stride_w", stride}, {"pad_h", pad}, {"pad_w", pad}})[0];
}

ValueId NetBuilder::average_pool(ValueId x, int64_t window, int64_t stride) {
  return b.emit(op("average_pool"), {x}, {{"window_h", window}, {"window_w", window}, {"stride_h", stride},
                                          {"stride_w", stride}});
}

ValueId NetBuilder::flatten(ValueId x) {
  const Shape& shape = b.type(x).shape;
  return build::reshape(b, x, {shape[0], element_count(shape) / shape[0]});
}

ValueId NetBuilder::global_average(ValueId x) { return build::reduce_mean(b, x, {2, 3}); }

void NetBuilder::classify(ValueId logits) {
  b.set_origin({"loss", {}, {}});
  ValueId label = b.add_input("label", {DType::i64, {batch_}});
  b.add_output("loss", b.emit(op("cross_entropy"), {logits, label}));
  b.add_output("logits", logits);
}

Graph raw_parameters(int64_t batch) {
  NetBuilder n(batch);
  ValueId x = n.image({3, 2, 2});
  const ValueId grid = n.parameter("grid", {12}, 1), gain = n.parameter("gain", {1, 2, 2}, 1);
  x = build::add(n.b, x, build::reshape(n.b, grid, {1, 3, 2, 2}));
  x = build::mul(n.b, x, build::reshape(n.b, gain, {1, 1, 2, 2}));
  x = n.global_average(x);
  x = build::add(n.b, x, build::reshape(n.b, n.parameter("shift", {3}, 1), {1, 3}));
  x = n.relu(x);
  x = n.linear(x, 5, "fc");
  n.classify(build::mul(n.b, x, build::reshape(n.b, n.parameter("scale", {5}, 1), {1, 5})));
  return n.b.finish();
}

Graph zeroth_power(int64_t batch) {
  NetBuilder n(batch);
  ValueId x = n.conv(n.image({3, 6, 6}), 3, 3, 1, "stem");
  x = build::pow(n.b, x, 0);
  n.classify(n.linear(n.global_average(x), 5, "fc"));
  return n.b.finish();
}

Graph mlp(int64_t batch) {
  NetBuilder n(batch);
  ValueId x = n.image({7});
  x = n.relu(n.linear(x, 9, "fc0"));
  x = n.relu(n.linear(x, 8, "fc1"));
  n.classify(n.linear(x, 5, "fc2"));
  return n.b.finish();
}

Graph small_cnn(int64_t batch) {
  NetBuilder n(batch);
  ValueId x = n.image({2, 9, 8});
  x = n.max_pool(n.relu(n.conv(x, 4, 3, 1, "conv0", true)), 2, 2);
  x = n.relu(n.conv(x, 6, 3, 2, "conv1", true));
  n.classify(n.linear(n.flatten(x), 5, "fc"));
  return n.b.finish();
}

Graph residual_network(int64_t batch, int64_t width) {
  NetBuilder n(batch);
  ValueId x = n.image({3, 8, 8});
  x = n.relu(n.batch_norm(n.conv(x, width, 3, 1, "stem"), "stem_bn"));
  ValueId y = n.relu(n.batch_norm(n.conv(x, width, 3, 1, "a0"), "a0_bn"));
  y = n.batch_norm(n.conv(y, width, 3, 1, "a1"), "a1_bn");
  x = n.relu(build::add(n.b, y, x));
  y = n.relu(n.batch_norm(n.conv(x, width * 3 / 2, 3, 2, "b0"), "b0_bn"));
  y = n.batch_norm(n.conv(y, width * 3 / 2, 3, 1, "b1"), "b1_bn");
  ValueId shortcut = n.batch_norm(n.conv(x, width * 3 / 2, 1, 2, "bs"), "bs_bn");
  x = n.relu(build::add(n.b, y, shortcut));
  n.classify(n.linear(n.global_average(x), 5, "fc"));
  return n.b.finish();
}

Graph wide_network(int64_t batch) {
  NetBuilder n(batch);
  ValueId x = n.image({3, 9, 8});
  x = n.relu(n.conv(x, 32, 3, 1, "stem"));
  x = n.relu(n.conv(x, 48, 3, 2, "a"));
  x = n.relu(n.conv(x, 16, 1, 1, "b"));
  n.classify(n.linear(n.global_average(x), 5, "fc"));
  return n.b.finish();
}

Graph inception_network(int64_t batch) {
  NetBuilder n(batch);
  ValueId x = n.image({3, 6, 6});
  x = n.relu(n.conv(x, 4, 3, 1, "stem", true));
  ValueId a = n.relu(n.conv(x, 3, 1, 1, "a", true));
  ValueId c = n.relu(n.conv(n.relu(n.conv(x, 2, 1, 1, "c0", true)), 4, 3, 1, "c1", true));
  ValueId p = n.relu(n.conv(n.max_pool(x, 3, 1), 2, 1, 1, "p", true));
  ValueId inner = build::concat(n.b, {a, x}, 1);
  x = build::concat(n.b, {inner, c, p}, 1);
  x = n.relu(n.conv(x, 5, 3, 2, "last", true));
  n.classify(n.linear(n.global_average(x), 5, "fc"));
  return n.b.finish();
}

Graph grouped_network(int64_t batch) {
  NetBuilder n(batch);
  ValueId x = n.image({3, 9, 8});
  x = n.relu(n.conv(x, 32, 3, 1, "stem", true));
  x = n.relu(n.conv(x, 32, 3, 2, "depthwise", true, 32));
  x = n.relu(n.batch_norm(n.conv(x, 48, 1, 1, "pointwise"), "pointwise_bn"));
  x = n.relu(n.batch_norm(n.conv(x, 48, 3, 1, "grouped", false, 3), "grouped_bn"));
  x = n.relu(n.conv(x, 12, 3, 1, "narrow_groups", true, 6));
  n.classify(n.linear(n.global_average(x), 5, "fc"));
  return n.b.finish();
}

Graph random_network(uint64_t seed) {
  std::mt19937_64 random(seed);
  auto pick = [&](int64_t low, int64_t high) { return low + static_cast<int64_t>(random() % static_cast<uint64_t>(high - low + 1)); };
  int number = 0;
  auto path = [&](const char* name) { return std::string(name) + std::to_string(number++); };
  NetBuilder n(pick(1, 4));
  ValueId x = n.image({pick(1, 3), pick(4, 9), pick(4, 9)});
  auto unit = [&](ValueId v, int64_t channels) {
    v = n.conv(v, channels, pick(0, 1) ? 3 : 1, 1, path("conv"), pick(0, 1) == 1);
    switch (pick(0, 5)) {
      case 0: v = n.batch_norm_inference(v, path("bn")); break;
      case 1: v = n.layer_norm(v, path("ln")); break;
      case 2:
      case 3: v = n.batch_norm(v, path("bn")); break;
      default: break;
    }
    switch (pick(0, 5)) {
      case 0:
      case 1: return n.relu(v);
      case 2: return n.b.emit(op("tanh"), {v});
      case 3: return n.b.emit(op("gelu"), {v});
      case 4: return n.b.emit(op("dropout"), {v}, {{"p", 0.3}, {"path", path("dropout")}});
      default: return v;
    }
  };
  for (int64_t block = pick(1, 4); block > 0; --block) {
    int64_t channels = n.b.type(x).shape[1];
    switch (pick(0, 4)) {
      case 0: x = n.relu(build::add(n.b, unit(unit(x, channels), channels), x)); break;
      case 1: {
        std::vector<ValueId> branches;
        for (int64_t i = pick(2, 3); i > 0; --i) branches.push_back(pick(0, 4) ? unit(x, pick(1, 4)) : x);
        x = build::concat(n.b, branches, 1);
        break;
      }
      case 2: x = n.max_pool(unit(x, pick(2, 5)), 2, pick(1, 2)); break;
      case 3: x = n.b.emit(op("local_response_norm"), {n.average_pool(x, 2, 1)}, {{"size", int64_t{3}}}); break;
      default: x = build::mul(n.b, unit(x, channels), n.b.emit(op("sigmoid"), {x})); break;
    }
    if (n.b.type(x).shape[2] < 3 || n.b.type(x).shape[3] < 3) break;
  }
  x = pick(0, 1) ? n.flatten(x) : n.global_average(x);
  n.classify(n.linear(x, pick(2, 6), path("fc")));
  return n.b.finish();
}

SplitNetwork split_all_sums(const Graph& graph, int64_t most) {
  SplitNetwork result;
  result.graph = split_sums(graph, [&](const Contraction& c, DType) {
    int64_t parts = std::min(most, c.tensors[0].shape[0]);
    while (c.tensors[0].shape[0] % parts != 0) --parts;
    result.split += parts > 1;
    return parts;
  });
  return result;
}

InterpretInputs random_inputs(const Graph& graph, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform(-1, 1);
  InterpretInputs inputs;
  auto fill = [&](const TensorType& type, double low, double high) {
    HostTensor tensor{type.shape, {}};
    for (int64_t i = 0; i < type.elements(); ++i) tensor.data.push_back(low + (uniform(random) + 1) / 2 * (high - low));
    return tensor;
  };
  for (const GraphInput& input : graph.inputs) {
    const TensorType& type = graph.type(input.value);
    HostTensor tensor = fill(type, is_floating(type.dtype) ? -1 : 0, is_floating(type.dtype) ? 1 : 2);
    if (!is_floating(type.dtype))
      for (double& v : tensor.data) v = std::floor(v);
    inputs.inputs[input.name] = tensor;
  }
  for (const StateVariable& state : graph.states) {
    bool positive = state.path.ends_with("running_var") || state.path.find("exp_avg_sq") != std::string::npos;
    inputs.states[state.path] = fill(state.type, positive ? 0.5 : -0.7, positive ? 1.5 : 0.7);
  }
  inputs.scalars.seed = static_cast<int64_t>(seed);
  inputs.scalars.step = 3;
  inputs.scalars.valid_count = graph.inputs.empty() ? 1 : graph.type(graph.inputs[0].value).shape[0];
  inputs.scalars.learning_rate = 0.1f;
  inputs.learning_rate = 0.1;
  return inputs;
}

}  // namespace netc
