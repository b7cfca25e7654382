// What loading or converting weights did, as text.
#pragma once

#include <string>

#include "runtime/data/dataset.h"
#include "runtime/train/load_weights.h"

namespace netc {

// "r50.safetensors: 318 tensors loaded", then a line each for what was excepted, missing, of another shape, and in the file
// alone. `consequence` is what becomes of tensors without a value: ", initialised anew".
std::string load_report(const std::string& path, const LoadReport& report, const std::string& consequence);

// The corrupt records of a data set that `corrupt = skip` leaves out, the first ones by name; "" where there are none.
// `role`: "training", "test", "validation".
std::string skipped_report(const Dataset& data, const std::string& role);

}  // namespace netc
