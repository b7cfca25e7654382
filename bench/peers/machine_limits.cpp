// What this machine can do at most, with 1..T threads: fused multiply-adds in f32 and bf16, and memory bandwidth.
//
//   machine_limits 2    ->  {"threads": 2, "f32_gflops": 468.1, "bf16_gflops": 925.0, "copy_gbps": 38.2, "triad_gbps": 36.9}
//
// Multiply-adds run in registers, as many chains as hide their latency; bytes are those that the program reads and writes (a
// write that first reads the line counts once). Best of many short windows.
#include <immintrin.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kChains = 16;
constexpr int64_t kRounds = 400000;

#if defined(__AVX512F__)
using Vector = __m512;
Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
Vector broadcast(float v) { return _mm512_set1_ps(v); }
#else
using Vector = __m256;
Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
Vector broadcast(float v) { return _mm256_set1_ps(v); }
#endif

volatile float sink;

double f32_flops() {
  Vector sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = broadcast(static_cast<float>(i));
  Vector a = broadcast(0.999f), b = broadcast(1e-3f);
  for (int64_t r = 0; r < kRounds; ++r) {
    for (int i = 0; i < kChains; ++i) sums[i] = fma(sums[i], a, b);
    asm volatile("" : "+v"(a), "+v"(b));
  }
  Vector total = sums[0];
  for (int i = 1; i < kChains; ++i) total = fma(total, a, sums[i]);
  sink = reinterpret_cast<float*>(&total)[0];
  return 2.0 * kChains * kRounds * (sizeof(Vector) / sizeof(float));
}

#if defined(__AVX512BF16__)
double bf16_flops() {
  __m512 sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(i));
  __m512bh a = (__m512bh)_mm512_set1_epi16(0x3c00), b = (__m512bh)_mm512_set1_epi16(0x3a00);
  for (int64_t r = 0; r < kRounds; ++r) {
    for (int i = 0; i < kChains; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], a, b);
    asm volatile("" : "+v"(a), "+v"(b));
  }
  __m512 total = sums[0];
  for (int i = 1; i < kChains; ++i) total = _mm512_add_ps(total, sums[i]);
  sink = reinterpret_cast<float*>(&total)[0];
  return 4.0 * kChains * kRounds * 16;
}
#endif

// Thread t on the t-th processor that we may use: short windows would end before the scheduler spreads them.
void pin(int thread) {
  cpu_set_t allowed, own;
  sched_getaffinity(0, sizeof allowed, &allowed);
  CPU_ZERO(&own);
  int seen = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &allowed) && seen++ == thread % CPU_COUNT(&allowed)) CPU_SET(cpu, &own);
  pthread_setaffinity_np(pthread_self(), sizeof own, &own);
}

// Runs `work(thread)` on all threads at once, several times; the greatest units a second. `work` gives its units.
double best_rate(int threads, int repeats, const std::function<double(int)>& work) {
  std::vector<double> units(static_cast<size_t>(threads));
  double best = 0;
  Clock::time_point start;
  std::barrier gate(threads);
  std::vector<std::thread> pool;
  for (int t = 0; t < threads; ++t)
    pool.emplace_back([&, t] {
      pin(t);
      for (int r = 0; r < repeats; ++r) {
        gate.arrive_and_wait();
        if (t == 0) start = Clock::now();
        gate.arrive_and_wait();
        units[static_cast<size_t>(t)] = work(t);
        gate.arrive_and_wait();
        if (t > 0) continue;
        double total = 0;
        for (double u : units) total += u;
        best = std::max(best, total / std::chrono::duration<double>(Clock::now() - start).count());
      }
    });
  for (std::thread& thread : pool) thread.join();
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::max(1, std::atoi(argv[1])) : 1;
  const double f32 = best_rate(threads, 30, [](int) { return f32_flops(); });
  double bf16 = 0;
#if defined(__AVX512BF16__)
  bf16 = best_rate(threads, 30, [](int) { return bf16_flops(); });
#endif
  constexpr size_t kFloats = size_t{16} << 20;  // 64 MiB an array, all threads together
  const size_t share = kFloats / static_cast<size_t>(threads);
  std::vector<float> a(kFloats, 1.f), b(kFloats, 2.f), c(kFloats, 3.f);
  const auto at = [&](std::vector<float>& v, int t) { return v.data() + static_cast<size_t>(t) * share; };
  const double copy = best_rate(threads, 12, [&](int t) {
    std::copy_n(at(b, t), share, at(a, t));
    return 2.0 * sizeof(float) * static_cast<double>(share);
  });
  const double triad = best_rate(threads, 12, [&](int t) {
    float *x = at(a, t), *y = at(b, t), *z = at(c, t);
    for (size_t i = 0; i < share; ++i) x[i] = y[i] + 0.5f * z[i];
    return 3.0 * sizeof(float) * static_cast<double>(share);
  });
  std::printf("{\"threads\": %d, \"f32_gflops\": %.1f, \"bf16_gflops\": %.1f, \"copy_gbps\": %.1f, \"triad_gbps\": %.1f}\n", threads,
              f32 / 1e9, bf16 / 1e9, copy / 1e9, triad / 1e9);
}
