// How fast the reference interpreter is: multiply-adds a second of contractions, and nanoseconds a
// node and point of element-wise expressions. Prints a table; nothing here is a test.
//
//   ninja -C build interpreter_speed && build/bench/interpreter_speed
#include <chrono>
#include <cstdio>
#include <random>

#include "compiler/interpret/interpret.h"
#include "compiler/ops/registry.h"

namespace netc {
namespace {

HostTensor random_tensor(const Shape& shape) {
  static std::mt19937 random(1);
  std::uniform_real_distribution<double> draw(-1, 1);
  HostTensor tensor{shape, std::vector<double>(static_cast<size_t>(element_count(shape)))};
  for (double& value : tensor.data) value = draw(random);
  return tensor;
}

// Seconds of the fastest of three runs.
double seconds(const OpDef& op, const Attrs& attrs, const std::vector<Shape>& shapes) {
  std::vector<HostTensor> tensors;
  std::vector<const HostTensor*> inputs;
  std::vector<TensorType> types;
  for (const Shape& shape : shapes) {
    tensors.push_back(random_tensor(shape));
    types.push_back({DType::f32, shape});
  }
  for (const HostTensor& tensor : tensors) inputs.push_back(&tensor);
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    auto start = std::chrono::steady_clock::now();
    interpret_op(op, attrs, inputs, types);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

void contraction(const char* name, const Shape& x, const Shape& weight, int64_t stride, int64_t pad) {
  int64_t groups = x[1] / weight[1];
  Shape y{x[0], weight[0], (x[2] + 2 * pad - weight[2]) / stride + 1, (x[3] + 2 * pad - weight[3]) / stride + 1};
  double mmac = static_cast<double>(element_count(y) * weight[1] * weight[2] * weight[3]) / 1e6;
  Attrs attrs{{"stride_h", stride}, {"stride_w", stride}, {"pad_h", pad}, {"pad_w", pad}, {"groups", groups}};
  Attrs data = attrs, weights = attrs;
  data.set("height", x[2]);
  data.set("width", x[3]);
  weights.set("window_h", weight[2]);
  weights.set("window_w", weight[3]);
  std::printf("%-34s %8.1f %10.0f %10.0f %10.0f\n", name, mmac, mmac / seconds(op("correlation"), attrs, {x, weight}),
              mmac / seconds(op("convolution_data_gradient"), data, {weight, y}),
              mmac / seconds(op("convolution_weight_gradient"), weights, {x, y}));
}

void element_wise(const char* name, const char* op_name, const Attrs& attrs, const std::vector<Shape>& shapes) {
  double points = static_cast<double>(element_count(shapes[0]));
  std::printf("%-34s %8.2f ns a point\n", name, seconds(op(op_name), attrs, shapes) / points * 1e9);
}

}  // namespace
}  // namespace netc

int main() {
  using namespace netc;
  std::printf("%-34s %8s %10s %10s %10s  (MMAC/s)\n", "contraction", "MMAC", "forward", "data", "weight");
  contraction("7x7 stride 2, 3 -> 64, 112x112", {1, 3, 112, 112}, {64, 3, 7, 7}, 2, 3);
  contraction("3x3, 64 -> 64, 28x28, batch 2", {2, 64, 28, 28}, {64, 64, 3, 3}, 1, 1);
  contraction("3x3, 512 -> 512, 7x7", {1, 512, 7, 7}, {512, 512, 3, 3}, 1, 1);
  contraction("1x1, 256 -> 64, 28x28", {1, 256, 28, 28}, {64, 256, 1, 1}, 1, 0);
  contraction("1x1 stride 2, 64 -> 128, 28x28", {2, 64, 28, 28}, {128, 64, 1, 1}, 2, 0);
  contraction("3x3 depthwise, 128, 28x28", {2, 128, 28, 28}, {128, 1, 3, 3}, 1, 1);
  contraction("3x3 in 32 groups, 128, 14x14", {4, 128, 14, 14}, {128, 4, 3, 3}, 1, 1);
  contraction("linear 2048 -> 1000, batch 8", {8, 2048, 1, 1}, {1000, 2048, 1, 1}, 1, 0);

  Shape image{8, 64, 56, 56}, channel{1, 64, 1, 1};
  element_wise("relu", "relu", {}, {image});
  element_wise("add", "add", {}, {image, image});
  element_wise("add of a channel vector", "add", {}, {image, channel});
  element_wise("tanh", "tanh", {}, {image});
  element_wise("reduce_sum over N, H, W", "reduce_sum", {{"axes", Ints{0, 2, 3}}, {"keep", false}}, {image});
  element_wise("max_pool 3x3 stride 2", "max_pool",
               {{"window_h", int64_t{3}}, {"window_w", int64_t{3}}, {"stride_h", int64_t{2}}, {"stride_w", int64_t{2}},
                {"pad_h", int64_t{1}}, {"pad_w", int64_t{1}}},
               {image});
  return 0;
}
