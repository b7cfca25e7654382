// Parts of a data set: a subset, and samples held out for validation. Which ones depends on the labels alone, so a part is
// the same at every run, with any seed of a training, and its classes are as the whole set's.
//
//   const Split split = split_samples(labels, 0.1, 500);   // a tenth held out, 500 of the rest to train with
//   std::unique_ptr<Dataset> train = select(whole, split.train);
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/data/dataset.h"

namespace netc {

struct Split {
  std::vector<int64_t> train, validation;  // sample numbers, ascending
};

// Of every class the share `validation` (rounded) is held out; of the rest `subset` samples are kept, as many of each class as
// there are, in turn (0: all). THROWS RuntimeError E0706 where too few samples are there for both.
Split split_samples(std::span<const int64_t> labels, double validation, int64_t subset, const std::string& name);

// The samples of these numbers, in this order.
std::unique_ptr<Dataset> select(std::shared_ptr<const Dataset> data, std::vector<int64_t> numbers);

// All samples of which `data` has some; null if it was not selected.
std::shared_ptr<const Dataset> selected_from(const Dataset& data);

// A weight a class so that every class counts as much as another: samples / (classes * samples of the class); 0 for a class
// without samples. Labels that are no class do not count.
std::vector<double> balanced_weights(std::span<const int64_t> labels, int64_t classes);

}  // namespace netc
