// Maps that take sums of what they compute, eight neighbours a thread: several blocks along the kept axis and
// several rows of partial sums, ends that fill neither.
#include <gtest/gtest.h>

#include "compiler/lower/cuda_lanes.h"
#include "compiler/lower/cuda_plan.h"
#include "compiler/lower/tasks.h"
#include "tests/cuda/emulated_kernels.h"
#include "tests/tolerance.h"

namespace netc {
namespace {

// y = x * scale[c] over [rows, channels], with sums of y and of y * x per channel.
KernelBody scaled(int64_t rows, int64_t channels, DType dtype) {
  const Shape shape{rows, channels};
  KernelBody body;
  body.operands = {dense_operand("x", {dtype, shape}, false),
                   dense_operand("scale", {DType::f32, {channels}}, false),
                   dense_operand("y", {dtype, shape}, true)};
  body.nest.extents = shape;
  body.nest.parallel = 2;
  Dag& dag = body.nest.dag;
  const ExprId x = dag.load(0, {dag.axis(0), dag.axis(1)}), y = dag.mul(x, dag.load(1, {dag.axis(1)}));
  body.nest.stores = {{2, y}};
  const TensorType sums{DType::f32, {partial_rows(body, {1}, cuda_target("sm_80")), channels}};
  body.operands.push_back(dense_operand("sums", sums, true));
  body.operands.push_back(dense_operand("products", sums, true));
  body.partials = {{{1}, y, 3}, {{1}, dag.mul(y, x), 4}};
  return body;
}

struct Case {
  int64_t rows, channels;
  DType dtype;
  bool lanes;
};

TEST(CudaMapSums, AddUpToThoseOfTheWholeTensor) {
  const std::vector<Case> cases{{1100, 520, DType::bf16, true},
                                {700, 24, DType::f32, true},
                                {90, 8, DType::f16, true},
                                {300, 20, DType::bf16, false}};
  std::vector<KernelBody> bodies;
  for (const Case& c : cases) bodies.push_back(scaled(c.rows, c.channels, c.dtype));
  EXPECT_GT(bodies[0].operands[3].shape[0], 1) << "several rows";
  EXPECT_GT(plan_cuda(bodies[0], cuda_target("sm_80")).point_blocks(), 1);
  const EmulatedKernels kernels(bodies);
  for (size_t i = 0; i < cases.size(); ++i) {
    const Case& c = cases[i];
    SCOPED_TRACE(i);
    EXPECT_EQ(plan_cuda(bodies[i], cuda_target("sm_80")).lanes, c.lanes ? kLanes : 1);
    std::mt19937 random(5);
    const HostTensor x = random_tensor({c.dtype, {c.rows, c.channels}}, -1, 1, random),
                     scale = random_tensor({DType::f32, {c.channels}}, -1, 1, random);
    const std::vector<HostTensor> got = kernels.kernel(i).run({&x, &scale, nullptr, nullptr, nullptr});
    const auto channels = static_cast<size_t>(c.channels);
    std::vector<double> sums(channels, 0), products = sums, got_sums = sums, got_products = sums;
    for (size_t e = 0; e < x.data.size(); ++e) {
      const double y = x.data[e] * scale.data[e % channels];
      EXPECT_TRUE(tolerance(c.dtype, 1).accepts(y, got[2].data[e], 1))
          << e << ": " << y << " " << got[2].data[e];
      sums[e % channels] += y;
      products[e % channels] += y * x.data[e];
    }
    for (size_t e = 0; e < got[3].data.size(); ++e) {
      got_sums[e % channels] += got[3].data[e];
      got_products[e % channels] += got[4].data[e];
    }
    for (size_t channel = 0; channel < channels; ++channel) {
      const auto size = static_cast<double>(c.rows);
      EXPECT_TRUE(tolerance(DType::f32, c.rows).accepts(sums[channel], got_sums[channel], size)) << channel;
      EXPECT_TRUE(tolerance(DType::f32, c.rows).accepts(products[channel], got_products[channel], size))
          << channel;
    }
  }
}

}  // namespace
}  // namespace netc
