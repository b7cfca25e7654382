// The part of the prelude that is the same on a device and under emulation.

DEVICE f32 infinity() { return from_bits(0x7f800000u); }
DEVICE f32 not_a_number() { return from_bits(0x7fffffffu); }

template <class T> DEVICE f32 round_to(f32 x) { return to_f32(rounded<T>(x)); }

DEVICE f32 round_tf32(f32 x) { return from_bits(to_tf32(to_bits(x))); }

template <class I> DEVICE I smaller(I a, I b) { return a < b ? a : b; }
template <class I> DEVICE I larger(I a, I b) { return a < b ? b : a; }

// Floor division for positive divisors.
template <class I> DEVICE I floor_div(I a, I b) { return a / b - (I)(a % b < 0); }
template <class I> DEVICE I floor_mod(I a, I b) {
  const I rest = a % b;
  return rest < 0 ? rest + b : rest;
}

// A divisor that is an argument: of numbers from 0 to 2^31 - 1 by a multiplication (kernel_extents.cpp). floor_div and
// floor_mod take negative ones too.
struct Divisor {
  int value;
  u32 multiplier, shift;
};
DEVICE int operator/(int x, const Divisor& d) { return (int)(multiply_high(2u * (u32)x, d.multiplier) >> d.shift); }
DEVICE int operator%(int x, const Divisor& d) { return x - x / d * d.value; }
DEVICE int floor_div(int x, const Divisor& d) {
  const int sign = x >> 31;
  return ((x ^ sign) / d) ^ sign;
}
DEVICE int floor_mod(int x, const Divisor& d) { return x - floor_div(x, d) * d.value; }

// Saturates far outside of every extent; NaN becomes the lowest value.
DEVICE int floor_to_index(f32 x) {
  const f32 floored = floorf(x);
  return floored < 1073741824.0f ? (floored > -1073741824.0f ? (int)floored : -1073741824) : x != x ? -1073741824 : 1073741824;
}
template <class T> DEVICE int to_index(T x) {
  return x < (T)-1073741824 ? -1073741824 : x > (T)1073741824 ? 1073741824 : (int)x;
}
DEVICE int to_index(u8 x) { return x; }

// Philox4x32-10, as compiler/base/random.h: uniform in [0, 1).
DEVICE f32 uniform(const RunScalars* scalars, u32 path, u32 sample, u64 element) {
  const u64 seed = (u64)scalars->seed;
  u32 c0 = (u32)element, c1 = sample, c2 = (u32)scalars->step, c3 = (u32)(element >> 32);
  u32 k0 = (u32)seed ^ path, k1 = (u32)(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const u32 high0 = multiply_high(0xD2511F53u, c0), low0 = 0xD2511F53u * c0;
    const u32 high1 = multiply_high(0xCD9E8D57u, c2), low1 = 0xCD9E8D57u * c2;
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return (f32)(c0 >> 8) * 5.9604644775390625e-8f;
}

// --- eight neighbours --------------------------------------------------------------------------------------------

template <class T> DEVICE void unpack(f32 (&to)[8], u32x4 words) {
  const u32 word[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    to[2 * i] = to_f32(T{(u16)(word[i] & 0xffffu)});
    to[2 * i + 1] = to_f32(T{(u16)(word[i] >> 16)});
  }
}
template <class T> DEVICE u32x4 packed(const f32 (&from)[8]) {
  return {rounded_pair<T>(from[0], from[1]), rounded_pair<T>(from[2], from[3]), rounded_pair<T>(from[4], from[5]),
          rounded_pair<T>(from[6], from[7])};
}
DEVICE void unpack_half(f32* to, u32x4 words) {
  to[0] = from_bits(words.x);
  to[1] = from_bits(words.y);
  to[2] = from_bits(words.z);
  to[3] = from_bits(words.w);
}
DEVICE u32x4 packed_half(const f32* from) { return {to_bits(from[0]), to_bits(from[1]), to_bits(from[2]), to_bits(from[3])}; }

DEVICE void load_vector(f32 (&to)[8], Global<const f16> from) { unpack<f16>(to, load_words(from)); }
DEVICE void load_vector(f32 (&to)[8], Global<const bf16> from) { unpack<bf16>(to, load_words(from)); }
DEVICE void load_vector(f32 (&to)[8], Global<const f32> from) {
  unpack_half(to, load_words(from));
  unpack_half(to + 4, load_words(from + 4));
}
DEVICE void load_vector(f32 (&to)[8], Shared<f32> from, int i) {
  unpack_half(to, load_words(from, i));
  unpack_half(to + 4, load_words(from, i + 4));
}
DEVICE void store_vector(Global<f16> to, const f32 (&from)[8]) { store_words(to, packed<f16>(from)); }
DEVICE void store_vector(Global<bf16> to, const f32 (&from)[8]) { store_words(to, packed<bf16>(from)); }
DEVICE void store_vector(Global<f32> to, const f32 (&from)[8]) {
  store_words(to, packed_half(from));
  store_words(to + 4, packed_half(from + 4));
}
DEVICE void store_vector(Shared<f32> to, int i, const f32 (&from)[8]) {
  store_words(to, i, packed_half(from));
  store_words(to, i + 4, packed_half(from + 4));
}

// --- reductions over the threads of a block --------------------------------------------------------------------

// The first maximum (the first NaN) and its position; nothing yet: position none().
struct Best {
  f32 value;
  int position;
};
DEVICE int none() { return 0x7fffffff; }
DEVICE Best better(Best a, Best b) {
  const bool nan_a = a.value != a.value, nan_b = b.value != b.value;
  const bool tie = a.value == b.value || (nan_a && nan_b);
  const bool second = b.value > a.value || (nan_b && !nan_a) || a.position == none() || (tie && b.position < a.position);
  return second && b.position != none() ? b : a;
}

struct Sum { template <class T> DEVICE T of(T a, T b) { return a + b; } };
struct Max { DEVICE f32 of(f32 a, f32 b) { return max_nan(a, b); } };
struct Min { DEVICE f32 of(f32 a, f32 b) { return min_nan(a, b); } };
struct First { DEVICE Best of(Best a, Best b) { return better(a, b); } };

// Combines the values of kTerms threads in a fixed tree; the result is that of the thread with term 0. `slot`: the
// thread's place in the shared memory from `base` on, such that the slot of term t + 1 lies kStride behind that of t.
template <class Combine, int kTerms, int kStride, class T> DEVICE T combine(T value, int slot, int term, u32 base = 0) {
  const Shared<T> values{base};
  values.store(slot, value);
#pragma unroll
  for (int half = kTerms / 2; half > 0; half /= 2) {
    __syncthreads();
    if (term < half) {
      value = Combine::of(value, values.load(slot + half * kStride));
      values.store(slot, value);
    }
  }
  __syncthreads();
  return value;
}
