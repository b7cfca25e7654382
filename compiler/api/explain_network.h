// What `netc explain` says of a network, as data: layers with shapes, parameters, FLOPs, receptive field
// and kernels, and the exact memory plan.
#pragma once

#include <string>
#include <vector>

#include "compiler/api/compile.h"
#include "compiler/api/layer_table.h"
#include "compiler/lower/critical_path.h"

namespace netc {

// A kernel that computes (a part of) a layer.
struct KernelNote {
  std::string label;                 // "stage.0.conv0 + bn0 + relu0 (resnet.net:12)"
  std::string summary;               // "#3", or "in #3" where another layer's kernel computes this one too
  std::vector<std::string> reasons;  // why the layer's nodes are in this kernel
};

struct LayerReport {
  std::string path, kind, text;  // kind: "layer", "residual", "inception", …
  std::string source;            // "resnet.net:12"
  int depth = 0;
  bool leaf = false;             // a layer, not a construct around layers
  Shape output;
  int64_t parameters = 0, flops = 0;
  ReceptiveField field;
  std::vector<KernelNote> kernels;
  std::vector<WinogradChoice> convolutions, data_gradients, weight_gradients;  // how each of them is done, and why
};

// A launch that only brings a value into another layout.
struct ConversionNote {
  std::string label;   // "image [layout] (resnet.net:12)"
  std::string reason;  // "correlation reads it so; from [d0, d1, d2, d3] to [d0, d1, d2, d3-3+2]"
  int64_t bytes = 0;   // read and written
};

struct PortReport {
  std::string name, dtype;
  Shape shape;
};

// A launch with too few tasks.
struct NarrowNote {
  std::string label;
  int64_t tasks = 0;
  double lost = 0;  // share of the ideal time
};

// A GPU's matrix products that differ in their sums, operands' layouts or types.
struct TileReport {
  int64_t products = 0;
  int64_t measured = 0;  // those whose tile `netc tune` chose
};

struct NetworkReport {
  std::string name, reference;
  bool train = false;
  int64_t batch = 1;
  int64_t parameters = 0, parameters_inference = 0;
  int64_t parameters_frozen = 0;  // of `parameters`
  int64_t flops = 0;  // forward, one image; of contractions, a multiply-add is 2
  int64_t kernels = 0, launches = 0;
  std::optional<TileReport> tiles;          // of a GPU
  int64_t streams = 1, waits = 0;  // of the launches, on a GPU
  std::vector<ConversionNote> conversions;  // among the launches
  PlannedBytes memory;
  std::optional<LossScaleSpec> loss_scale;  // of a training with layers in f16
  Recomputation recomputation;
  double recomputation_seconds = 0;  // a step, estimated, of what the budget costs
  std::vector<Scaling> scaling;        // of the entry's tasks to 4, 16 and 64 threads
  std::vector<NarrowNote> narrow;      // launches that lose most of it at 16 threads, the worst first
  std::vector<PortReport> inputs, outputs;
  std::vector<LayerReport> layers;
};

// THROWS CompileError; RuntimeError E0922 or E0923.
NetworkReport explain_network(Project& project, const NetworkRequest& request, int64_t batch, bool train,
                              const CompileSettings& settings);

}  // namespace netc
