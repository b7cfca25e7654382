// The bf16 instructions against f32 arithmetic, bit for bit: docs/kernels.md, "Mixed precision".
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <random>

#include <immintrin.h>

namespace netc {
namespace {

float widened(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }
uint32_t bits_of(float value) { return std::bit_cast<uint32_t>(value); }

// Subnormals as zeros, which is what the processor does by itself in the runtime's mode.
float flushed(float value) {
  return (bits_of(value) & 0x7f800000) == 0 ? std::bit_cast<float>(bits_of(value) & 0x80000000) : value;
}

struct Pair {
  uint16_t low, high;
};

float dot_in_f32(float sum, Pair a, Pair b) {
  sum = flushed(std::fma(flushed(widened(a.high)), flushed(widened(b.high)), flushed(sum)));
  return flushed(std::fma(flushed(widened(a.low)), flushed(widened(b.low)), sum));
}

uint16_t narrowed_in_integers(float value) {
  const uint32_t bits = bits_of(value);
  if (std::isnan(value)) return static_cast<uint16_t>((bits | 0x400000) >> 16);
  if ((bits & 0x7f800000) == 0) return static_cast<uint16_t>((bits & 0x80000000) >> 16);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

int packed(Pair p) { return static_cast<int>(p.low | uint32_t{p.high} << 16); }

__attribute__((target("avx512f,avx512bf16"))) float dot_by_instruction(float sum, Pair a, Pair b) {
  const __m512i x = _mm512_set1_epi32(packed(a)), y = _mm512_set1_epi32(packed(b));
  const __m512 result = _mm512_dpbf16_ps(_mm512_set1_ps(sum), (__m512bh)x, (__m512bh)y);
  return _mm512_cvtss_f32(result);
}

__attribute__((target("avx512f,avx512bf16"))) uint16_t narrowed_by_instruction(float value) {
  const __m256bh result = _mm512_cvtneps_pbh(_mm512_set1_ps(value));
  return static_cast<uint16_t>(_mm256_cvtsi256_si32((__m256i)result));
}

class Bf16Instructions : public testing::Test {
 protected:
  void SetUp() override {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx512bf16")) GTEST_SKIP() << "this processor has no avx512bf16";
  }
  // A bf16 with an exponent field from `low` to `high`: 0 is subnormal or zero, 255 infinite or NaN.
  uint16_t draw(int low, int high) {
    const auto exponent = static_cast<uint32_t>(low) + static_cast<uint32_t>(random_() % static_cast<uint64_t>(high - low + 1));
    return static_cast<uint16_t>((random_() & 0x807f) | exponent << 7);
  }
  float draw_f32(int low, int high) {
    return std::bit_cast<float>(static_cast<uint32_t>(uint32_t{draw(low, high)} << 16 | (random_() & 0xffff)));
  }

  std::mt19937_64 random_{1};
};

TEST_F(Bf16Instructions, DotProductsAreTwoFusedMultiplyAddsTheHighHalfFirst) {
  struct Range {
    const char* what;
    int low, high;          // of the factors' exponents
    int sum_low, sum_high;  // of the sum's
  };
  const Range ranges[] = {{"ordinary", 115, 135, 110, 145}, {"products near the smallest", 50, 70, 0, 15},
                          {"subnormal factors", 0, 3, 0, 130}, {"everything", 0, 255, 0, 255},
                          {"overflow and infinities", 180, 255, 230, 255}};
  for (const Range& r : ranges) {
    SCOPED_TRACE(r.what);
    for (int i = 0; i < 200000; ++i) {
      const Pair a{draw(r.low, r.high), draw(r.low, r.high)}, b{draw(r.low, r.high), draw(r.low, r.high)};
      const float sum = draw_f32(r.sum_low, r.sum_high);
      const float expected = dot_in_f32(sum, a, b), got = dot_by_instruction(sum, a, b);
      if (std::isnan(expected) && std::isnan(got)) continue;
      ASSERT_EQ(bits_of(expected), bits_of(got)) << sum << " + " << widened(a.low) << " * " << widened(b.low) << " + "
                                                 << widened(a.high) << " * " << widened(b.high);
    }
  }
}

TEST_F(Bf16Instructions, NarrowingIsIntegerArithmetic) {
  for (uint64_t high = 0; high < 65536; ++high)
    for (uint32_t low : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu, static_cast<uint32_t>(random_() & 0xffff)}) {
      const float value = std::bit_cast<float>(static_cast<uint32_t>(high << 16) | low);
      ASSERT_EQ(narrowed_in_integers(value), narrowed_by_instruction(value)) << value << ", bits " << bits_of(value);
    }
}

}  // namespace
}  // namespace netc
