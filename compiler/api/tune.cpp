#include "compiler/api/tune.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include "compiler/api/model.h"
#include "compiler/api/predictor.h"
#include "compiler/api/tuned_tiles.h"
#include "compiler/base/error.h"

namespace netc {
namespace {

constexpr int kWarmUp = 2;  // the first run waits after each launch, and clocks rise

CudaTile tile_of(const CudaGemmPlan& plan) {
  return {plan.block_m, plan.block_n};
}

std::optional<CudaGemmPlan> product_of(const Compilation& c, const Launch& launch) {
  return product_of(c.plan.kernels.bodies[static_cast<size_t>(launch.kernel)], c.target);
}

void require_measurable(const CompileSettings& settings) {
  if (settings.device != "cuda") {
    const std::string why = settings.device == "cuda-emulation"
                                ? "the emulation's time says nothing of a GPU's"
                            : settings.device == "cpu" ? "on a CPU tiles follow from a cost model alone"
                                                       : "what is measured holds for this machine's GPU";
    throw RuntimeError("E0937", "`" + settings.device + "` cannot be tuned: " + why, "--device cuda");
  }
  if (settings.cache.folder.empty())
    throw RuntimeError("E0926", "there is no cache that could keep what is measured", "--cache-dir DIR");
}

// Of each launch of the entry, the least nanoseconds.
std::vector<int64_t> measure(const Model& model, const TuneOptions& options, Executor& executor) {
  Predictor stepper(*model.executable, model.state, options.entry, executor);
  const EntryPoint& entry = stepper.entry();
  RuntimeScalars scalars;
  scalars.learning_rate = 1e-4f;
  std::vector<int64_t> launches, least(entry.launches.size(), std::numeric_limits<int64_t>::max());
  for (int run = 0; run < kWarmUp + options.runs; ++run) {
    for (size_t i = 0; i < entry.inputs.size(); ++i)
      fill_random(entry.inputs[i], stepper.input(i), 1, 0, options.classes);
    std::fill(launches.begin(), launches.end(), 0);
    stepper.context().set_profile(run < kWarmUp ? nullptr : &launches);
    stepper.run(stepper.batch(), scalars);
    for (size_t i = 0; i < launches.size(); ++i) least[i] = std::min(least[i], launches[i]);
    ++scalars.step;
  }
  return least;
}

// Adds what one candidate took, by product.
void add_candidate(std::vector<TunedProduct>& products, const Model& model, const EntryPoint& entry,
                   const std::vector<int64_t>& nanoseconds) {
  std::map<std::string, MeasuredTile> sums;
  for (size_t i = 0; i < entry.launches.size(); ++i) {
    const std::optional<CudaGemmPlan> product = product_of(model.compilation, entry.launches[i]);
    if (!product) continue;
    MeasuredTile& sum = sums[product->key];
    sum.tile = tile_of(*product);
    sum.microseconds += 1e-3 * static_cast<double>(nanoseconds[i]);
  }
  for (TunedProduct& product : products) {
    const auto found = sums.find(product.key);
    if (found == sums.end()) continue;
    const auto same = std::find_if(product.measured.begin(), product.measured.end(),
                                   [&](const MeasuredTile& m) { return m.tile == found->second.tile; });
    if (same == product.measured.end())
      product.measured.push_back(found->second);
    else
      same->microseconds = std::min(same->microseconds, found->second.microseconds);
  }
}

}  // namespace

const MeasuredTile& TunedProduct::best() const {
  NETC_CHECK(!measured.empty(), "a product that was measured");
  const auto better = [&](const MeasuredTile& a, const MeasuredTile& b) {
    return a.microseconds != b.microseconds ? a.microseconds < b.microseconds
                                            : a.tile == planned && b.tile != planned;
  };
  return *std::min_element(measured.begin(), measured.end(), better);
}

double TunedProduct::planned_microseconds() const {
  for (const MeasuredTile& m : measured)
    if (m.tile == planned) return m.microseconds;
  return 0;
}

std::vector<TunedProduct> tune(const std::function<Compilation(const CompileSettings&)>& plan,
                               const CompileSettings& settings, const TuneOptions& options,
                               Executor& executor) {
  require_measurable(settings);
  CompileSettings own = settings;
  own.tiles = "";  // the cost model's, not what the cache remembers
  std::vector<TunedProduct> products;
  size_t candidates = 0;
  {
    const Compilation c = plan(own);
    for (const Launch& launch : c.plan.program.find_entry(options.entry)->launches) {
      const std::optional<CudaGemmPlan> product = product_of(c, launch);
      if (!product) continue;
      candidates = std::max(candidates, product->candidates.size());
      auto known = std::find_if(products.begin(), products.end(),
                                [&](const TunedProduct& p) { return p.key == product->key; });
      if (known == products.end())
        known = products.insert(known, {product->key, launch.label, 0, tile_of(*product), {}});
      ++known->launches;
    }
  }
  for (size_t i = 0; i < candidates; ++i) {
    own.tiles = every_tile(static_cast<int>(i));
    Model model = load_model(plan(own), executor.workers());
    randomize_weights(model, 1, executor);
    add_candidate(products, model, *model.executable->program().find_entry(options.entry),
                  measure(model, options, executor));
  }
  TileChoices fastest;
  for (const TunedProduct& product : products) fastest[product.key] = product.best().tile;
  if (!fastest.empty()) remember_tiles(fastest, target_of(settings), settings.cache);
  return products;
}

}  // namespace netc
