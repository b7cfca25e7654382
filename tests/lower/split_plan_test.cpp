// Which weight gradients are summed in parts: those with too few tasks, where parts cost next to nothing.
#include "compiler/lower/split_plan.h"

#include <gtest/gtest.h>

#include "compiler/ops/registry.h"
#include "compiler/ops/split_sums.h"

namespace netc {
namespace {

constexpr LayoutOptions kBlocked{};

struct Layer {
  int64_t images, channels, filters, size, window;
};

Contraction weight_gradient(const Layer& l) {
  const int64_t pad = l.window / 2;
  const Attrs attrs = complete_attrs(op("convolution_weight_gradient"),
                                     {{"window_h", l.window}, {"window_w", l.window}, {"pad_h", pad}, {"pad_w", pad}});
  const TensorType x{DType::f32, {l.images, l.channels, l.size, l.size}}, y{DType::f32, {l.images, l.filters, l.size, l.size}};
  const TensorType w{DType::f32, {l.filters, l.channels, l.window, l.window}};
  return op("convolution_weight_gradient").contract({attrs, {x, y}, {true, true}, {w}});
}

Target wide() {
  Target target;
  target.vector_lanes = 16;
  target.fma = true;
  return target;
}

int64_t parts(const Layer& layer, DType dtype = DType::f32) { return choose_parts(weight_gradient(layer), dtype, kBlocked, wide()); }

TEST(SplitPlan, SmallWeightsOfManyPixelsAreSplit) {
  EXPECT_GT(parts({32, 64, 64, 56, 3}), 1);
  EXPECT_GT(parts({32, 64, 256, 56, 1}), 1);
  EXPECT_GT(parts({32, 3, 64, 112, 7}), 1);
  EXPECT_GT(parts({32, 64, 64, 56, 3}, DType::bf16), 1);
}

TEST(SplitPlan, LargeWeightsAreNot) {
  EXPECT_EQ(parts({32, 512, 512, 7, 3}), 1) << "has tasks enough";
  EXPECT_EQ(parts({32, 1024, 2048, 7, 1}), 1);
}

TEST(SplitPlan, PartsCostLessThanAHundredth) {
  EXPECT_EQ(parts({1, 64, 64, 56, 3}), 1) << "one image";
  EXPECT_EQ(parts({4, 16, 16, 14, 3}), 1) << "adding the parts takes a launch";
  EXPECT_EQ(parts({31, 64, 64, 56, 3}), 1) << "31 parts would take more, and there are no fewer";
  for (int64_t images : {2, 6, 8, 12, 32, 128})
    for (int64_t channels : {16, 64, 128, 256}) {
      const int64_t p = parts({images, channels, channels, 28, 3});
      EXPECT_EQ(images % p, 0);
      // 8 bytes for each weight of a part, at 20 GB/s, against two vectors of multiply-adds a cycle.
      const double kernel = 2.0 * static_cast<double>(images * channels * channels * 9 * 28 * 28) / (64 * 3.7e9);
      const double adding = p == 1 ? 0 : 8.0 * static_cast<double>(p * channels * channels * 9) / 20e9;
      EXPECT_LE(adding, 0.01 * kernel);
    }
}

// Blocks of 16 lanes would hold channels of two parts.
TEST(SplitPlan, ChannelsFillTheirBlocks) {
  EXPECT_EQ(parts({32, 32, 24, 56, 3}), 1);
  EXPECT_GT(parts({32, 24, 32, 56, 3}), 1);
}

TEST(SplitPlan, SplitImagesIsTheWholeInParts) {
  const Contraction whole = weight_gradient({6, 2, 4, 5, 3});
  const Contraction split = split_images(whole, 3);
  verify(split);
  EXPECT_EQ(split.multiply_adds(), whole.multiply_adds());
  EXPECT_EQ(split.tensors[1].shape, (Shape{12, 2, 3, 3}));
  EXPECT_EQ(split.tensors[0].shape, whole.tensors[0].shape);
  EXPECT_EQ(split.role(static_cast<int>(split.axes.size()) - 1), AxisRole::batch);
}

}  // namespace
}  // namespace netc
