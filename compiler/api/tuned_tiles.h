// The tiles of matrix products that `netc tune` found to be fastest on this machine's GPU: one entry in the
// cache for the GPU, its driver and NVRTC, which every tuning adds to and every plan for `--device cuda`
// reads once.
//
//   remember_tiles({{key, {128, 64}}}, target, settings.cache);
//   target.features = remembered_tiles(target, settings.cache, warnings);   // "tile:3f0a…=128x64;…"
#pragma once

#include <string>
#include <vector>

#include "compiler/cache/cache_settings.h"
#include "compiler/lower/cuda_gemm_plan.h"
#include "compiler/lower/cuda_tiles.h"
#include "compiler/lower/kernel.h"

namespace netc {

// The matrix product that a kernel is on a GPU; nullopt where it is none.
std::optional<CudaGemmPlan> product_of(const KernelBody& body, const Target& target);

// What the cache has; empty where it has nothing for this GPU, or there is no GPU. Adds what the user should
// know of the cache.
std::string remembered_tiles(const Target& target, const CacheSettings& cache,
                             std::vector<std::string>& warnings);

// Adds to what the cache has, and replaces what it has of the same products; an entry that cannot be read is
// replaced as a whole. THROWS RuntimeError E0935 without a GPU, E0926 where the cache does not keep it.
void remember_tiles(const TileChoices& choices, const Target& target, const CacheSettings& cache);

// Those choices of the target that are of products among these kernels: what is measured of other networks
// makes no other target.
std::string tiles_of(const std::vector<KernelBody>& kernels, const Target& target);

}  // namespace netc
