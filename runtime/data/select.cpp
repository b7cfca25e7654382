#include "runtime/data/select.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "compiler/base/error.h"
#include "compiler/base/random.h"

namespace netc {
namespace {

class SelectedDataset final : public Dataset {
 public:
  SelectedDataset(std::shared_ptr<const Dataset> data, std::vector<int64_t> numbers) : data_(std::move(data)), numbers_(std::move(numbers)) {
    format_ = data_->format();
    class_names_ = data_->class_names();
    skipped_ = data_->skipped();
    for (const int64_t number : numbers_) labels_.push_back(data_->labels()[static_cast<size_t>(number)]);
  }
  const std::shared_ptr<const Dataset>& whole() const { return data_; }
  void copy_image(int64_t index, std::byte* to) const override { data_->copy_image(at(index), to); }
  std::optional<std::pair<int64_t, int64_t>> own_size(int64_t index) const override { return data_->own_size(at(index)); }
  void copy_crop(int64_t index, int64_t top, int64_t left, int64_t height, int64_t width, std::byte* to) const override {
    data_->copy_crop(at(index), top, left, height, width, to);
  }

 private:
  int64_t at(int64_t index) const { return numbers_[static_cast<size_t>(index)]; }

  std::shared_ptr<const Dataset> data_;
  std::vector<int64_t> numbers_;
};

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

// The samples of each class, shuffled by a key of their own.
std::map<int64_t, std::vector<int64_t>> shuffled_classes(std::span<const int64_t> labels) {
  const uint32_t path = path_key("data/select");
  std::map<int64_t, std::vector<int64_t>> classes;
  for (size_t i = 0; i < labels.size(); ++i) classes[labels[i]].push_back(static_cast<int64_t>(i));
  for (auto& [label, samples] : classes)
    std::sort(samples.begin(), samples.end(), [&](int64_t a, int64_t b) {
      const uint32_t x = random_bits(0, path, 0, static_cast<uint64_t>(a), 0), y = random_bits(0, path, 0, static_cast<uint64_t>(b), 0);
      return std::pair(x, a) < std::pair(y, b);
    });
  return classes;
}

}  // namespace

Split split_samples(std::span<const int64_t> labels, double validation, int64_t subset, const std::string& name) {
  Split split;
  std::map<int64_t, std::vector<int64_t>> classes = shuffled_classes(labels);
  for (auto& [label, samples] : classes) {
    const auto held_out = static_cast<size_t>(std::llround(validation * static_cast<double>(samples.size())));
    split.validation.insert(split.validation.end(), samples.end() - static_cast<int64_t>(held_out), samples.end());
    samples.resize(samples.size() - held_out);
  }
  const int64_t left = static_cast<int64_t>(labels.size() - split.validation.size()), wanted = subset > 0 ? subset : left;
  if (validation > 0 && split.validation.empty())
    throw RuntimeError("E0706", name + " has " + std::to_string(labels.size()) + " training samples, too few of any class for " +
                                    number_text(100 * validation) + " % of them, rounded, to be one",
                       "a larger `validation`");
  if (wanted > left || left == 0)
    throw RuntimeError("E0706", name + " has " + std::to_string(labels.size()) + " training samples: " + std::to_string(split.validation.size()) +
                                    " are held out, and " + std::to_string(wanted) + " of the other " + std::to_string(left) + " are asked for");
  // One sample of each class in turn, until there are enough.
  for (size_t round = 0; static_cast<int64_t>(split.train.size()) < wanted; ++round)
    for (const auto& [label, samples] : classes)
      if (round < samples.size() && static_cast<int64_t>(split.train.size()) < wanted) split.train.push_back(samples[round]);
  std::sort(split.train.begin(), split.train.end());
  std::sort(split.validation.begin(), split.validation.end());
  return split;
}

std::unique_ptr<Dataset> select(std::shared_ptr<const Dataset> data, std::vector<int64_t> numbers) {
  return std::make_unique<SelectedDataset>(std::move(data), std::move(numbers));
}

std::shared_ptr<const Dataset> selected_from(const Dataset& data) {
  const auto* selected = dynamic_cast<const SelectedDataset*>(&data);
  return selected ? selected->whole() : nullptr;
}

std::vector<double> balanced_weights(std::span<const int64_t> labels, int64_t classes) {
  std::vector<double> counts(static_cast<size_t>(classes));
  double samples = 0;
  for (const int64_t label : labels) {
    if (label < 0 || label >= classes) continue;
    ++counts[static_cast<size_t>(label)];
    ++samples;
  }
  for (double& count : counts) count = count > 0 ? samples / (static_cast<double>(classes) * count) : 0;
  return counts;
}

}  // namespace netc
