// The prelude of device.cuh for the system's C++ compiler: generated kernels, unchanged, as code that the emulator of
// runtime/cuda_emulation runs, one fibre a thread. The text of cuda_emulation_abi.h stands in front.
#include <cmath>
#include <cstdint>
#include <cstring>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;
typedef int32_t i32;
typedef long long i64;
typedef float f32;
struct f16 { u16 bits; };
struct bf16 { u16 bits; };
struct tf32 {};
struct alignas(16) u32x4 { u32 x, y, z, w; };
struct alignas(8) f32x2 { f32 x, y; };

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define DEVICE static inline

struct RunScalars {
  i64 seed, step, valid_count, first_sample;
  f32 learning_rate, loss_scale;
};

struct EmulatedIndex { u32 x; };
#define threadIdx (EmulatedIndex{netc_emulation::this_thread()->thread})
#define blockIdx (EmulatedIndex{netc_emulation::this_thread()->block})

// __builtin_LINE as a default argument: the line of the call.
#define HERE int line = __builtin_LINE()
static inline void emulated_barrier(HERE) {
  netc_emulation::Thread* thread = netc_emulation::this_thread();
  thread->services->barrier(thread, line);
}
#define __syncthreads emulated_barrier

// --- numbers ---------------------------------------------------------------------------------------------------

