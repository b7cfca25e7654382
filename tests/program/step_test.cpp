// Training steps from graph to machine code: what a compiled `step` computes, against the interpreter, and
// bitwise the same at any number of threads.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "compiler/backend/cuda/host_compiler.h"
#include "compiler/passes/loss_scale.h"
#include "tests/lower/networks.h"
#include "tests/program/training_step.h"

namespace netc {
namespace {

int check(const Graph& network, uint64_t seed, const FuseOptions& options = {}, const Target& target = host_target(),
          const std::optional<Winograd>& winograd = {}) {
  SCOPED_TRACE(target.cpu);
  const CompiledStep compiled(network, {.fuse = options, .target = target, .winograd = winograd});
  EXPECT_EQ(compiled.in_tiles > 0, winograd.has_value());
  check_step(compiled, seed);
  return compiled.with_sums;
}

TEST(Step, Mlp) { check(mlp(4), 1); }
TEST(Step, SmallCnn) { check(small_cnn(3), 1); }
TEST(Step, Inception) { check(inception_network(2), 1); }
TEST(Step, GroupedAndDepthwise) { check(grouped_network(4), 1); }
TEST(Step, Residual) { check(residual_network(4), 1); }
TEST(Step, ResidualWithStatisticsInEpilogues) {
  EXPECT_GT(check(residual_network(4), 1, {.smallest_statistics = 0}), 5);
}
// Other vectors, other tiles and tasks, no FMA: right as well, and the same at any number of threads.
TEST(Step, OtherProcessors) {
  for (const char* cpu : {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"}) {
    if (!missing_features(target_named(cpu)).empty()) continue;
    check(small_cnn(3), 1, {}, target_named(cpu));
    check(inception_network(2), 1, {}, target_named(cpu));
    check(residual_network(4), 1, {.smallest_statistics = 0}, target_named(cpu));
    check(random_network(7), 7, {}, target_named(cpu));
  }
}
TEST(Step, RandomNetworks) {
  for (uint64_t seed = 0; seed < 6 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    check(random_network(seed), seed, {.smallest_statistics = seed % 2 == 0 ? INT64_MAX : 0});
  }
}

// Every channel axis in blocks, whether it fills them or not.
constexpr LayoutOptions kAllBlocked{.least_fill = 0};

TEST(Step, BlockedLayouts) {
  for (const Graph& network : {small_cnn(3), inception_network(2), residual_network(4)}) check(network, 1, {.layouts = kAllBlocked});
  EXPECT_GT(check(residual_network(4), 1, {.smallest_statistics = 0, .layouts = kAllBlocked}), 5);
}
TEST(Step, RandomNetworksInBlockedLayouts) {
  for (uint64_t seed = 0; seed < 6 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    check(random_network(seed), seed, {.smallest_statistics = seed % 2 == 0 ? INT64_MAX : 0, .layouts = kAllBlocked});
  }
}

// Convolutions and data gradients by Winograd's algorithm: weights transformed in every step, statistics taken from tiles.
TEST(Step, Winograd) {
  for (int64_t tile : {2, 4}) {
    const Winograd winograd{tile};
    for (const Graph& network : {small_cnn(3), inception_network(2)}) check(network, 1, {.layouts = kAllBlocked}, host_target(), winograd);
    EXPECT_GT(check(residual_network(4), 1, {.smallest_statistics = 0, .layouts = kAllBlocked}, host_target(), winograd), 5);
    for (const char* cpu : {"x86-64", "x86-64-v3"})
      if (missing_features(target_named(cpu)).empty())
        check(residual_network(2), 1, {.smallest_statistics = 0, .layouts = kAllBlocked}, target_named(cpu), winograd);
  }
}

// Weight gradients by it, too: of channels that fill their blocks.
TEST(Step, WinogradsWeightGradients) {
  for (int64_t tile : {2, 4}) {
    const Winograd winograd{tile};
    const auto in_tiles = [&](int64_t width) { return CompiledStep(residual_network(2, width), {.winograd = winograd}).in_tiles; };
    EXPECT_GT(in_tiles(32), in_tiles(24));
    for (int64_t batch : {3, 4}) check(residual_network(batch, 32), 2, {}, host_target(), winograd);  // seed 1: a ReLU's input of nearly zero
  }
}

// Mixed precision: the cast graph is what a step has to compute. Recomputed values have the same bits as kept ones.
void check_narrow(Precision precision, const Graph& network, const LayoutOptions& layouts = {}, const std::optional<Winograd>& winograd = {}) {
  const StepOptions options{.fuse = {.smallest_statistics = 0, .layouts = layouts}, .precision = precision, .winograd = winograd};
  const CompiledStep compiled(network, options);
  const std::vector<std::byte> bytes = check_step(compiled, 1);
  StepOptions least = options;
  least.least_memory = true;
  const CompiledStep in_less(network, least);
  if (in_less.recomputed > 0) {
    EXPECT_LT(in_less.arena_bytes, compiled.arena_bytes);
  }
  float loss = 0;
  EXPECT_EQ(in_less.run(compiled.draw(1), 2, loss), bytes) << in_less.recomputed << " values recomputed";
}
void check_bf16(const Graph& network, const LayoutOptions& layouts = {}) { check_narrow(Precision::bf16, network, layouts); }
void check_f16(const Graph& network, const LayoutOptions& layouts = {}) { check_narrow(Precision::f16, network, layouts); }

// Also where a contraction reads a rounded copy of its weights.
TEST(StepInBf16, StatesLieAsInF32) {
  for (const Graph& network : {residual_network(4), grouped_network(2)}) {
    const CompiledStep f32(network, {.fuse = {.layouts = kAllBlocked}});
    const CompiledStep bf16(network, {.fuse = {.layouts = kAllBlocked}, .precision = Precision::bf16});
    int blocked = 0;
    for (size_t i = 0; i < f32.layout().slots.size(); ++i) {
      EXPECT_EQ(to_string(bf16.layout().slots[i].layout), to_string(f32.layout().slots[i].layout)) << f32.layout().slots[i].path;
      blocked += !f32.layout().slots[i].layout.dims.empty();
    }
    EXPECT_GT(blocked, 4);
  }
}

TEST(StepInBf16, Mlp) { check_bf16(mlp(4)); }
TEST(StepInBf16, SmallCnn) { check_bf16(small_cnn(3)); }
TEST(StepInBf16, Residual) { check_bf16(residual_network(4)); }
TEST(StepInBf16, Inception) { check_bf16(inception_network(2)); }
TEST(StepInBf16, GroupedAndDepthwise) { check_bf16(grouped_network(4)); }
TEST(StepInBf16, BlockedLayouts) {
  for (const Graph& network : {small_cnn(3), inception_network(2), residual_network(4)}) check_bf16(network, kAllBlocked);
}
TEST(StepInBf16, RandomNetworks) {
  for (uint64_t seed = 0; seed < 4 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    check_bf16(random_network(seed), seed % 2 == 0 ? LayoutOptions{} : kAllBlocked);
  }
}

// Convolutions and both of their gradients in f32 over rounded operands; weight gradients in parts of the images too.
TEST(StepInBf16, Winograd) {
  for (int64_t tile : {2, 4}) {
    for (const Graph& network : {small_cnn(3), inception_network(2), residual_network(4)})
      check_narrow(Precision::bf16, network, kAllBlocked, Winograd{tile});
    for (const char* cpu : {"native", "x86-64", "x86-64-v3"})
      if (missing_features(target_named(cpu)).empty())
        check_step(CompiledStep(residual_network(4), {.fuse = {.smallest_statistics = 0, .layouts = kAllBlocked},
                                                      .target = target_named(cpu),
                                                      .precision = Precision::bf16,
                                                      .winograd = Winograd{tile},
                                                      .parts = 2}), 1);
  }
}
TEST(StepInF16, Winograd) { check_narrow(Precision::f16, residual_network(4), kAllBlocked, Winograd{4}); }

TEST(StepInF16, SmallCnn) { check_f16(small_cnn(3)); }
TEST(StepInF16, Residual) { check_f16(residual_network(4)); }
TEST(StepInF16, BlockedLayouts) {
  check_f16(residual_network(4), kAllBlocked);
  check_step(CompiledStep(inception_network(2), {.fuse = {.smallest_statistics = 0, .layouts = kAllBlocked}, .precision = Precision::f16}), 1);
}
TEST(StepInF16, RandomNetworks) {
  for (uint64_t seed = 0; seed < 4 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    check_f16(random_network(seed), seed % 2 == 0 ? LayoutOptions{} : kAllBlocked);
  }
}

// From a scale at which gradients overflow: both steps are skipped, and the scale is halved twice.
void check_overflow(const StepOptions& options) {
  const CompiledStep compiled(residual_network(4), options);
  const InterpretInputs inputs = compiled.draw(1);
  float loss = 0;
  const std::vector<std::byte> bytes = compiled.run(inputs, 1, loss);
  EXPECT_TRUE(std::isfinite(loss));
  int parameters = 0;
  for (const StateSlot& slot : compiled.layout().slots) {
    const std::vector<int64_t> positions = element_positions(slot.layout, slot.type.shape);
    const auto* values = reinterpret_cast<const float*>(bytes.data() + slot.offset);
    const std::vector<double>* before = slot.kind == StateKind::parameter ? &inputs.states.at(slot.path).data : nullptr;
    parameters += before != nullptr;
    if (!before && slot.kind != StateKind::moment) continue;
    if (slot.path.starts_with(kLossScalePrefix)) continue;
    for (size_t i = 0; i < positions.size() && !testing::Test::HasFailure(); ++i)
      EXPECT_EQ(values[positions[i]], before ? static_cast<float>((*before)[i]) : 0) << slot.path << "[" << i << "]";
  }
  EXPECT_GT(parameters, 5);
  const auto value_of = [&](const std::string& name) {
    float value = 0;
    std::memcpy(&value, bytes.data() + compiled.layout().offset_of(kLossScalePrefix + name), sizeof value);
    return value;
  };
  EXPECT_EQ(value_of("scale"), options.loss_scale.initial / 4);
  EXPECT_EQ(value_of("clean_steps"), 0);
  EXPECT_EQ(value_of("skipped_steps"), 2);
}
TEST(StepInF16, AnOverflowChangesNoWeight) {
  check_overflow({.precision = Precision::f16, .loss_scale = {.initial = kGreatestLossScale}});
  check_overflow({.fuse = {.smallest_statistics = 0, .layouts = kAllBlocked}, .precision = Precision::f16,
                  .loss_scale = {.initial = kGreatestLossScale}});
}

// Sums over images in parts, over channels in blocks that they fill (wide), that they do not, and dense.
TEST(StepInParts, WeightGradients) {
  for (Precision precision : {Precision::f32, Precision::tf32, Precision::bf16, Precision::f16}) check_step(CompiledStep(wide_network(6), {.precision = precision, .parts = 3}), 1);
  check_step(CompiledStep(residual_network(4), {.fuse = {.layouts = kAllBlocked}, .parts = 4}), 1);
  check_step(CompiledStep(inception_network(4), {.parts = 2}), 1);
}
TEST(StepInParts, OtherProcessors) {
  for (const char* cpu : {"x86-64", "x86-64-v3"})
    if (missing_features(target_named(cpu)).empty()) check_step(CompiledStep(wide_network(6), {.target = target_named(cpu), .parts = 6}), 1);
}

// What the backward pass writes again has the bits that it had: training does not see it.
size_t check_restoring(const Graph& network, uint64_t seed, StepOptions options) {
  const CompiledStep kept(network, options);
  options.restores = true;
  const CompiledStep restores(network, options);
  const InterpretInputs inputs = kept.draw(seed);
  float kept_loss = 0, loss = 0;
  EXPECT_EQ(restores.run(inputs, 2, loss), kept.run(inputs, 1, kept_loss));
  EXPECT_EQ(loss, kept_loss);
  return restores.restored;
}
TEST(StepThatRestores, HasTheSameBits) {
  for (Precision precision : {Precision::f32, Precision::tf32, Precision::bf16}) {
    const StepOptions options{.fuse = {.smallest_statistics = 0, .layouts = kAllBlocked}, .precision = precision};
    StepOptions in_parts = options;
    in_parts.parts = 2;
    const size_t restored = check_restoring(residual_network(4), 1, options), of_parts = check_restoring(residual_network(4), 1, in_parts);
    if (precision == Precision::tf32) continue;  // rounded copies are kept instead
    EXPECT_GE(restored, 3U);
    EXPECT_GE(of_parts, 3U);
  }
}
TEST(StepThatRestores, Inception) { check_restoring(inception_network(4), 2, {.fuse = {.smallest_statistics = 0}}); }
TEST(StepThatRestores, RandomNetworks) {
  for (uint64_t seed = 0; seed < 4 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    check_restoring(random_network(seed), seed, {.fuse = {.smallest_statistics = seed % 2 == 0 ? INT64_MAX : 0, .layouts = kAllBlocked}});
  }
}

// The same on the CUDA backend, emulated.
constexpr LayoutOptions kChannelsLast{.images = ImageLayout::channels_last};
TEST(CudaStep, Mlp) { check(mlp(4), 1, {.layouts = kChannelsLast}, cuda_target("sm_80")); }
TEST(CudaStep, SmallCnn) { check(small_cnn(3), 1, {.layouts = kChannelsLast}, cuda_target("sm_80")); }
TEST(CudaStep, Inception) { check(inception_network(2), 1, {.layouts = kChannelsLast}, cuda_target("sm_80")); }
// Channels that fill vectors and tensor products.
TEST(CudaStep, WideResidualInBf16) {
  const CompiledStep compiled(residual_network(2, 16), {.fuse = {.smallest_statistics = 0, .layouts = kChannelsLast},
                                                        .target = cuda_target("sm_80"), .precision = Precision::bf16});
  check_step(compiled, 1);
  EXPECT_GT(compiled.with_sums, 5);
}
TEST(CudaStep, WideResidualInF16) {
  const CompiledStep compiled(residual_network(2, 16), {.fuse = {.smallest_statistics = 0, .layouts = kChannelsLast},
                                                        .target = cuda_target("sm_80"), .precision = Precision::f16});
  check_step(compiled, 1);
}
TEST(StepInTf32, WideResidual) {
  check_step(CompiledStep(residual_network(2, 16), {.fuse = {.smallest_statistics = 0, .layouts = kAllBlocked}, .precision = Precision::tf32}), 1);
}
// Rounded where tensor cores multiply.
TEST(CudaStep, WideResidualInTf32) {
  const CompiledStep compiled(residual_network(2, 16), {.fuse = {.smallest_statistics = 0, .layouts = kChannelsLast},
                                                        .target = cuda_target("sm_80"), .precision = Precision::tf32});
  check_step(compiled, 1);
}
TEST(CudaStep, AnOverflowChangesNoWeight) {
  check_overflow({.fuse = {.layouts = kChannelsLast}, .target = cuda_target("sm_80"), .precision = Precision::f16,
                  .loss_scale = {.initial = kGreatestLossScale}});
}
TEST(CudaStep, ResidualWithStatisticsInEpilogues) {
  EXPECT_GT(check(residual_network(4), 1, {.smallest_statistics = 0, .layouts = kChannelsLast}, cuda_target("sm_80")), 5);
}

}  // namespace
}  // namespace netc
