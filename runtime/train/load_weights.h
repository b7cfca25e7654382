// Fits the tensors of a file to a network's parameters, by name.
//
//   const LoadReport report = load_weights(state, *open_tensor_file("resnet18.pt"), options);   // predict, eval, fine-tuning
//
// A match is decided before anything is read: all or nothing, with a report of both sides.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/data/tensor_file.h"
#include "runtime/state.h"

namespace netc {

struct TensorMismatch {
  std::string path;
  TensorType file, network;
};

// What loading did: paths of the network, except for `unexpected`, the file's own names.
struct LoadReport {
  std::vector<std::string> loaded, missing, excepted, unexpected;
  std::vector<TensorMismatch> mismatched;
};

struct LoadWeightsOptions {
  // The name in the file of the network's `path` (rule 15); empty: the same.
  std::function<std::string(const std::string& path)> file_name{};
  // Whether `path` keeps its value (`except = ["fc.**"]`); empty: none does.
  std::function<bool(const std::string& path)> except{};
  // Whether what is missing or mismatched is refused; else it keeps its value and is reported.
  bool strict = true;
  // Whether `except` stands in a recipe, where it can be offered as a fix.
  bool of_recipe = false;
};

// What a network has room for.
struct WantedTensor {
  std::string path;
  TensorType type;
  bool optional = false;  // not missed where the file has it not
};

struct WeightsMatch {
  LoadReport report;
  std::vector<std::pair<size_t, const TensorEntry*>> pairs;  // of loaded: number in `wanted`, the file's tensor
};

// THROWS RuntimeError E0601 if any are missing or mismatched and `options.strict`, with both shapes and a fix.
WeightsMatch match_weights(const std::vector<WantedTensor>& wanted, const TensorFile& file, const LoadWeightsOptions& options);

// Loads the slots that `slots` selects, all or nothing. Tensors that only the file has are reported, not refused: a
// network for inference lacks auxiliary heads and moments. THROWS RuntimeError E0601, and those of reading.
LoadReport load_selected(State& state, const TensorFile& file, const LoadWeightsOptions& options,
                         const std::function<bool(const StateSlot&)>& slots);
// Those of some kinds.
LoadReport load_slots(State& state, const TensorFile& file, const LoadWeightsOptions& options,
                      const std::function<bool(StateKind)>& kinds);
// The parameters and buffers. THROWS RuntimeError E0609 too, for a damaged checkpoint.
LoadReport load_weights(State& state, const TensorFile& file, const LoadWeightsOptions& options = {});

}  // namespace netc
