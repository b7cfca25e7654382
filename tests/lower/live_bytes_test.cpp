#include "compiler/lower/live_bytes.h"

#include <gtest/gtest.h>

#include "compiler/lower/memory_plan.h"
#include "compiler/lower/schedule.h"
#include "compiler/passes/differentiate.h"
#include "compiler/passes/pipeline.h"
#include "tests/lower/networks.h"

namespace netc {
namespace {

// Without what the estimate does not know: halos, padding lanes, copies in other layouts, partial sums.
const FuseOptions kDense{.smallest_statistics = INT64_MAX, .layouts = {.images = ImageLayout::dense}};

int64_t estimated(const Graph& graph) { return estimate_live_bytes(graph, fuse(graph, kDense)); }

TEST(LiveBytes, AResultTakesThePlaceOfAnOperandThatDies) {
  NetBuilder n(8);
  const ValueId x = n.image({16, 16, 16});  // 128 KiB
  n.b.add_output("y", n.relu(n.conv(n.conv(x, 16, 3, 1, "a"), 16, 3, 1, "b")));
  EXPECT_EQ(estimated(optimize(n.b.finish())), 2 * (int64_t{128} << 10)) << "the image and a; a and y";
}

TEST(LiveBytes, IsWhatLivesInAPlan) {
  std::vector<Graph> networks{small_cnn(64), residual_network(64), wide_network(64), inception_network(64)};
  for (uint64_t seed = 1; seed <= 12; ++seed) networks.push_back(random_network(seed));
  for (size_t i = 0; i < networks.size(); ++i) {
    SCOPED_TRACE(i);
    const Graph gradient = optimize(differentiate(networks[i], "loss"));
    const MemoryPlan plan = plan_memory(make_schedule(gradient, Target{}, nullptr, kDense));
    const double ratio = static_cast<double>(estimated(gradient)) / static_cast<double>(plan.lower_bound);
    EXPECT_GT(ratio, 0.9);
    EXPECT_LE(ratio, 1);
  }
}

}  // namespace
}  // namespace netc
