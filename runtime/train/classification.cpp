#include "runtime/train/classification.h"

#include <algorithm>
#include <cmath>

#include "compiler/base/error.h"

namespace netc {
namespace {

double share(int64_t part, int64_t whole) { return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0; }

}  // namespace

ClassificationReport::ClassificationReport(int64_t classes)
    : classes_(classes), counts_(static_cast<size_t>(classes * classes)) {}

void ClassificationReport::add(std::span<const float> probabilities, int64_t label) {
  NETC_CHECK(static_cast<int64_t>(probabilities.size()) == classes_, "one probability a class");
  if (label < 0 || label >= classes_) return;
  const int64_t predicted = std::max_element(probabilities.begin(), probabilities.end()) - probabilities.begin();
  const double confidence = probabilities[static_cast<size_t>(predicted)];
  ++samples_;
  ++counts_[static_cast<size_t>(label * classes_ + predicted)];
  const double position = std::isfinite(confidence) ? std::ceil(confidence * kBins) - 1 : 0;  // bins are (a, b]
  Bin& bin = bins_[static_cast<size_t>(std::clamp(position, 0.0, kBins - 1.0))];
  ++bin.samples;
  bin.right += predicted == label;
  bin.confidence += confidence;
}

ClassScores ClassificationReport::scores(int64_t label) const {
  int64_t of_class = 0, taken = 0;
  for (int64_t c = 0; c < classes_; ++c) {
    of_class += count(label, c);
    taken += count(c, label);
  }
  const int64_t right = count(label, label);
  return {share(right, taken), share(right, of_class), share(2 * right, taken + of_class), of_class};
}

ClassScores ClassificationReport::mean_scores() const {
  ClassScores mean;
  mean.samples = samples_;
  for (int64_t c = 0; c < classes_; ++c) {
    const ClassScores own = scores(c);
    mean.precision += own.precision / static_cast<double>(classes_);
    mean.recall += own.recall / static_cast<double>(classes_);
    mean.f1 += own.f1 / static_cast<double>(classes_);
  }
  return mean;
}

double ClassificationReport::calibration_error() const {
  double error = 0;
  for (const Bin& bin : bins_)
    if (bin.samples > 0) error += std::abs(static_cast<double>(bin.right) - bin.confidence) / static_cast<double>(samples_);
  return error;
}

}  // namespace netc
