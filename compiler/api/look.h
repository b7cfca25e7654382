// What a network looks for and what it sees, as pictures: the filters of its first layer, and the activations of layers for
// a few images.
//
//   for (const LookPicture& p : look(project, {.network = {"cifar.net"}, .weights = "best.safetensors"}, pool))
//     write_png(p.name + ".png", p.image);
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "compiler/api/compile.h"
#include "runtime/data/dataset.h"
#include "runtime/data/image.h"
#include "runtime/executor.h"

namespace netc {

struct LookRequest {
  NetworkRequest network;
  CompileSettings settings;  // of precision f32
  std::string weights, names;
  std::vector<std::string> inputs;          // pictures; empty: samples of the test data
  std::map<std::string, std::string> data;  // role to path
  int64_t count = 4;                        // samples, without `inputs`
  int64_t channels = 8;                     // of each layer, the first ones
  std::vector<std::string> layers;          // globs over paths; empty: the first layer, and the last of each size
  std::function<void(const Dataset& data)> on_data{};  // once the test data are read, which may lack corrupt records
};

struct LookPicture {
  std::string name;   // "filters", "01-stem"
  std::string layer;  // its path
  std::string call;   // as written
  Shape shape;        // of the weights, or of the layer's output without the batch
  Image image;
};

// Filters from their least value (black) to their greatest (white), where the first layer has filters of 1 or 3 channels.
// Activations: a row an image, a column a channel, from the layer's least value shown to its greatest.
// THROWS CompileError; RuntimeError E0515 for a glob without such a layer, E06xx, E07xx, E0923, E0924.
std::vector<LookPicture> look(Project& project, const LookRequest& request, Executor& executor);

}  // namespace netc
