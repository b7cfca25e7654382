// Speed of direct contractions: every convolution of ResNet-50, in the three directions, against the FMA peak of this machine
// measured in the same run.
//
//   contraction_speed [--batch 8] [--threads 1] [--only TEXT] [--direction forward|data|weight] [--seconds 0.1]
//                     [--bf16] [--cold] [--winograd] [--cifar] [--tune] [--plans] [--asm]
// `--bf16`: operands of 16 bits, with `--winograd` too; shares are still of the f32 peak. `--cold` gives every run operands that left the caches, as in a training step. `--winograd`: the 3x3 layers
// of ResNets also by F(2,3) and F(4,3), beside the direct contraction; with `--direction weight` their weight gradients. `--cifar`: the layers
// of CIFAR-10's ResNet-20 instead. `--tune` compiles the neighbours of the plan's tile too and prints the best. Times are the best of many runs.
#include <immintrin.h>

#include <bit>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>

#include "compiler/backend/cpu/cpu_backend.h"
#include "compiler/lower/contraction_plan.h"
#include "compiler/ops/registry.h"
#include "runtime/cpu/load.h"
#include "runtime/thread_pool.h"
#include "tests/cpu/blocked_convolution.h"

namespace {

using namespace netc;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double best_seconds(double window, const std::function<void()>& run) {
  double best = 1e9;
  const double end = now() + window;
  for (int i = 0; i < 3 || now() < end; ++i) {
    const double start = now();
    run();
    best = std::min(best, now() - start);
  }
  return best;
}

// Multiply-adds of one thread in registers.
__attribute__((target("avx512f"))) double fma512(int64_t steps) {
  __m512 sums[16], a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(1e-9f);
  for (__m512& s : sums) s = _mm512_set1_ps(1);
  for (int64_t i = 0; i < steps; ++i)
#pragma GCC unroll 16
    for (__m512& s : sums) s = _mm512_fmadd_ps(s, a, b);
  float total = 0;
  for (__m512& s : sums) total += s[0];
  return static_cast<double>(total);
}
__attribute__((target("avx2,fma"))) double fma256(int64_t steps) {
  __m256 sums[12], a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(1e-9f);
  for (__m256& s : sums) s = _mm256_set1_ps(1);
  for (int64_t i = 0; i < steps; ++i)
#pragma GCC unroll 12
    for (__m256& s : sums) s = _mm256_fmadd_ps(s, a, b);
  float total = 0;
  for (__m256& s : sums) total += s[0];
  return static_cast<double>(total);
}

double peak_flops(ThreadPool& pool, const Target& target) {
  constexpr int64_t kSteps = 1 << 18;
  volatile double sink = 0;
  auto work = [&](int, int64_t, int64_t) { sink = target.vector_lanes == 16 ? fma512(kSteps) : fma256(kSteps); };
  const double seconds = best_seconds(0.1, [&] { pool.parallel_for(pool.workers(), work); });
  const double per_step = target.vector_lanes == 16 ? 16 * 16 * 2.0 : 12 * 8 * 2.0;
  return per_step * static_cast<double>(kSteps * pool.workers()) / seconds;
}

constexpr int64_t kColdBytes = 96 << 20;  // what a cold run's operands were last touched before

// One compiled kernel with memory of its own.
class Kernel {
 public:
  Kernel(const KernelBody& body, const Target& target, const std::optional<DirectTile>& tile, bool cold)
      : plan_(plan_contraction(body, target, tile)) {
    Program program;
    const NamedKernel named{"kernel", &body, tile};
    const double start = now();
    program.objects.push_back(compile_object({&named, 1}, target));
    compile_seconds = now() - start;
    code_bytes = program.objects[0].size();
    KernelInfo info{"kernel", {}};
    for (const KernelOperand& o : body.operands) info.operand_spaces.push_back(o.space);
    program.kernels.push_back(info);
    executable_ = load_on_cpu(std::move(program));
    tasks = TaskGrid::of(body.nest.extents, *output_block(plan_)).tasks();
    int64_t size = 4096;
    for (const KernelOperand& o : body.operands) {
      offsets_.push_back(size);
      int64_t span = 1;
      for (size_t d = 0; d < o.shape.size(); ++d) span += (o.shape[d] - 1) * o.strides[d];
      size += ceil_div(span * 4 + 4096, 4096) * 4096 + 128;  // not all at the same place of a page
    }
    arena_bytes_ = ceil_div(size, 4096) * 4096;
    if (cold) copies_ = ceil_div(kColdBytes, arena_bytes_) + 1;
    arena_.reset(static_cast<std::byte*>(std::aligned_alloc(4096, static_cast<size_t>(copies_ * arena_bytes_))));
    auto* values = reinterpret_cast<float*>(arena_.get());
    // As f32 and as pairs of bf16 small normal numbers.
    for (int64_t i = 0; i < copies_ * arena_bytes_ / 4; ++i) values[i] = std::bit_cast<float>(0x3c003c00u + static_cast<uint32_t>(i % 7) * 0x40004u);
    scratch_bytes_ = ceil_div(netc::scratch_bytes(plan_) + 64, 4096) * 4096;
  }

