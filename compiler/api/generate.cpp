// Machine code for a Compilation: from the cache where it has it, else compiled in parallel and kept.
#include <chrono>

#include "compiler/api/compile.h"
#include "compiler/api/cuda_kernels.h"
#include "compiler/backend/cpu/cpu_backend.h"
#include "compiler/backend/cuda/host_compiler.h"
#include "compiler/base/error.h"
#include "compiler/lower/tasks.h"
#include "runtime/thread_pool.h"

namespace netc {

int64_t CodeOrigin::compiled() const {
  int64_t sum = 0;
  for (const int64_t count : misses) sum += count;
  return sum;
}

void generate(Compilation& c, int threads) {
  const auto start = std::chrono::steady_clock::now();
  const KernelSet& set = c.plan.kernels;
  Program& program = c.plan.program;
  program.target = identity(c.target);
  program.scratch_bytes = workspace_bytes(c);
  const int compilers = threads > 0 ? threads : available_processors();
  if (is_cuda(c.target)) {
    if (c.target.kind == TargetKind::cuda)
      throw RuntimeError("E0922", "this build of netc writes CUDA kernels, but cannot run them on a GPU yet",
                         "--device cuda-emulation runs them on the CPU");
    program.objects = compile_emulation(cuda_kernels(c.plan), c.target, compilers);  // several kernels an object: not kept
    c.origin.misses[0] = static_cast<int64_t>(set.bodies.size());
    c.seconds.back = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return;
  }
  program.objects.resize(set.bodies.size());

  ObjectCache cache(c.cache);
  CodeOrigin& origin = c.origin;
  origin.cached = cache.enabled();
  const std::string compiler = code_generator_id();
  std::vector<ObjectKey> keys;           // of the kernels that are compiled
  std::vector<NamedKernel> kernels;
  std::vector<size_t> numbers;
  for (size_t i = 0; i < set.bodies.size(); ++i) {
    ObjectKey key{set.digests[i], set.names[i], program.target, compiler};
    Lookup found = cache.find(key);
    if (found.object) {
      program.objects[i] = *std::move(found.object);
      ++origin.from_cache;
      continue;
    }
    ++origin.misses[static_cast<size_t>(found.reason)];
    keys.push_back(std::move(key));
    kernels.push_back({set.names[i], &set.bodies[i]});
    numbers.push_back(i);
  }
  compile_kernels(kernels, c.target, compilers,
                  [&](size_t kernel, std::vector<std::byte> object) {
                    cache.store(keys[kernel], object);
                    program.objects[numbers[kernel]] = std::move(object);
                  });
  cache.enforce_limit();
  origin.warnings = cache.warnings();
  c.seconds.back = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace netc
