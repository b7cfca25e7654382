// A training recipe and a data set, as plain data: what `train`, `recipe` and `dataset` declare in
// a .net file, resolved and checked by sema, and what the runtime's trainer follows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compiler/base/dtype.h"
#include "compiler/base/precision.h"
#include "compiler/base/shape.h"

namespace netc {

// What multiplies the loss before its gradients are taken, so that small ones stay within f16's range. A step whose gradients
// overflow changes no weight.
struct LossScaleSpec {
  bool dynamic = true;             // halved by an overflow, doubled after `growth_interval` steps without one; else as it is
  double initial = 65536;
  int64_t growth_interval = 2000;  // steps
  bool operator==(const LossScaleSpec&) const = default;
};
constexpr double kLeastLossScale = 1, kGreatestLossScale = 16777216;

// A position in training, in epochs or in steps.
struct Duration {
  double count = 0;
  bool in_epochs = true;
};

// Stochastic weight averaging (Izmailov et al. 2018, arXiv 1803.05407): the mean of the weights after `start` steps and
// every `every` steps from there on is what training leaves.
struct SwaSpec {
  Duration start, every{1, true};
  std::optional<double> rate;  // the learning rate from `start` on; none: that of the schedule
  Duration anneal;             // how long the rate takes to come there, along half a cosine; 0: no time
};

struct OptimizerSpec {
  enum class Kind { sgd, adam, adamw, rmsprop };
  Kind kind = Kind::sgd;
  double momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double alpha = 0.99;     // rmsprop: the weight of the old average
  bool centered = false;   // rmsprop
  double clip_norm = 0;    // of all gradients together; 0: not clipped
  double clip_value = 0;   // of each element; 0: not clipped
  double ema = 0;          // the weights' moving average: the share of the old one; 0: none
  int64_t accumulate = 1;  // batches whose mean gradient makes one update
  std::optional<LossScaleSpec> loss_scale{};  // of a training with layers in f16
  std::optional<SwaSpec> swa{};  // the mean of the weights of several steps
};

// Parameters that learn at another rate. Of several that match a parameter, the first one counts.
struct ParameterGroup {
  std::string glob;       // over paths; empty: every vector, which norms' and layers' biases are
  double rate = 1;        // times the learning rate
  double decay = 1;       // times the weight decay
};

// One entry of `schedule = [...]`: an optional warm-up and one main schedule.
struct ScheduleSpec {
  enum class Kind { constant, step, multi_step, exponential, cosine, one_cycle, polynomial, restarts, plateau };
  Kind kind = Kind::constant;
  double peak = 0.1;             // the learning rate after warm-up
  double gamma = 0.1;            // step, multi_step, exponential, plateau: the factor
  Duration every;                // step: one decay per `every`; exponential: per `every`; restarts: the first period
  std::vector<Duration> at;      // multi_step: the milestones
  double floor = 0;              // cosine, one_cycle, polynomial, restarts, plateau: the last (least) learning rate
  double power = 1;              // polynomial
  double growth = 1;             // restarts: each period is so much longer than the one before
  int64_t patience = 0;          // plateau: epochs without progress before a decay
  double start_factor = 0.04;    // one_cycle: first rate = peak * start_factor
  double peak_at = 0.3;          // one_cycle: the share of training at which the peak is reached
  Duration warmup;               // linear from warmup_start * peak; count 0 = none
  double warmup_start = 0;
  // With stochastic weight averaging another rate from `averaging_from` on, reached within `anneal`.
  std::optional<double> averaging_rate{};
  Duration averaging_from{}, anneal{};
};

// One augmentation, in the order of the list.
struct AugmentSpec {
  enum class Kind {
    crop, flip_horizontal, flip_vertical, rotate, shift,   // geometry
    random_resized_crop, scale, shear,
    color_jitter, grayscale, posterize, solarize, invert,  // colours
    autocontrast, equalize,                                // colours, by the picture's histogram
    sharpness,                                             // each pixel with its neighbours
    erase, cutout,                                         // a rectangle
    mixup, cutmix,                                         // with another sample of the batch
    rand_augment, trivial_augment,                         // geometry, sharpness and colours
  };
  Kind kind = Kind::crop;
  int64_t height = 0, width = 0;  // crop, random_resized_crop: of the result; cutout: of the hole
  int64_t pad = 0;                // crop
  // rotate, shear: degrees, drawn from -amount..amount; shift, scale: share of the extent; random_resized_crop,
  // erase: the smallest and the greatest share of the area; mixup, cutmix: alpha; sharpness: the factor, 1 changes nothing;
  // posterize: the bits that stay; solarize: the least value that is inverted
  double amount = 0;
  double probability = 1;  // erase, grayscale and the colours after it, sharpness
  double brightness = 0, contrast = 0, saturation = 0, hue = 0;  // color_jitter
  int64_t count = 0, magnitude = 0;                              // rand_augment: operations, 0..30
};

// What a list needs of a batch beside the images: one record a sample for each.
struct AugmentParts {
  bool geometry = false, color = false, erase = false, mix = false;
  bool box = false;      // beside geometry: a part of the picture that is enlarged ends where it ends
  bool sharpen = false;  // sharpness
  bool curve = false;    // beside colours: a curve of tones
  bool paints() const { return color || sharpen || curve; }  // changes the values of bytes
};
inline AugmentParts parts_of(const std::vector<AugmentSpec>& list) {
  AugmentParts parts;
  for (const AugmentSpec& a : list) {
    switch (a.kind) {
      case AugmentSpec::Kind::crop:
      case AugmentSpec::Kind::flip_horizontal:
      case AugmentSpec::Kind::flip_vertical:
      case AugmentSpec::Kind::rotate:
      case AugmentSpec::Kind::shift:
      case AugmentSpec::Kind::scale:
      case AugmentSpec::Kind::shear: parts.geometry = true; break;
      case AugmentSpec::Kind::random_resized_crop: parts.geometry = parts.box = true; break;
      case AugmentSpec::Kind::color_jitter:
      case AugmentSpec::Kind::posterize:
      case AugmentSpec::Kind::solarize:
      case AugmentSpec::Kind::invert:
      case AugmentSpec::Kind::grayscale: parts.color = true; break;
      case AugmentSpec::Kind::autocontrast:
      case AugmentSpec::Kind::equalize: parts.color = parts.curve = true; break;
      case AugmentSpec::Kind::sharpness: parts.sharpen = true; break;
      case AugmentSpec::Kind::erase:
      case AugmentSpec::Kind::cutout: parts.erase = true; break;
      case AugmentSpec::Kind::mixup:
      case AugmentSpec::Kind::cutmix: parts.mix = true; break;
      case AugmentSpec::Kind::rand_augment:
      case AugmentSpec::Kind::trivial_augment: parts.geometry = parts.color = parts.curve = parts.sharpen = true; break;
    }
  }
  return parts;
}

struct PreprocessSpec {
  enum class Kind { resize, center_crop };
  Kind kind = Kind::resize;
  int64_t height = 0, width = 0;  // resize with width 0: the shorter side becomes `height`
  bool operator==(const PreprocessSpec&) const = default;
};

struct DataSourceSpec {
  enum class Kind { idx, cifar10, cifar100, image_folder, numpy, webdataset };
  Kind kind = Kind::idx;
  std::string images;     // path or glob, as written; image_folder: the folder; webdataset: tar files
  std::string labels;     // idx, numpy: the labels' file
  std::string base_dir;   // of the declaring file; relative paths start there
};

// Whether a source holds files of pictures, which differ in size and are decoded when they are read.
inline bool holds_pictures(DataSourceSpec::Kind kind) {
  return kind == DataSourceSpec::Kind::image_folder || kind == DataSourceSpec::Kind::webdataset;
}

struct DatasetSpec {
  std::string name;
  std::optional<DataSourceSpec> train, test;
  std::vector<PreprocessSpec> preprocess;
  std::vector<double> mean, std;         // per channel, of values in 0..1; empty: (0, 1)
  std::vector<std::string> class_names;  // empty: "0", "1", …
  double validation = 0;      // the share of the training samples that is held out
  int64_t subset = 0;         // so many of the rest are trained with; 0: all
  bool skip_corrupt = false;  // pictures that cannot be decoded are left out
};

struct LossSpec {
  enum class Kind { cross_entropy, mse, binary_cross_entropy, smooth_l1 };
  Kind kind = Kind::cross_entropy;
  double label_smoothing = 0;
  double beta = 1;                       // smooth_l1
  std::vector<double> class_weights;     // cross_entropy; empty: all 1
  bool balanced = false;                 // cross_entropy: class_weights come from the training data
  std::optional<int64_t> ignored_label;  // cross_entropy: its samples count nowhere
};

// Weights to begin with, from a file.
struct WeightsSpec {
  std::string path;      // as written
  std::string base_dir;  // of the declaring file
  std::string names;     // a map, "std.names:torchvision_resnet"; empty: the same names
  std::vector<std::string> except;  // globs over paths that keep their initial values
  bool strict = true;               // everything else must fit; false: what does not fit keeps its initial value
};

// A teacher whose probabilities the network learns beside the labels (Hinton et al. 2015, arXiv 1503.02531):
// (1 - share) * loss + share * temperature^2 * KL(teacher || network), both at the temperature.
struct DistillSpec {
  std::string network;                 // as written: "resnet56(classes = 10)", or the name of an ensemble
  std::optional<WeightsSpec> weights;  // none: those of an ensemble's members
  double temperature = 4;
  double share = 0.9;
};

// In which precision contractions multiply, and memory holds what passes from layer to layer; parameters and their
// updates are always f32.
struct PrecisionSpec {
  struct Layers {
    std::string pattern;  // of layers' paths: "fc.**"
    Precision type = Precision::f32;
    bool operator==(const Layers&) const = default;
  };
  Precision type = Precision::f32;
  std::vector<Layers> layers;  // a later one goes before an earlier one
  bool uses(Precision wanted) const {
    return type == wanted || std::any_of(layers.begin(), layers.end(), [&](const Layers& l) { return l.type == wanted; });
  }
  bool operator==(const PrecisionSpec&) const = default;
};

struct Recipe {
  std::string name;     // of the train declaration
  std::string network;  // as written: "resnet20(classes = 10)"
  DatasetSpec dataset;
  LossSpec loss;
  OptimizerSpec optimizer;
  std::vector<ParameterGroup> groups;
  std::optional<WeightsSpec> weights;
  std::optional<DistillSpec> distill;
  std::vector<std::string> freeze;   // globs over paths of what is not trained
  ScheduleSpec schedule;
  // The steps with which `augment` begins, resize and center_crop: they replace the data set's `preprocess` in training.
  std::vector<PreprocessSpec> augment_preprocess;
  std::vector<AugmentSpec> augment;  // what is drawn anew for every sample of every epoch
  int64_t copies = 1;                // how often an epoch sees each sample
  PrecisionSpec precision;
  LossScaleSpec loss_scale;          // counts where a layer is in f16
  bool winograd = true;              // not of the language: `--no-winograd` makes all convolutions direct
  int64_t batch = 32;
  int64_t epochs = 1;
  int64_t early_stop = 0;  // epochs without a better result after which training ends; 0: never
  uint64_t seed = 0;
};

// How training images are prepared when they are read (rule 28).
inline const std::vector<PreprocessSpec>& training_preprocess(const Recipe& recipe) {
  const bool augments = !recipe.augment.empty() || !recipe.augment_preprocess.empty();
  return augments ? recipe.augment_preprocess : recipe.dataset.preprocess;
}

// Whether training images keep their own sizes, and a crop of each, drawn anew and resized to what the network takes, is
// cut by the reader: pictures of a folder differ in size, the operator's images do not.
inline bool crops_when_read(const Recipe& recipe) {
  return recipe.dataset.train && holds_pictures(recipe.dataset.train->kind) &&
         recipe.augment_preprocess.empty() && !recipe.augment.empty() &&
         recipe.augment.front().kind == AugmentSpec::Kind::random_resized_crop;
}

}  // namespace netc
