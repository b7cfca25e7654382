#include "compiler/api/tuned_tiles.h"

#include <memory>
#include <optional>

#include "compiler/backend/cuda/nvrtc.h"
#include "compiler/base/digest.h"
#include "compiler/base/error.h"
#include "compiler/cache/object_cache.h"
#include "compiler/lower/cuda_plan.h"
#include "runtime/cuda/device.h"

namespace netc {
namespace {

// Where the tiles of this machine's GPU are. nullopt, with a reason: there is none that netc can use.
std::optional<ObjectKey> tiles_key(const Target& target, std::string& reason) {
  const std::shared_ptr<CudaDevice> gpu = find_cuda_device(reason);
  const Nvrtc* nvrtc = gpu ? Nvrtc::find(reason) : nullptr;
  if (!nvrtc) return std::nullopt;
  Target plain = target;
  plain.features.clear();
  return ObjectKey{
      digest("tiles"), "tiles",
      identity(plain) + ", " + gpu->info().name + ", driver " + std::to_string(gpu->info().driver_version),
      nvrtc->id()};
}

std::string read_tiles(ObjectCache& cache, const ObjectKey& key) {
  const Lookup found = cache.find(key);
  return found.object ? std::string(reinterpret_cast<const char*>(found.object->data()), found.object->size())
                      : "";
}

}  // namespace

std::optional<CudaGemmPlan> product_of(const KernelBody& body, const Target& target) {
  return body.contraction ? plan_cuda(body, target).gemm : std::nullopt;
}

std::string remembered_tiles(const Target& target, const CacheSettings& settings,
                             std::vector<std::string>& warnings) {
  if (settings.folder.empty()) return "";
  std::string reason;
  const std::optional<ObjectKey> key = tiles_key(target, reason);
  if (!key) return "";
  ObjectCache cache(settings);
  std::string tiles = read_tiles(cache, *key);
  warnings.insert(warnings.end(), cache.warnings().begin(), cache.warnings().end());
  return tiles;
}

void remember_tiles(const TileChoices& choices, const Target& target, const CacheSettings& settings) {
  std::string reason;
  const std::optional<ObjectKey> key = tiles_key(target, reason);
  if (!key) throw RuntimeError("E0935", "no GPU to measure on: " + reason);
  TileChoices all = choices;
  {
    ObjectCache cache(
        settings);  // one of its own: a damaged entry is worth no error here, a new one replaces it
    all.merge(tile_choices(read_tiles(cache, *key)));
  }
  ObjectCache cache(settings);
  const std::string text = to_string(all);
  cache.store(*key, std::as_bytes(std::span(text)));
  cache.enforce_limit();
  if (!cache.warnings().empty()) throw RuntimeError("E0926", cache.warnings().front(), "--cache-dir DIR");
}

std::string tiles_of(const std::vector<KernelBody>& kernels, const Target& target) {
  TileChoices own;
  for (const KernelBody& body : kernels)
    if (const std::optional<CudaGemmPlan> product = product_of(body, target);
        product && product->tile_measured)
      own[product->key] = {product->block_m, product->block_n};
  return to_string(own);
}

}  // namespace netc
