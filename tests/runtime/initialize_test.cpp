// Initial values: their distribution, and that they depend on (seed, path, element) alone.
#include "runtime/initialize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "compiler/base/random.h"
#include "runtime/thread_pool.h"

namespace netc {
namespace {

struct Moments {
  double mean = 0, deviation = 0, low = 1e300, high = -1e300;
};

Moments measure(const InitSpec& init) {
  constexpr int kDraws = 200000;
  Moments m;
  double squares = 0;
  for (uint64_t i = 0; i < kDraws; ++i) {
    double v = initial_value(init, 1, path_key("fc.weight"), i);
    m.mean += v;
    squares += v * v;
    m.low = std::min(m.low, v);
    m.high = std::max(m.high, v);
  }
  m.mean /= kDraws;
  m.deviation = std::sqrt(squares / kDraws - m.mean * m.mean);
  return m;
}

TEST(Initialize, Distributions) {
  Moments uniform = measure({InitSpec::Kind::uniform, -0.5, 1.5});
  EXPECT_NEAR(uniform.mean, 0.5, 0.01);
  EXPECT_NEAR(uniform.deviation, 2 / std::sqrt(12.0), 0.01);
  EXPECT_GE(uniform.low, -0.5);
  EXPECT_LT(uniform.high, 1.5);

  Moments normal = measure({InitSpec::Kind::normal, 3, 2});
  EXPECT_NEAR(normal.mean, 3, 0.02);
  EXPECT_NEAR(normal.deviation, 2, 0.02);
  EXPECT_GT(normal.high, 3 + 2 * 3.5);  // it has tails

  Moments truncated = measure({InitSpec::Kind::truncated_normal, 1, 0.1});
  EXPECT_NEAR(truncated.mean, 1, 0.001);
  EXPECT_NEAR(truncated.deviation, 0.1 * 0.8796, 0.001);  // of a normal cut at two deviations
  EXPECT_GE(truncated.low, 0.8);
  EXPECT_LE(truncated.high, 1.2);
}

Program program_of(std::vector<std::string> paths) {
  Program program;
  for (const std::string& path : paths) {
    program.state.push_back({path,
                             {DType::f32, {40000}},
                             StateKind::parameter,
                             {InitSpec::Kind::normal, 0, 1},
                             program.state_bytes});
    program.state_bytes += 160000;
  }
  program.state.push_back(
      {"steps", {DType::i64, {2}}, StateKind::buffer, {InitSpec::Kind::constant, 5, 0}, program.state_bytes});
  program.state_bytes += 16;
  return program;
}

std::vector<float> values(State& state, const std::string& path) {
  auto span = state.floats(*state.find(path));
  return {span.begin(), span.end()};
}

TEST(Initialize, DependsOnSeedPathAndElementOnly) {
  ThreadPool one(1), three(3);
  State a(program_of({"conv.weight", "fc.weight"})), b(program_of({"fc.weight", "new.weight"}));
  initialize(a, 7, one);
  initialize(b, 7, three);
  EXPECT_EQ(values(a, "fc.weight"), values(b, "fc.weight"));
  EXPECT_NE(values(a, "conv.weight"), values(a, "fc.weight"));
  EXPECT_EQ(reinterpret_cast<int64_t*>(a.bytes(*a.find("steps")).data())[1], 5);
  initialize(b, 8, three);
  EXPECT_NE(values(a, "fc.weight"), values(b, "fc.weight"));
}

// The entry "prepare" computes them, in whatever type the kernels read.
TEST(Initialize, LeavesPreparedWeights) {
  Program program = program_of({"fc.weight"});
  StateSlot prepared = program.state[0];
  prepared.path = "prepared/fc.weight";
  prepared.type.dtype = DType::bf16;
  prepared.kind = StateKind::prepared;
  prepared.offset = program.state_bytes;
  program.state_bytes += (prepared.bytes() + 63) / 64 * 64;
  program.state.push_back(prepared);
  State state(program);
  SerialExecutor executor;
  initialize(state, 7, executor);
  for (const std::byte b : state.bytes(program.state.back())) EXPECT_EQ(b, std::byte{0});
}

}  // namespace
}  // namespace netc
