// Measuring the tiles of a network's matrix products on the machine's GPU. The fastest are remembered
// (tuned_tiles.h).
//
//   std::vector<TunedProduct> products = tune(plan, settings, {"predict", classes}, pool);
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "compiler/api/compile.h"
#include "compiler/lower/cuda_tiles.h"
#include "runtime/executor.h"

namespace netc {

struct MeasuredTile {
  CudaTile tile;
  double microseconds = 0;  // of all the product's launches in a run, the least of the runs
};

struct TunedProduct {
  std::string key;    // product_key
  std::string label;  // of its first launch: operator and line
  int64_t launches = 0;
  CudaTile planned;  // by the cost model
  std::vector<MeasuredTile> measured;

  // The fastest; the cost model's where none is faster.
  const MeasuredTile& best() const;
  double planned_microseconds() const;
};

struct TuneOptions {
  std::string entry;  // whose launches are measured
  int64_t classes = 1;
  int runs = 10;
};

// Compiles the network once for each candidate, times every launch by the GPU's events, and keeps the fastest
// tile of each product in the cache. `plan` gives the network's plan for some settings. THROWS RuntimeError
// E0935 without a GPU, E0926 without a cache, E0937 on a device that there is nothing to measure on.
std::vector<TunedProduct> tune(const std::function<Compilation(const CompileSettings&)>& plan,
                               const CompileSettings& settings, const TuneOptions& options,
                               Executor& executor);

}  // namespace netc
