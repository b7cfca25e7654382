// Samples for `netc predict`: arrays and pictures as a network's inputs.
#pragma once

#include <string>
#include <vector>

#include "compiler/api/model.h"
#include "runtime/data/dataset.h"
#include "runtime/data/npy.h"

namespace netc {

// Several samples of one input, dense; a name for each, for people.
struct SampleSet {
  int64_t count = 0;
  std::vector<std::byte> bytes;
  std::vector<std::string> names;
  std::vector<int64_t> labels;  // where they are known
};

bool is_array_file(const std::string& path);  // .npy

// Every array [N, ...sample] (or one [...sample]) of the files, in order. THROWS RuntimeError E0710 for
// another shape or type than the input's.
SampleSet read_arrays(const std::vector<std::string>& paths, const InputInfo& input);

// PNG and JPEG files, preprocessed as the model says. THROWS RuntimeError E0710 if the input is not a u8 image.
SampleSet read_pictures(const std::vector<std::string>& paths, const InputInfo& input, const ModelInfo& model);

// The first `count` samples of a data set.
SampleSet take_samples(const Dataset& data, int64_t count, const InputInfo& input);

}  // namespace netc
