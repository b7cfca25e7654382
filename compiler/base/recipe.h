// A training recipe and a data set, as plain data: what `train`, `recipe` and `dataset` declare in
// a .net file, resolved and checked by sema, and what the runtime's trainer follows.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compiler/base/shape.h"

namespace netc {

struct OptimizerSpec {
  enum class Kind { sgd, adam, adamw };
  Kind kind = Kind::sgd;
  double momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
};

// A position in training, in epochs or in steps.
struct Duration {
  double count = 0;
  bool in_epochs = true;
};

// One entry of `schedule = [...]`: an optional warm-up and one main schedule.
struct ScheduleSpec {
  enum class Kind { constant, step, multi_step, exponential, cosine, one_cycle };
  Kind kind = Kind::constant;
  double peak = 0.1;             // the learning rate after warm-up
  double gamma = 0.1;            // step, multi_step, exponential: the factor
  Duration every;                // step: one decay per `every`; exponential: per `every`
  std::vector<Duration> at;      // multi_step: the milestones
  double floor = 0;              // cosine, one_cycle: the last learning rate
  double start_factor = 0.04;    // one_cycle: first rate = peak * start_factor
  double peak_at = 0.3;          // one_cycle: the share of training at which the peak is reached
  Duration warmup;               // linear from warmup_start * peak; count 0 = none
  double warmup_start = 0;
};

// One augmentation, in the order of the list. Angles in degrees, shifts as a share of the extent.
struct AugmentSpec {
  enum class Kind { crop, flip_horizontal, flip_vertical, rotate, shift };
  Kind kind = Kind::crop;
  int64_t height = 0, width = 0, pad = 0;  // crop
  double amount = 0;                       // rotate: degrees, drawn from -amount..amount; shift: share
};

struct PreprocessSpec {
  enum class Kind { resize, center_crop };
  Kind kind = Kind::resize;
  int64_t height = 0, width = 0;  // resize with width 0: the shorter side becomes `height`
  bool operator==(const PreprocessSpec&) const = default;
};

struct DataSourceSpec {
  enum class Kind { idx, cifar10, cifar100, image_folder, numpy };
  Kind kind = Kind::idx;
  std::string images;     // path or glob, as written; image_folder: the folder
  std::string labels;     // idx, numpy: the labels' file
  std::string base_dir;   // of the declaring file; relative paths start there
};

struct DatasetSpec {
  std::string name;
  std::optional<DataSourceSpec> train, test;
  std::vector<PreprocessSpec> preprocess;
  std::vector<double> mean, std;         // per channel, of values in 0..1; empty: (0, 1)
  std::vector<std::string> class_names;  // empty: "0", "1", …
};

struct LossSpec {
  enum class Kind { cross_entropy, mse };
  Kind kind = Kind::cross_entropy;
  double label_smoothing = 0;
};

struct Recipe {
  std::string name;     // of the train declaration
  std::string network;  // as written: "resnet20(classes = 10)"
  DatasetSpec dataset;
  LossSpec loss;
  OptimizerSpec optimizer;
  ScheduleSpec schedule;
  std::vector<AugmentSpec> augment;
  int64_t batch = 32;
  int64_t epochs = 1;
  uint64_t seed = 0;
};

}  // namespace netc
