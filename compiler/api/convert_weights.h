// Weights from one file format to another, with other names where that is wanted.
//
//   ConvertRequest request{.input = "resnet18.pt", .output = "r18.safetensors", .names = "std.names:torchvision_resnet"};
//   request.network = NetworkRequest{"std.resnet:resnet18", {}};       // from the library's names to the network's paths
//   ConvertResult result = convert_weights(project, request);
//
// Without a network every tensor is kept; `names` then maps the network's paths to the library's names.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compiler/api/front_end.h"
#include "runtime/train/load_weights.h"

namespace netc {

struct ConvertRequest {
  std::string input, output;  // output: .safetensors, .npz, .pt or .pth
  // Patterns of the file's names and what they become, as in a `names` map; the first that matches counts.
  std::vector<std::pair<std::string, std::string>> rename;
  std::string names;                      // "std.names:torchvision_resnet", or empty
  std::optional<NetworkRequest> network;  // whose tensors are chosen, named and checked
  bool partial = false;                   // with a network: what is missing or of another shape is reported, not refused
};

struct ConvertResult {
  std::string format;  // of the input
  int64_t tensors = 0, bytes = 0;
  std::vector<std::pair<std::string, std::string>> renamed;  // old, new
  std::optional<LoadReport> report;                          // with a network
};

bool is_weights_name(const std::string& path);  // by its extension: what convert_weights can write

// THROWS RuntimeError E0601 to E0608, E0702 to E0709; CompileError for the network and the map.
ConvertResult convert_weights(Project& project, const ConvertRequest& request);

}  // namespace netc
