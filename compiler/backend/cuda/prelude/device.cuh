// The device prelude: everything that generated kernels use, for NVRTC. No CUDA header is included, because that
// would cost more than compiling the kernel. Kernels touch memory through these functions only, and emulation.cuh
// defines the same ones for the host's compiler, where each access is checked and counted.
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;
typedef float f32;
struct f16 { u16 bits; };
struct bf16 { u16 bits; };
struct tf32 {};  // f32 in memory, rounded to 11 bits of mantissa in a tensor core
struct __align__(16) u32x4 { u32 x, y, z, w; };
struct __align__(8) f32x2 { f32 x, y; };

#define DEVICE static __device__ __forceinline__

// RuntimeScalars of compiler/base/program.h.
struct RunScalars {
  i64 seed, step, valid_count, first_sample;
  f32 learning_rate, loss_scale;
};

// --- numbers ---------------------------------------------------------------------------------------------------

DEVICE f32 from_bits(u32 bits) { return __uint_as_float(bits); }
DEVICE u32 to_bits(f32 value) { return __float_as_uint(value); }

DEVICE f32 to_f32(f32 x) { return x; }
DEVICE f32 to_f32(bf16 x) { return from_bits((u32)x.bits << 16); }
DEVICE f32 to_f32(f16 x) {
  f32 y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
  return y;
}
DEVICE f32 to_f32(u8 x) { return (f32)x; }
DEVICE f32 to_f32(i32 x) { return (f32)x; }
DEVICE f32 to_f32(i64 x) { return (f32)x; }

// To the nearest value, ties to even; integers: towards zero, saturating, NaN gives 0.
template <class T> struct Rounded;
template <> struct Rounded<f32> { DEVICE f32 of(f32 x) { return x; } };
template <> struct Rounded<f16> {
  DEVICE f16 of(f32 x) {
    f16 y;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
    return y;
  }
};
template <> struct Rounded<bf16> {
  DEVICE bf16 of(f32 x) {
    bf16 y;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
    return y;
  }
};
template <> struct Rounded<u8> { DEVICE u8 of(f32 x) { return x > 0.0f ? (u8)(x < 255.0f ? x : 255.0f) : (u8)0; } };
template <> struct Rounded<i32> { DEVICE i32 of(f32 x) { return __float2int_rz(x); } };
template <> struct Rounded<i64> { DEVICE i64 of(f32 x) { return x != x ? 0 : __float2ll_rz(x); } };
template <class T> DEVICE T rounded(f32 x) { return Rounded<T>::of(x); }

// Two of them in a word, the first one in its low half.
template <class T> struct RoundedPair;
template <> struct RoundedPair<f16> {
  DEVICE u32 of(f32 low, f32 high) {
    u32 y;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
    return y;
  }
};
template <> struct RoundedPair<bf16> {
  DEVICE u32 of(f32 low, f32 high) {
    u32 y;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
    return y;
  }
};
template <class T> DEVICE u32 rounded_pair(f32 low, f32 high) { return RoundedPair<T>::of(low, high); }

// NaN if either is NaN.
DEVICE f32 max_nan(f32 a, f32 b) {
  f32 c;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(c) : "f"(a), "f"(b));
  return c;
}
DEVICE f32 min_nan(f32 a, f32 b) {
  f32 c;
  asm("min.NaN.f32 %0, %1, %2;" : "=f"(c) : "f"(a), "f"(b));
  return c;
}

DEVICE u32 multiply_high(u32 a, u32 b) { return __umulhi(a, b); }

// --- global memory ---------------------------------------------------------------------------------------------

template <class T> using Global = T*;
template <class T> DEVICE T load(const T* from) { return *from; }
template <class T> DEVICE void store(T* to, T value) { *to = value; }
// 16 bytes, from an address that is a multiple of as many.
template <class T> DEVICE u32x4 load_words(const T* from) { return *(const u32x4*)from; }
template <class T> DEVICE void store_words(T* to, u32x4 words) { *(u32x4*)to = words; }

// --- shared memory ---------------------------------------------------------------------------------------------

extern __shared__ __align__(1024) unsigned char shared_memory[];

// An array in the block's one arena, `base` bytes from its start.
template <class T> struct Shared {
  u32 base;
  __device__ __forceinline__ T load(int i) const { return ((const T*)(shared_memory + base))[i]; }
  __device__ __forceinline__ void store(int i, T value) const { ((T*)(shared_memory + base))[i] = value; }
};

// 16 and 8 bytes, from element i on.
template <class T> DEVICE u32x4 load_words(Shared<T> from, int i) { return *(const u32x4*)(shared_memory + from.base + i * sizeof(T)); }
template <class T> DEVICE void store_words(Shared<T> to, int i, u32x4 words) { *(u32x4*)(shared_memory + to.base + i * sizeof(T)) = words; }
DEVICE void store_pair(Shared<f32> to, int i, f32 first, f32 second) {
  *(f32x2*)(shared_memory + to.base + i * 4) = f32x2{first, second};
}

DEVICE u32 shared_address(u32 offset) { return (u32)__cvta_generic_to_shared(shared_memory) + offset; }

// 16 bytes from global to shared memory, or zeros; there after wait_copies, for other threads after a barrier too.
DEVICE void copy_async(u32 to, const void* from, bool inside) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" : : "r"(shared_address(to)), "l"(from), "r"(inside ? 16 : 0) : "memory");
}
// Ends a group of this thread's copies.
DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" : : : "memory"); }
// Until at most so many of its groups are on their way.
template <int kPending> DEVICE void wait_copies() { asm volatile("cp.async.wait_group %0;" : : "n"(kPending) : "memory"); }

// --- tensor cores: all 32 lanes of a warp together -------------------------------------------------------------

// Four 8x8 matrices of 16-bit values; lanes 8i .. 8i+7 say where the rows of matrix i lie.
DEVICE void load_matrices(u32 (&to)[4], u32 row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(shared_address(row)) : "memory");
}
DEVICE void load_matrices_transposed(u32 (&to)[4], u32 row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(shared_address(row)) : "memory");
}

// The bits of an f32 to those of the nearest tf32, ties away from zero.
DEVICE u32 to_tf32(u32 bits) {
  u32 y;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(from_bits(bits)));
  return y;
}

// c[16][8] += a[16][16] * b[16][8]; with tf32, a[16][8] * b[8][8].
template <class T> struct TensorProduct;
template <> struct TensorProduct<f16> {
  DEVICE void add(f32 (&c)[4], const u32* a, const u32* b) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
};
template <> struct TensorProduct<bf16> {
  DEVICE void add(f32 (&c)[4], const u32* a, const u32* b) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
};
template <> struct TensorProduct<tf32> {
  DEVICE void add(f32 (&c)[4], const u32* a, const u32* b) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
};
template <class T> DEVICE void multiply(f32 (&c)[4], const u32* a, const u32* b) { TensorProduct<T>::add(c, a, b); }
