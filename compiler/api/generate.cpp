// Machine code for a Compilation: from the cache where it has it, else compiled in parallel and kept.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <map>

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
  c.origin.warnings.insert(c.origin.warnings.end(), cache.warnings().begin(), cache.warnings().end());
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

// Cubins with several functions each: NVRTC reads the prelude once for all of them. The cache finds functions
// one by one, and a function's entry names the entry of its cubin, so that networks share what they have in
// common.
class CubinCache {
 public:
  CubinCache(Compilation& c, const std::string& compiler)
      : c_(c), cache_(c.cache), compiler_(compiler), prelude_(cuda_prelude()) {
    Target untuned = c.target;
    untuned.features.clear();  // chosen tiles: a function's text says which it has
    architecture_ = identity(untuned);
    c_.origin.cached = cache_.enabled();
    c_.plan.program.objects.clear();
  }

  // The number of the object that has the function, or -1.
  int32_t find(const CudaSource& source) {
    Lookup entry = cache_.find(key_of(source));
    if (entry.object && entry.object->size() == sizeof(Digest)) {
      Digest cubin;
      std::memcpy(&cubin, entry.object->data(), sizeof cubin);
      const auto known = objects_.find(cubin);
      if (known != objects_.end()) return ++c_.origin.from_cache, known->second;
      Lookup whole = cache_.find(cubin_key(cubin));
      if (whole.object) {
        ++c_.origin.from_cache;
        return objects_[cubin] = add(*std::move(whole.object));
      }
      entry.reason = whole.reason;
    }
    ++c_.origin.misses[static_cast<size_t>(entry.reason)];
    return -1;
  }

  // Thread-safe.
  void store(const std::vector<const CudaSource*>& functions, const Digest& code,
             const std::vector<std::byte>& cubin) {
    cache_.store(cubin_key(code), cubin);
    for (const CudaSource* source : functions)
      cache_.store(key_of(*source), {reinterpret_cast<const std::byte*>(&code), sizeof code});
  }

  int32_t add(std::vector<std::byte> cubin) {
    c_.plan.program.objects.push_back(std::move(cubin));
    return static_cast<int32_t>(c_.plan.program.objects.size()) - 1;
  }

  void finish() {
    cache_.enforce_limit();
    c_.origin.warnings.insert(c_.origin.warnings.end(), cache_.warnings().begin(), cache_.warnings().end());
  }

 private:
  ObjectKey key_of(const CudaSource& source) const {
    return {digest(prelude_ + source.code), source.function, architecture_, compiler_};
  }
  ObjectKey cubin_key(const Digest& code) const {
    return {code, "several functions", architecture_, compiler_};
  }

  Compilation& c_;
  ObjectCache cache_;
  const std::string compiler_, prelude_;
  std::string architecture_;
  std::map<Digest, int32_t> objects_;  // by the code of all their functions
};

// As many functions as share a cubin: more, and few processors would have work.
size_t functions_of_cubin(size_t functions, int compilers) {
  constexpr size_t kMost = 16;
  const size_t each = (functions + static_cast<size_t>(compilers) - 1) / static_cast<size_t>(compilers);
  return std::clamp(each, size_t{1}, kMost);
}

void generate_for_cuda(Compilation& c, int compilers) {
  std::string reason;
  const Nvrtc* nvrtc = Nvrtc::find(reason);
  if (!nvrtc)
    throw RuntimeError("E0935", "CUDA kernels need NVRTC, CUDA's run-time compiler: " + reason,
                       "install libnvrtc of the CUDA toolkit, or set CUDA_HOME");
  const std::vector<CudaKernel> kernels = cuda_kernels(c.plan);
  const std::vector<CudaSource> sources = emit_cuda(kernels, c.target, compilers);
  const std::vector<std::vector<size_t>> functions = group_by_function(sources);
  CubinCache cache(c, nvrtc->id());
  std::vector<int32_t> objects;  // of each function
  std::vector<size_t> missing;
  for (size_t f = 0; f < functions.size(); ++f) {
    objects.push_back(cache.find(sources[functions[f].front()]));
    if (objects.back() < 0) missing.push_back(f);
  }
  const size_t each = functions_of_cubin(missing.size(), compilers),
               cubins = (missing.size() + each - 1) / each;
  std::vector<std::vector<std::byte>> compiled(cubins);
  in_parallel(cubins, compilers, [&](size_t cubin) {
    std::vector<const CudaSource*> some;
    std::string code;
    for (size_t i = cubin; i < missing.size(); i += cubins) {  // dealt out: neighbours are of a kind
      some.push_back(&sources[functions[missing[i]].front()]);
      code += some.back()->code;
    }
    compiled[cubin] = nvrtc->compile(code, some.front()->function, c.target).cubin;
    cache.store(some, digest(cuda_prelude() + code), compiled[cubin]);
  });
  for (size_t cubin = 0; cubin < cubins; ++cubin) {
    const int32_t object = cache.add(std::move(compiled[cubin]));
    for (size_t i = cubin; i < missing.size(); i += cubins) objects[missing[i]] = object;
  }
  cache.finish();
  c.device_kernels = describe_kernels(sources, objects, c.plan.program);
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
    case TargetKind::cuda_emulation:  // not kept
      c.plan.program.objects = compile_emulation(cuda_kernels(c.plan), c.target, compilers);
      c.origin.misses[0] = static_cast<int64_t>(c.plan.kernels.bodies.size());
      break;
  }
  c.seconds.back = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace netc
