// Machine code for a Compilation: from the cache where it has it, else compiled in parallel and kept.
#include <chrono>
#include <functional>

#include "compiler/api/compile.h"
#include "compiler/api/cuda_kernels.h"
#include "compiler/backend/cpu/cpu_backend.h"
#include "compiler/backend/cuda/host_compiler.h"
#include "compiler/backend/cuda/nvrtc.h"
#include "compiler/base/digest.h"
#include "compiler/base/error.h"
#include "compiler/base/in_parallel.h"
#include "runtime/thread_pool.h"

namespace netc {

int64_t CodeOrigin::compiled() const {
  int64_t sum = 0;
  for (const int64_t count : misses) sum += count;
  return sum;
}

namespace {

// Thread-safe.
using Done = std::function<void(size_t position, std::vector<std::byte> object)>;

// An object for each key: what the cache lacks is made by `compile`, which is told the numbers of the missing keys and
// calls `done` with positions among them.
void fetch_or_compile(Compilation& c, const std::vector<ObjectKey>& keys,
                      const std::function<void(const std::vector<size_t>& missing, const Done& done)>& compile) {
  std::vector<std::vector<std::byte>>& objects = c.plan.program.objects;
  objects.resize(keys.size());
  ObjectCache cache(c.cache);
  c.origin.cached = cache.enabled();
  std::vector<size_t> missing;
  for (size_t i = 0; i < keys.size(); ++i) {
    Lookup found = cache.find(keys[i]);
    if (found.object) {
      objects[i] = *std::move(found.object);
      ++c.origin.from_cache;
      continue;
    }
    ++c.origin.misses[static_cast<size_t>(found.reason)];
    missing.push_back(i);
  }
  compile(missing, [&](size_t position, std::vector<std::byte> object) {
    cache.store(keys[missing[position]], object);
    objects[missing[position]] = std::move(object);
  });
  cache.enforce_limit();
  c.origin.warnings = cache.warnings();
}

void generate_for_cpu(Compilation& c, int compilers) {
  const KernelSet& set = c.plan.kernels;
  const std::string compiler = code_generator_id();
  std::vector<ObjectKey> keys;
  for (size_t i = 0; i < set.bodies.size(); ++i)
    keys.push_back({set.digests[i], set.names[i], c.plan.program.target, compiler});
  fetch_or_compile(c, keys, [&](const std::vector<size_t>& missing, const Done& done) {
    std::vector<NamedKernel> kernels;
    for (const size_t i : missing) kernels.push_back({set.names[i], &set.bodies[i]});
    compile_kernels(kernels, c.target, compilers, done);
  });
}

// What decides a kernel's cubin: its text from its name on. The comment before it names lines of the network.
std::string code_of(const CudaSource& source) { return source.text.substr(source.text.find("extern \"C\"")); }

// A cubin a kernel.
void generate_for_cuda(Compilation& c, int compilers) {
  std::string reason;
  const Nvrtc* nvrtc = Nvrtc::find(reason);
  if (!nvrtc)
    throw RuntimeError("E0935", "CUDA kernels need NVRTC, CUDA's run-time compiler: " + reason,
                       "install libnvrtc of the CUDA toolkit, or set CUDA_HOME");
  const std::vector<CudaKernel> kernels = cuda_kernels(c.plan);
  std::vector<CudaSource> sources(kernels.size());
  in_parallel(kernels.size(), compilers, [&](size_t i) { sources[i] = emit_cuda(kernels[i], c.target); });
  const std::string prelude = cuda_prelude();
  std::vector<ObjectKey> keys;
  for (size_t i = 0; i < kernels.size(); ++i) {
    KernelInfo& info = c.plan.program.kernels[i];
    info.threads = sources[i].threads;
    info.shared_bytes = sources[i].shared_bytes;
    keys.push_back({digest(prelude + code_of(sources[i])), info.symbol, c.plan.program.target, nvrtc->id()});
  }
  fetch_or_compile(c, keys, [&](const std::vector<size_t>& missing, const Done& done) {
    in_parallel(missing.size(), compilers, [&](size_t position) {
      const size_t i = missing[position];
      done(position, nvrtc->compile(sources[i].text, kernels[i].symbol, c.target).cubin);
    });
  });
}

}  // namespace

void generate(Compilation& c, int threads) {
  const auto start = std::chrono::steady_clock::now();
  c.plan.program.target = identity(c.target);
  c.plan.program.scratch_bytes = workspace_bytes(c);
  const int compilers = threads > 0 ? threads : available_processors();
  switch (c.target.kind) {
    case TargetKind::cpu: generate_for_cpu(c, compilers); break;
    case TargetKind::cuda: generate_for_cuda(c, compilers); break;
    case TargetKind::cuda_emulation:  // several kernels an object: not kept
      c.plan.program.objects = compile_emulation(cuda_kernels(c.plan), c.target, compilers);
      c.origin.misses[0] = static_cast<int64_t>(c.plan.kernels.bodies.size());
      break;
  }
  c.seconds.back = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace netc
