// What a classifier gets right and wrong, class by class: the confusion matrix, precision, recall, F1, and how far its
// probabilities can be trusted.
//
//   ClassificationReport report(10);
//   report.add(probabilities, label);                // once a sample
//   report.scores(3).recall;  report.calibration_error();
//
//   precision  right / predicted as the class          recall  right / of the class
//   F1         2 * precision * recall / (precision + recall)          each 0 where nothing is divided
//   calibration error (ECE)  sum over 15 bins of confidence of |accuracy - mean confidence| * share of samples, the
//              confidence being the greatest probability (Guo et al. 2017, "On Calibration of Modern Neural Networks")
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace netc {

struct ClassScores {
  double precision = 0, recall = 0, f1 = 0;
  int64_t samples = 0;  // of the class
};

class ClassificationReport {
 public:
  ClassificationReport() = default;
  explicit ClassificationReport(int64_t classes);

  // A label outside of 0..classes-1 counts nowhere. The predicted class is the first greatest one.
  void add(std::span<const float> probabilities, int64_t label);

  int64_t classes() const { return classes_; }
  int64_t samples() const { return samples_; }
  // Samples of class `label` that were taken for class `predicted`.
  int64_t count(int64_t label, int64_t predicted) const { return counts_[static_cast<size_t>(label * classes_ + predicted)]; }
  ClassScores scores(int64_t label) const;
  ClassScores mean_scores() const;  // each class counts the same ("macro"); samples: all
  double calibration_error() const;

 private:
  static constexpr int64_t kBins = 15;
  struct Bin {
    int64_t samples = 0, right = 0;
    double confidence = 0;  // sum
  };

  int64_t classes_ = 0, samples_ = 0;
  std::vector<int64_t> counts_;  // [label][predicted]
  std::array<Bin, kBins> bins_{};
};

}  // namespace netc
