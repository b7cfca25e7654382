// Winograd convolutions: against the reference in double precision, with odd sizes, epilogues, halos; and that no result
// depends on the split into calls.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "compiler/interpret/evaluate.h"
#include "compiler/lower/layout.h"
#include "compiler/lower/physical_space.h"
#include "compiler/lower/winograd_plan.h"
#include "compiler/ops/winograd.h"
#include "tests/cpu/blocked_convolution.h"
#include "tests/cpu/kernel_harness.h"
#include "tests/tolerance.h"

namespace netc {
namespace {

const BlockedConvolution kCases[] = {
    {1, 16, 7, 7, 16, 3, 3, 1, 1},   {3, 32, 7, 7, 48, 3, 3, 1, 1},   {1, 64, 14, 14, 32, 3, 3, 1, 1}, {3, 16, 14, 14, 64, 3, 3, 1, 1},
    {1, 32, 13, 17, 32, 3, 3, 1, 1}, {3, 16, 17, 13, 16, 3, 3, 1, 1}, {1, 16, 56, 56, 16, 3, 3, 1, 1}, {1, 48, 3, 3, 16, 3, 3, 1, 1},
    {2, 16, 9, 11, 32, 3, 3, 1, 0},  {1, 16, 8, 150, 16, 3, 3, 1, 1}, {1, 16, 5, 6, 32, 3, 3, 1, 2},   {5, 16, 1, 2, 16, 3, 3, 1, 1},
};

// The kernel of winograd_weights, from [kb, cb, 3, 3, ci, ki] to [positions, kb, cb, ci, ki], or adjoint [positions, cb, kb, ki, ci].
KernelBody weights_body(const Shape& w, const Winograd& winograd, bool adjoint = false) {
  const Shape dense{w[0] * w[5], w[1] * w[4], 3, 3};
  const Attrs attrs{{"tile", winograd.tile}, {"adjoint", adjoint}};
  const OpDef& op = winograd_weights_op();
  const TensorType u = op.infer({attrs, {{DType::f32, dense}}, {true}, {}})[0];
  KernelBody logical;
  logical.nest = op.scalar({attrs, {{DType::f32, dense}}, {true}, {u}});
  logical.nest.stores[0].output = 1;
  logical.operands = {{"w", DType::f32, dense, row_major_strides(dense)},
                      {"u", DType::f32, u.shape, row_major_strides(u.shape), Space::arena, true}};
  using Part = LayoutDim::Part;
  const Layout from{{{Part::outer, 0}, {Part::outer, 1}, {Part::whole, 2}, {Part::whole, 3}, {Part::inner, 1}, {Part::inner, 0}}};
  const Layout to{{{Part::whole, 0}, {Part::outer, 1}, {Part::outer, 2}, {Part::inner, 2}, {Part::inner, 1}}};
  return make_physical(logical, {{from, row_major_strides(w)}, {to, row_major_strides(physical_shape(to, u.shape))}}, space_of(to));
}

// w in the transformed shape, by the kernel that prepares it.
HostTensor transform(const HostTensor& w, const Winograd& winograd, const Target& target) {
  return CompiledKernel(weights_body(w.shape, winograd), target).run({&w, nullptr})[1];
}

// `sums`: channel sums of the result and of its square as well.
void check(const BlockedConvolution& v, const Winograd& winograd, KernelBody direct, const Target& target, bool sums = false) {
  SCOPED_TRACE(name_of(v) + ", tile " + std::to_string(winograd.tile));
  std::mt19937 random(7);
  if (sums) add_channel_sums(direct, task_grid(with_winograd(direct, winograd), target).partial_rows({1, direct.nest.parallel - 1}));
  std::vector<HostTensor> tensors;
  for (size_t i = 0; i < direct.operands.size(); ++i)
    tensors.push_back(direct.operands[i].written ? HostTensor{} : blocked_tensor(v, direct, static_cast<int>(i), random));
  std::vector<const HostTensor*> operands;
  for (size_t i = 0; i < direct.operands.size(); ++i) operands.push_back(direct.operands[i].written ? nullptr : &tensors[i]);
  const std::vector<HostTensor> references = reference(direct, operands);
  const HostTensor& expected = references[2];
  const HostTensor u = transform(tensors[1], winograd, target);
  operands[1] = &u;
  const CompiledKernel kernel(with_winograd(direct, winograd), target);
  const std::vector<HostTensor> results = kernel.run(operands), reversed = kernel.run(operands, {}, Split::reversed_singles);
  const HostTensor& got = results[2];
  for (size_t i = 0; i < results.size(); ++i) EXPECT_EQ(results[i].data, reversed[i].data) << i << " depends on the split";
  double largest = 0;
  for (double value : expected.data) largest = std::max(largest, std::abs(value));
  const double bound = winograd_tolerance(winograd.tile, v.c) * largest;
  // What is stored in 16 bits is rounded once more.
  const DType stored = direct.operands[2].dtype;
  const double rounding = stored == DType::f32 ? 0 : tolerance(stored, 1).relative;
  for (size_t i = 0; i < expected.data.size(); ++i)
    ASSERT_LE(std::abs(expected.data[i] - got.data[i]), bound + rounding * std::abs(expected.data[i])) << i;  // false for NaN
  // A sum's error: those of its terms, by chance of either sign; of squares, times twice the term.
  const double terms = std::sqrt(static_cast<double>(v.n * v.out_h() * v.out_w()));
  for (size_t p = 0; p < direct.partials.size(); ++p) {
    const auto output = static_cast<size_t>(direct.partials[p].output);
    const std::vector<double>& rows = results[output].data;
    const std::vector<double>& totals = references[output].data;
    for (size_t c = 0; c < totals.size(); ++c) {
      double total = 0;
      for (size_t i = c; i < rows.size(); i += totals.size()) total += rows[i];
      EXPECT_NEAR(total, totals[c], bound * terms * (p == 0 ? 1 : 2 * largest)) << "sum " << p << " of channel " << c;
    }
  }
}

// Of a target, over operands of a type.
class WinogradKernel : public testing::TestWithParam<std::tuple<const char*, DType>> {
 protected:
  Target target() const { return target_named(std::get<0>(GetParam())); }
  DType dtype() const { return std::get<1>(GetParam()); }
};

TEST_P(WinogradKernel, IsTheConvolution) {
  for (const BlockedConvolution& v : kCases)
    for (int64_t tile : {2, 4}) check(v, {tile}, blocked_body(v, Direction::forward, false, dtype()), target());
}

TEST_P(WinogradKernel, EpiloguesAndHalos) {
  bool halo = false;
  for (const BlockedConvolution& v : kCases)
    for (int64_t tile : {2, 4}) {
      halo = !halo;
      KernelBody body = blocked_body(v, Direction::forward, halo, dtype());
      add_epilogue(body, v.k);
      for (bool sums : {false, true}) check(v, {tile}, body, target(), sums);
    }
}

// Transformed weights, also of the adjoint: against the reference in double precision.
class WinogradWeights : public testing::TestWithParam<const char*> {};

TEST_P(WinogradWeights, AreTransformed) {
  std::mt19937 random(3);
  for (const Shape& shape : {Shape{1, 1, 3, 3, 16, 16}, {2, 3, 3, 3, 16, 16}, {3, 1, 3, 3, 16, 16}})
    for (int64_t tile : {2, 4})
      for (bool adjoint : {false, true}) {
        const KernelBody body = weights_body(shape, {tile}, adjoint);
        SCOPED_TRACE(to_string(body));
        HostTensor w{shape, {}};
        std::uniform_real_distribution<double> uniform(-1, 1);
        for (int64_t i = 0; i < element_count(shape); ++i) w.data.push_back(round_to(uniform(random), DType::f32));
        const CompiledKernel kernel(body, target_named(GetParam()));
        LoopNest nest = body.nest;
        nest.stores[0].output = 0;  // of the nest's, not the kernel's operands
        const HostTensor expected = evaluate_nest(nest, {&w}, {{DType::f32, body.operands[1].shape}}, {})[0];
        for (Split split : {Split::whole, Split::reversed_singles}) {
          const HostTensor got = kernel.run({&w, nullptr}, {}, split)[1];
          ASSERT_EQ(got.data.size(), expected.data.size());
          for (size_t i = 0; i < got.data.size(); ++i) ASSERT_TRUE(tolerance(DType::f32, 9).accepts(expected.data[i], got.data[i], 1)) << i;
        }
      }
}

std::string test_name(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Targets, WinogradKernel,
                         testing::Combine(testing::Values("native", "x86-64-v3", "x86-64"), testing::Values(DType::f32, DType::bf16, DType::f16)),
                         [](const auto& instance) { return test_name(std::get<0>(instance.param)) + "_" + std::string(name_of(std::get<1>(instance.param))); });
INSTANTIATE_TEST_SUITE_P(Targets, WinogradWeights, testing::Values("native", "x86-64-v3", "x86-64"),
                         [](const auto& instance) { return test_name(instance.param); });

// The matrices by their definition: A^T ((G w) * (B^T x)) is the sum over the window, exactly up to f64.
TEST(Winograd, MatricesFilter) {
  for (int64_t tile : {2, 4}) {
    const WinogradTransform& t = winograd_transform(tile);
    for (size_t i = 0; i < t.output.size(); ++i)
      for (size_t k = 0; k < 3; ++k)
        for (size_t l = 0; l < t.input.size(); ++l) {  // the factor of w[k] x[l] in y[i]
          double factor = 0;
          for (size_t p = 0; p < t.input.size(); ++p) factor += t.output[i][p] * t.weights[p][k] * t.input[p][l];
          EXPECT_NEAR(factor, l == i + k ? 1 : 0, 1e-14);
        }
  }
}

TEST(Winograd, TakesLargeImagesAndLeavesOtherContractions) {
  const Target target = target_named("x86-64-v3");
  const auto chosen = [&](const BlockedConvolution& v, WeightTransforms weights = WeightTransforms::once) {
    return choose_winograd(blocked_body(v, Direction::forward).contraction->contraction, DType::f32, weights, target).winograd;
  };
  EXPECT_EQ(chosen({1, 64, 56, 56, 64, 3, 3, 1, 1}), Winograd{4});
  EXPECT_EQ(chosen({8, 128, 28, 28, 128, 3, 3, 1, 1}), Winograd{4});
  // Transforming the weights of many channels for one small image takes longer than it saves.
  EXPECT_EQ(chosen({8, 64, 56, 56, 64, 3, 3, 1, 1}, WeightTransforms::each_run), Winograd{4});
  EXPECT_NE(chosen({1, 256, 14, 14, 256, 3, 3, 1, 1}), std::nullopt);
  EXPECT_EQ(chosen({1, 256, 14, 14, 256, 3, 3, 1, 1}, WeightTransforms::each_run), std::nullopt);
  EXPECT_EQ(chosen({1, 64, 56, 56, 64, 3, 3, 2, 1}), std::nullopt);
  EXPECT_EQ(chosen({1, 64, 56, 56, 64, 3, 3, 1, 2, 2}), std::nullopt);
  EXPECT_EQ(chosen({1, 64, 56, 56, 64, 1, 1, 1, 0}), std::nullopt);
  EXPECT_EQ(chosen({1, 64, 56, 56, 64, 5, 5, 1, 2}), std::nullopt);
  EXPECT_EQ(chosen({1, 64, 56, 56, 64, 3, 3, 1, 1, 1, 4}), std::nullopt);
}

// Direct contractions of bf16 are twice as fast where two are multiplied at a time, which leaves Winograd's f32 less to gain.
TEST(Winograd, CountsWhatDirectContractionsOfBf16Take) {
  const auto chosen = [](const BlockedConvolution& v, DType dtype, const char* cpu) {
    return choose_winograd(blocked_body(v, Direction::forward).contraction->contraction, dtype, WeightTransforms::once, target_named(cpu)).winograd;
  };
  const BlockedConvolution large{8, 64, 56, 56, 64, 3, 3, 1, 1}, small{8, 512, 7, 7, 512, 3, 3, 1, 1};
  for (const char* cpu : {"x86-64-v3", "x86-64-v4", "znver4"}) {
    EXPECT_EQ(chosen(large, DType::bf16, cpu), Winograd{4}) << cpu;
    EXPECT_NE(chosen(small, DType::f32, cpu), std::nullopt) << cpu;
    EXPECT_EQ(chosen(small, DType::bf16, cpu) == std::nullopt, target_named(cpu).bf16_pairs) << cpu;
  }
  EXPECT_TRUE(target_named("znver4").bf16_pairs);
}

}  // namespace
}  // namespace netc
