// A contact sheet of what a recipe's augmentation makes of samples: what the network will see.
//
//   Image sheet = augment_sheet(project, {.network = {"cifar.net"}, .samples = 6, .views = 7}, pool);
//   write_png("augment.png", sheet);
#pragma once

#include <map>
#include <memory>
#include <string>

#include "compiler/api/compile.h"
#include "runtime/data/image.h"
#include "runtime/executor.h"

namespace netc {

struct AugmentSheetRequest {
  NetworkRequest network;
  CompileSettings settings;
  std::map<std::string, std::string> data;  // role to path
  std::optional<uint64_t> seed;
  int64_t samples = 6;  // rows: the first samples of the training data
  int64_t views = 7;    // columns after the sample itself, one an epoch
};

// Runs the recipe's own operators, the normalisation undone. Small images are enlarged by whole numbers.
// THROWS CompileError; RuntimeError E0701 to E0710, E0928 where the recipe does not augment or its input is no picture.
Image augment_sheet(Project& project, const AugmentSheetRequest& request, Executor& executor);

}  // namespace netc