  void run(ThreadPool& pool) {
    if (!scratch_) scratch_.reset(static_cast<std::byte*>(std::aligned_alloc(4096, static_cast<size_t>(scratch_bytes_ * pool.workers()))));
    KernelFunction function = executable_->function(0);
    std::byte* arena = arena_.get() + copy_ * arena_bytes_;
    copy_ = (copy_ + 1) % copies_;
    pool.parallel_for(tasks, [&](int worker, int64_t first, int64_t last) {
      const KernelArgs args{offsets_.data(), &scalars_, scratch_.get() + worker * scratch_bytes_};
      function(arena, arena, &args, first, last);
    });
  }

  const DirectPlan& plan() const { return std::get<DirectPlan>(plan_); }
  const WinogradPlan& winograd() const { return std::get<WinogradPlan>(plan_); }
  int64_t tasks = 0;
  size_t code_bytes = 0;
  double compile_seconds = 0;

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  ContractionPlan plan_;
  std::unique_ptr<HostExecutable> executable_;
  std::vector<int64_t> offsets_;
  std::unique_ptr<std::byte, Free> arena_, scratch_;
  int64_t scratch_bytes_ = 0, arena_bytes_ = 0, copies_ = 1, copy_ = 0;
  RuntimeScalars scalars_;
};

struct Layer {
  int count;  // in ResNet-50
  BlockedConvolution convolution;
  bool into_window, from_window;  // whether its output is read by a window, whether its input was made by one
};

std::vector<Layer> resnet50(int64_t n) {
  std::vector<Layer> layers{{1, {n, 3, 224, 224, 64, 7, 7, 2, 3}, false, false}};
  auto add = [&](int count, int64_t c, int64_t k, int64_t size, int64_t window, int64_t stride) {
    layers.push_back({count, {n, c, size, size, k, window, window, stride, window / 2}, window == 1 && k <= c && stride == 1,
                      window == 1 && k > c && stride == 1});
  };
  add(1, 64, 64, 56, 1, 1);
  add(3, 64, 64, 56, 3, 1);
  add(4, 64, 256, 56, 1, 1);
  add(2, 256, 64, 56, 1, 1);
  add(1, 256, 128, 56, 1, 1);
  add(1, 128, 128, 56, 3, 2);
  add(1, 256, 512, 56, 1, 2);
  add(4, 128, 512, 28, 1, 1);
  add(3, 512, 128, 28, 1, 1);
  add(3, 128, 128, 28, 3, 1);
  add(1, 512, 256, 28, 1, 1);
  add(1, 256, 256, 28, 3, 2);
  add(1, 512, 1024, 28, 1, 2);
  add(6, 256, 1024, 14, 1, 1);
  add(5, 1024, 256, 14, 1, 1);
  add(5, 256, 256, 14, 3, 1);
  add(1, 1024, 512, 14, 1, 1);
  add(1, 512, 512, 14, 3, 2);
  add(1, 1024, 2048, 14, 1, 2);
  add(3, 512, 2048, 7, 1, 1);
  add(2, 2048, 512, 7, 1, 1);
  add(2, 512, 512, 7, 3, 1);
  return layers;
}

KernelBody body_of(const Layer& layer, Direction direction, DType dtype) {
  const bool halo = direction == Direction::forward ? layer.into_window : direction == Direction::data_gradient && layer.from_window;
  KernelBody body = blocked_body(layer.convolution, direction, halo, dtype);
  if (direction == Direction::forward) add_epilogue(body, layer.convolution.k, layer.from_window);
  return body;
}

struct Options {
  int64_t batch = 8;
  int threads = 1;
  std::string only, direction;
  double seconds = 0.1;
  DType dtype = DType::f32;
  bool cold = false, winograd = false, cifar = false, tune = false, plans = false, assembly = false;
};

// Those of the CIFAR-10 ResNets: 3x3 everywhere.
std::vector<Layer> cifar_resnet(int64_t n) {
  std::vector<Layer> layers{{1, {n, 3, 32, 32, 16, 3, 3, 1, 1}, true, false}};
  layers.push_back({6, {n, 16, 32, 32, 16, 3, 3, 1, 1}, true, true});
  layers.push_back({1, {n, 16, 32, 32, 32, 3, 3, 2, 1}, true, true});
  layers.push_back({5, {n, 32, 16, 16, 32, 3, 3, 1, 1}, true, true});
  layers.push_back({1, {n, 32, 16, 16, 64, 3, 3, 2, 1}, true, true});
  layers.push_back({5, {n, 64, 8, 8, 64, 3, 3, 1, 1}, true, true});
  return layers;
}

std::vector<Layer> layers_of(const Options& options) { return options.cifar ? cifar_resnet(options.batch) : resnet50(options.batch); }

std::string text_of(const DirectTile& tile) {
  return std::to_string(tile.groups) + "x" + std::to_string(tile.rows) + (tile.group_innermost ? " inner " : " outer ") +
         std::to_string(tile.sum_block_bytes >> 10) + "K" +
         (tile.prefetch_steps > 0 ? " +" + std::to_string(tile.prefetch_steps) : "");
}

void tune(const KernelBody& body, const Target& target, const DirectTile& chosen, double own, const Options& options, ThreadPool& pool) {
  std::vector<DirectTile> tiles;
  for (auto [g, r] : {std::pair<int64_t, int64_t>{0, 0}, {1, 8}, {1, 14}, {1, 16}, {1, 24}, {2, 4}, {2, 7}, {2, 8}, {2, 10}, {2, 12}, {2, 13},
                      {2, 14}, {3, 6}, {3, 7}, {3, 8}, {3, 9}, {4, 4}, {4, 5}, {4, 6}, {4, 7}, {5, 5}, {6, 4}, {8, 3}})
    for (bool inner : {false, true})
      for (int64_t kilobytes : {0, 32, 96, 256, 512}) {
        DirectTile tile = chosen;
        if (g > 0) tile.groups = g, tile.rows = r;
        if (g > 0 && (inner != chosen.group_innermost || kilobytes != chosen.sum_block_bytes >> 10)) continue;
        tile.group_innermost = inner;
        tile.sum_block_bytes = kilobytes << 10;
        tiles.push_back(tile);
      }
  for (int64_t steps : {0, 16, 32, 64, 128}) {
    tiles.push_back(chosen);
    tiles.back().prefetch_steps = steps;
  }
  double best = own;
  DirectTile best_tile = chosen;
  for (const DirectTile& tile : tiles) {
    Kernel kernel(body, target, tile, options.cold);
    const double seconds = best_seconds(options.seconds, [&] { kernel.run(pool); });
    if (seconds >= best * 0.99) continue;
    best = seconds;
    best_tile = tile;
  }
  std::printf("  best %.2fx with %s", own / best, text_of(best_tile).c_str());
}

void measure(const Options& options) {
  const Target target = host_target();
  ThreadPool pool(options.threads);
  const double peak = peak_flops(pool, target);
  std::printf("%d threads, FMA peak %.0f GFLOP/s; columns: GFLOP/s, share of the peak, microseconds, tasks, tile, code KB, compile ms\n",
              options.threads, peak * 1e-9);
  for (Direction direction : {Direction::forward, Direction::data_gradient, Direction::weight_gradient}) {
    if (!options.direction.empty() && std::string(name_of(direction)).find(options.direction) == std::string::npos) continue;
    std::printf("%s\n", name_of(direction));
    double log_share = 0, total = 0, flops_total = 0;
    int layers = 0;
    for (const Layer& layer : layers_of(options)) {
      const std::string name = name_of(layer.convolution);
      if (name.find(options.only) == std::string::npos) continue;
      if (direction == Direction::data_gradient && layer.convolution.c < 16) continue;
      const KernelBody body = body_of(layer, direction, options.dtype);
      Kernel kernel(body, target, std::nullopt, options.cold);
      const double seconds = best_seconds(options.seconds, [&] { kernel.run(pool); });
      const double flops = 2 * layer.convolution.multiply_adds();
      std::printf("  %-36s %6.1f %5.1f%% %8.0f %5ld  %-18s %5.1f %5.0f", name.c_str(), flops / seconds * 1e-9, 100 * flops / seconds / peak,
                  seconds * 1e6, static_cast<long>(kernel.tasks), text_of(kernel.plan().tile).c_str(),
                  static_cast<double>(kernel.code_bytes) / 1024, kernel.compile_seconds * 1e3);
      if (options.tune) tune(body, target, kernel.plan().tile, seconds, options, pool);
      std::printf("\n");
      std::fflush(stdout);
      if (options.plans) std::printf("%s", to_string(kernel.plan()).c_str());
      if (options.assembly) std::printf("%s", emit_asm_text(body, "kernel", target).c_str());
      log_share += std::log(flops / seconds / peak);
      ++layers;
      total += layer.count * seconds;
      flops_total += layer.count * flops;
    }
    if (layers > 0)
      std::printf("  geometric mean %.1f%% of the peak; all layers %.2f ms, %.1f GFLOP/s\n", 100 * std::exp(log_share / layers), total * 1e3,
                  flops_total / total * 1e-9);
  }
}

// Of dense tensors.
Contraction weight_gradient_of(const BlockedConvolution& v) {
  const OpDef& def = op("convolution_weight_gradient");
  const Attrs attrs = complete_attrs(def, {{"pad_h", v.pad}, {"pad_w", v.pad}, {"window_h", v.window_h}, {"window_w", v.window_w}});
  OpCall call{attrs, {{DType::f32, {v.n, v.c, v.h, v.w}}, {DType::f32, {v.n, v.k, v.out_h(), v.out_w()}}}, {true, true}, {}};
  call.outputs = def.infer(call);
  return def.contract(call);
}

// The 3x3 layers with stride 1 of ResNet-18, directly and by Winograd, by turns.
void compare_winograd(const Options& options) {
  const Target target = host_target();
  ThreadPool pool(options.threads);
  std::printf("%d threads; columns: microseconds directly; by tile 2 and 4: microseconds, gain, tasks; what would be chosen\n", options.threads);
  for (const Layer& layer : layers_of(options)) {
    const BlockedConvolution& v = layer.convolution;
    const std::string name = name_of(v);
    if (v.window_h != 3 || v.stride != 1 || v.c < 16 || name.find(options.only) == std::string::npos) continue;
    KernelBody body = blocked_body(v, Direction::forward, true, options.dtype);
    add_epilogue(body, v.k, true);
    Kernel direct(body, target, std::nullopt, options.cold);
    Kernel two(with_winograd(body, {2}), target, std::nullopt, options.cold), four(with_winograd(body, {4}), target, std::nullopt, options.cold);
    double best[3] = {1e9, 1e9, 1e9};
    Kernel* const kernels[3] = {&direct, &two, &four};
    for (int turn = 0; turn < 5; ++turn)
      for (int i = 0; i < 3; ++i) best[i] = std::min(best[i], best_seconds(options.seconds / 5, [&] { kernels[i]->run(pool); }));
    std::printf("  %-36s %8.0f", name.c_str(), best[0] * 1e6);
    for (int i = 1; i < 3; ++i)
      std::printf("   %8.0f %5.2f %4ld", best[i] * 1e6, best[0] / best[i], static_cast<long>(kernels[i]->tasks));
    const WinogradChoice choice = choose_winograd(body.contraction->contraction, options.dtype, WeightTransforms::once, target);
    std::printf("   %s\n", choice.reason.c_str());
    if (options.plans) std::printf("%s%s", to_string(two.winograd()).c_str(), to_string(four.winograd()).c_str());
    if (options.assembly) std::printf("%s", emit_asm_text(with_winograd(body, {4}), "kernel", target).c_str());
  }
}

// Their weight gradients, in the parts that would be chosen, by turns.
void compare_winograd_gradients(const Options& options) {
  const Target target = host_target();
  ThreadPool pool(options.threads);
  std::printf("%d threads; columns: microseconds directly; by tile 2 and 4: microseconds, gain, tasks; what would be chosen\n", options.threads);
  for (const Layer& layer : layers_of(options)) {
    const BlockedConvolution& v = layer.convolution;
    const std::string name = name_of(v);
    if (v.window_h != 3 || v.stride != 1 || v.c < 16 || name.find(options.only) == std::string::npos) continue;
    const WinogradGradientChoice choice = choose_winograd_gradient(weight_gradient_of(v), options.dtype, {}, target);
    const KernelBody body = blocked_body(v, Direction::weight_gradient, false, options.dtype);
    Kernel direct(body, target, std::nullopt, options.cold);
    Kernel two(with_winograd_gradient(body, {2}, choice.parts), target, std::nullopt, options.cold),
        four(with_winograd_gradient(body, {4}, choice.parts), target, std::nullopt, options.cold);
    double best[3] = {1e9, 1e9, 1e9};
    Kernel* const kernels[3] = {&direct, &two, &four};
    for (int turn = 0; turn < 5; ++turn)
      for (int i = 0; i < 3; ++i) best[i] = std::min(best[i], best_seconds(options.seconds / 5, [&] { kernels[i]->run(pool); }));
    std::printf("  %-36s %8.0f", name.c_str(), best[0] * 1e6);
    for (int i = 1; i < 3; ++i) std::printf("   %8.0f %5.2f %4ld", best[i] * 1e6, best[0] / best[i], static_cast<long>(kernels[i]->tasks));
    std::printf("   %s, %ld parts\n", choice.reason.c_str(), static_cast<long>(choice.parts));
    if (options.plans)
      for (int64_t tile : {2, 4}) std::printf("%s", to_string(plan_winograd_gradient(with_winograd_gradient(body, {tile}, choice.parts), target)).c_str());
    if (options.assembly) std::printf("%s", emit_asm_text(with_winograd_gradient(body, {4}, choice.parts), "kernel", target).c_str());
  }
}

}  // namespace

int main(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string flag = arguments[i];
    auto next = [&] {
      if (i + 1 == count) std::fprintf(stderr, "%s wants a value\n", flag.c_str()), std::exit(2);
      return arguments[++i];
    };
    if (flag == "--batch") options.batch = std::atoll(next());
    else if (flag == "--threads") options.threads = std::atoi(next());
    else if (flag == "--only") options.only = next();
    else if (flag == "--direction") options.direction = next();
    else if (flag == "--seconds") options.seconds = std::atof(next());
    else if (flag == "--bf16") options.dtype = DType::bf16;
    else if (flag == "--cold") options.cold = true;
    else if (flag == "--winograd") options.winograd = true;
    else if (flag == "--cifar") options.cifar = true;
    else if (flag == "--tune") options.tune = true;
    else if (flag == "--plans") options.plans = true;
    else if (flag == "--asm") options.assembly = true;
    else return std::fprintf(stderr, "unknown flag %s\n", flag.c_str()), 2;
  }
  if (options.winograd && options.direction == "weight") compare_winograd_gradients(options);
  else if (options.winograd) compare_winograd(options);
  else measure(options);
}
