// Small networks for tests of lowering, built node by node, with random values for their inputs and states.
#pragma once

#include <cstdint>
#include <string>

#include "compiler/interpret/interpret.h"
#include "compiler/ir/graph.h"

namespace netc {

// A Builder with the layers that the tests need. Parameters are named path.weight and so on.
class NetBuilder {
 public:
  explicit NetBuilder(int64_t batch) : batch_(batch) {}

  ValueId image(Shape shape);   // input "image": [N, shape...]
  ValueId linear(ValueId x, int64_t outputs, const std::string& path);
  ValueId conv(ValueId x, int64_t outputs, int64_t window, int64_t stride, const std::string& path, bool bias = false, int64_t groups = 1);
  ValueId batch_norm(ValueId x, const std::string& path);
  ValueId batch_norm_inference(ValueId x, const std::string& path);
  ValueId layer_norm(ValueId x, const std::string& path);
  ValueId relu(ValueId x);
  ValueId max_pool(ValueId x, int64_t window, int64_t stride);
  ValueId average_pool(ValueId x, int64_t window, int64_t stride);
  ValueId flatten(ValueId x);
  ValueId global_average(ValueId x);  // [N, C]
  // Adds input "label" and outputs "loss" and "logits".
  void classify(ValueId logits);
  ValueId parameter(const std::string& path, Shape shape, double scale);

  Builder b;

 private:
  int64_t batch_;
};

Graph mlp(int64_t batch);
Graph small_cnn(int64_t batch);       // conv + bias, pool, flatten, linear
Graph residual_network(int64_t batch, int64_t width = 4);  // batch norm, identity and projected shortcuts
Graph wide_network(int64_t batch);      // channels that fill blocks of 16, and a stride
Graph inception_network(int64_t batch);  // concat of branches, nested
Graph grouped_network(int64_t batch);    // depthwise, pointwise and grouped convolutions, batch norm
// Parameters beside values with a batch, in shapes of their own: [3] added to [N, 3], [12] to [N, 3, 2, 2].
Graph raw_parameters(int64_t batch);
// x^0: nothing uses what the convolution before it computes.
Graph zeroth_power(int64_t batch);
// A random network of residual and inception blocks, gates, norms, pools and dropout.
Graph random_network(uint64_t seed);

// Every weight gradient in as many parts as its images divide into, up to `most`; the number of those that are split.
struct SplitNetwork {
  Graph graph;
  int split = 0;
};
SplitNetwork split_all_sums(const Graph& graph, int64_t most);

InterpretInputs random_inputs(const Graph& graph, uint64_t seed);

}  // namespace netc