DEVICE f32 from_bits(u32 bits) {
  f32 value;
  std::memcpy(&value, &bits, 4);
  return value;
}
DEVICE u32 to_bits(f32 value) {
  u32 bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

DEVICE f32 to_f32(f32 x) { return x; }
DEVICE f32 to_f32(bf16 x) { return from_bits((u32)x.bits << 16); }
DEVICE f32 to_f32(f16 x) {
  const u32 sign = (u32)(x.bits & 0x8000) << 16, rest = x.bits & 0x7fff;
  if (rest < 0x400) return from_bits(sign | to_bits((f32)rest * 0x1p-24f));
  return from_bits(sign | (rest < 0x7c00 ? (rest << 13) + (112u << 23) : rest << 13 | 0x7f800000u));
}
DEVICE f32 to_f32(u8 x) { return (f32)x; }
DEVICE f32 to_f32(i32 x) { return (f32)x; }
DEVICE f32 to_f32(i64 x) { return (f32)x; }

template <class T> struct Rounded;
template <> struct Rounded<f32> { DEVICE f32 of(f32 x) { return x; } };
template <> struct Rounded<f16> {
  DEVICE f16 of(f32 x) {
    const u16 sign = (u16)(to_bits(x) >> 16 & 0x8000);
    const f32 magnitude = std::fabs(x);
    if (magnitude != magnitude) return {(u16)0x7fff};
    if (magnitude >= 65520.0f) return {(u16)(sign | 0x7c00)};
    if (magnitude < 0x1p-14f) return {(u16)(sign | (u16)std::nearbyint(magnitude * 0x1p24f))};
    const u32 bits = to_bits(magnitude);
    return {(u16)(sign | (bits + 0xfff + (bits >> 13 & 1) - (112u << 23)) >> 13)};
  }
};
template <> struct Rounded<bf16> {
  DEVICE bf16 of(f32 x) {
    const u32 bits = to_bits(x);
    if (x != x) return {(u16)0x7fff};
    return {(u16)((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
  }
};
template <> struct Rounded<u8> { DEVICE u8 of(f32 x) { return x > 0.0f ? (u8)(x < 255.0f ? x : 255.0f) : (u8)0; } };
template <> struct Rounded<i32> {
  DEVICE i32 of(f32 x) { return x != x ? 0 : x >= 0x1p31f ? INT32_MAX : x <= -0x1p31f ? INT32_MIN : (i32)x; }
};
template <> struct Rounded<i64> {
  DEVICE i64 of(f32 x) { return x != x ? 0 : x >= 0x1p63f ? INT64_MAX : x <= -0x1p63f ? INT64_MIN : (i64)x; }
};
template <class T> DEVICE T rounded(f32 x) { return Rounded<T>::of(x); }

template <class T> DEVICE u32 rounded_pair(f32 low, f32 high) { return (u32)rounded<T>(low).bits | (u32)rounded<T>(high).bits << 16; }

DEVICE f32 max_nan(f32 a, f32 b) { return a != a ? a : b != b ? b : a > b ? a : b; }
DEVICE f32 min_nan(f32 a, f32 b) { return a != a ? a : b != b ? b : a < b ? a : b; }
DEVICE u32 multiply_high(u32 a, u32 b) { return (u32)((u64)a * b >> 32); }

// --- global memory ---------------------------------------------------------------------------------------------

// A pointer that knows the extent of its operand.
template <class T> struct Global {
  T* at;
  const unsigned char *begin, *end;

  explicit Global(const netc_emulation::Operand& operand)
      : at((T*)operand.data), begin(operand.data), end(operand.data + operand.bytes) {}
  Global(T* at_, const unsigned char* begin_, const unsigned char* end_) : at(at_), begin(begin_), end(end_) {}
  Global operator+(i64 elements) const { return {at + elements, begin, end}; }
  template <class U> Global<U> as() const { return {(U*)at, begin, end}; }

  void check(int line, int bytes, const char* what) const {
    const unsigned char* first = (const unsigned char*)at;
    netc_emulation::Thread* thread = netc_emulation::this_thread();
    if (first < begin || first + bytes > end) thread->services->fault(thread, line, what, first - begin, end - begin);
    if ((uintptr_t)first % (uintptr_t)bytes != 0) thread->services->fault(thread, line, "an unaligned access to global memory", first - begin, bytes);
  }
};
template <class T> DEVICE T load(Global<const T> from, HERE) {
  from.check(line, sizeof(T), "a read outside of an operand");
  netc_emulation::count_access(netc_emulation::this_thread(), from.at, sizeof(T), false);
  return *from.at;
}
template <class T> DEVICE T load(Global<T> from, HERE) {
  from.check(line, sizeof(T), "a read outside of an operand");
  netc_emulation::count_access(netc_emulation::this_thread(), from.at, sizeof(T), false);
  return *from.at;
}
template <class T> DEVICE void store(Global<T> to, T value, HERE) {
  to.check(line, sizeof(T), "a write outside of an operand");
  netc_emulation::count_access(netc_emulation::this_thread(), to.at, sizeof(T), true);
  *to.at = value;
}

template <class T> DEVICE u32x4 load_words(Global<const T> from, HERE) { return load(from.template as<const u32x4>(), line); }
template <class T> DEVICE u32x4 load_words(Global<T> from, HERE) { return load(from.template as<const u32x4>(), line); }
template <class T> DEVICE void store_words(Global<T> to, u32x4 words, HERE) { store(to.template as<u32x4>(), words, line); }

// --- shared memory ---------------------------------------------------------------------------------------------

template <class T> struct Shared {
  u32 base;
  T load(int i, HERE) const {
    netc_emulation::Thread* thread = netc_emulation::this_thread();
    T value;
    std::memcpy(&value, thread->services->shared(thread, line, base + (u32)i * (u32)sizeof(T), sizeof(T), false), sizeof(T));
    return value;
  }
  void store(int i, T value, HERE) const {
    netc_emulation::Thread* thread = netc_emulation::this_thread();
    std::memcpy(thread->services->shared(thread, line, base + (u32)i * (u32)sizeof(T), sizeof(T), true), &value, sizeof(T));
  }
};

template <class T, class V> DEVICE void store_shared(Shared<T> to, int i, V value, int line) {
  netc_emulation::Thread* thread = netc_emulation::this_thread();
  std::memcpy(thread->services->shared(thread, line, to.base + (u32)i * (u32)sizeof(T), sizeof(V), true), &value, sizeof(V));
}
template <class T> DEVICE u32x4 load_words(Shared<T> from, int i, HERE) {
  netc_emulation::Thread* thread = netc_emulation::this_thread();
  u32x4 words;
  std::memcpy(&words, thread->services->shared(thread, line, from.base + (u32)i * (u32)sizeof(T), 16, false), 16);
  return words;
}
template <class T> DEVICE void store_words(Shared<T> to, int i, u32x4 words, HERE) { store_shared(to, i, words, line); }
DEVICE void store_pair(Shared<f32> to, int i, f32 first, f32 second, HERE) { store_shared(to, i, f32x2{first, second}, line); }

DEVICE void copy_async_bytes(int line, u32 to, const void* from, bool inside) {
  netc_emulation::Thread* thread = netc_emulation::this_thread();
  if ((uintptr_t)from % 16 != 0) thread->services->fault(thread, line, "an asynchronous copy from an unaligned address", (uintptr_t)from % 16, 16);
  if (inside) netc_emulation::count_access(thread, from, 16, false);
  thread->services->copy_async(thread, line, to, from, 16, inside ? 16 : 0);
}
template <class T> DEVICE void copy_async(u32 to, Global<T> from, bool inside, HERE) {
  const unsigned char* first = (const unsigned char*)from.at;
  netc_emulation::Thread* thread = netc_emulation::this_thread();
  if (inside && (first < from.begin || first + 16 > from.end))
    thread->services->fault(thread, line, "an asynchronous copy from outside of an operand", first - from.begin, from.end - from.begin);
  copy_async_bytes(line, to, first, inside);
}
DEVICE void commit_copies() {
  netc_emulation::Thread* thread = netc_emulation::this_thread();
  thread->services->commit_copies(thread);
}
template <int kPending> DEVICE void wait_copies(HERE) {
  netc_emulation::Thread* thread = netc_emulation::this_thread();
  thread->services->wait_copies(thread, line, kPending);
}

// --- tensor cores ----------------------------------------------------------------------------------------------

DEVICE void warp_operation(int line, netc_emulation::Operation operation, netc_emulation::LaneArguments& arguments) {
  netc_emulation::Thread* thread = netc_emulation::this_thread();
  thread->services->warp(thread, line, operation, &arguments);
}
DEVICE void load_matrices(u32 (&to)[4], u32 row, HERE) {
  netc_emulation::LaneArguments x{};
  x.a[0] = row;
  warp_operation(line, netc_emulation::Operation::load_matrices, x);
  std::memcpy(to, x.result, sizeof to);
}
DEVICE void load_matrices_transposed(u32 (&to)[4], u32 row, HERE) {
  netc_emulation::LaneArguments x{};
  x.a[0] = row;
  warp_operation(line, netc_emulation::Operation::load_matrices_transposed, x);
  std::memcpy(to, x.result, sizeof to);
}
template <class T> struct TensorOperation;
template <> struct TensorOperation<f16> { static constexpr netc_emulation::Operation value = netc_emulation::Operation::multiply_f16; };
template <> struct TensorOperation<bf16> { static constexpr netc_emulation::Operation value = netc_emulation::Operation::multiply_bf16; };
template <> struct TensorOperation<tf32> { static constexpr netc_emulation::Operation value = netc_emulation::Operation::multiply_tf32; };
DEVICE u32 to_tf32(u32 bits) { return (bits & 0x7f800000u) == 0x7f800000u ? bits : (bits + 0x1000u) & ~0x1fffu; }
template <class T> DEVICE void multiply(f32 (&c)[4], const u32* a, const u32* b, HERE) {
  netc_emulation::LaneArguments x{};
  std::memcpy(x.a, a, sizeof x.a);
  std::memcpy(x.b, b, sizeof x.b);
  std::memcpy(x.c, c, sizeof x.c);
  warp_operation(line, TensorOperation<T>::value, x);
  std::memcpy(c, x.c, sizeof x.c);
}

extern "C" {
const netc_emulation::Host* netc_emulation_host = nullptr;  // set when the code is loaded
}
