// A training as `netc train` and the library's Trainer set it up: the recipe with what the caller
// overrides, the compiled step, the state, and the data set.
//
//   Training training(project, request);
//   training.load_data();
//   TrainResult result = training.run(options);
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "compiler/api/bad_layers.h"
#include "compiler/api/model.h"
#include "runtime/context.h"
#include "runtime/data/dataset.h"
#include "runtime/train/trainer.h"

namespace netc {

struct TrainingRequest {
  NetworkRequest network;
  CompileSettings settings;
  std::optional<uint64_t> seed;
  std::optional<int64_t> epochs, batch;
  std::map<std::string, std::string> data;  // role ("train", "test") to path
  bool needs_data = false;                  // look for the data's files before anything is compiled
  // A checkpoint that the state will come from: the recipe's `weights` are not read, and a GPU's tiles are
  // those that it began with.
  std::string resume;
};

class Training {
 public:
  // Compiles, and initialises the state from the seed. `project` must outlive it. THROWS CompileError;
  // RuntimeError E0701, E0911, E0922, E0923, E060x where `resume` cannot be read.
  Training(Project& project, const TrainingRequest& request, std::unique_ptr<Executor> executor);

  const Recipe& recipe() const { return recipe_; }
  const Model& model() const { return model_; }
  Context& context() { return *context_; }
  Executor& executor() { return *executor_; }
  int64_t parameters() const;            // of the training, with auxiliary heads
  int64_t parameters_inference() const;  // without them
  int64_t parameters_frozen() const;     // of `parameters`
  // What loading the recipe's `weights` did; null where it has none, or a checkpoint is resumed.
  const LoadReport* loaded() const { return loaded_ ? &*loaded_ : nullptr; }

  // Reads the data set's files. THROWS RuntimeError E07xx.
  void load_data();
  bool has_data() const { return train_ != nullptr; }
  const Dataset* train_data() const { return train_.get(); }
  const Dataset* test_data() const { return test_.get(); }

  // What checkpoints record of the model. With data: also the classes' names that they know.
  ModelInfo info() const;

  // REQUIRES, as all below: has_data().
  TrainingId id() const;
  TrainResult run(const TrainOptions& options);
  EvalResult evaluate(const EvalOptions& options = {});

  // The layers that compute something that is not finite from a batch. Compiles what it needs at the first call.
  std::vector<BadLayer> find_bad_layers(const State& state, const Batch& batch, const RuntimeScalars& scalars);

 private:

  Project& project_;
  TrainingRequest request_;
  Recipe recipe_;
  std::unique_ptr<Executor> executor_;
  Model model_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<Dataset> train_, test_;
  std::optional<LoadReport> loaded_;
  std::unique_ptr<BadLayerProbe> probe_;  // compiled when it is needed
};

// The source of a data set's role ("train" or "test") with `--data ROLE=PATH` applied: a folder keeps the
// declared file names, "IMAGES,LABELS" replaces both. THROWS RuntimeError E0701 where there is none.
DataSourceSpec find_source(const DatasetSpec& dataset, const std::string& role,
                           const std::map<std::string, std::string>& overrides);

// Of which data `netc eval` speaks: "test", or "validation" where a data set has no test but holds samples out.
std::string evaluation_role(const DatasetSpec& dataset);

// `weights = balanced` of a loss, from the labels of the training data; nothing for another loss. What was loaded for it.
std::unique_ptr<Dataset> balance_classes(Recipe& recipe, Project& project, const NetworkRequest& network,
                                         const std::map<std::string, std::string>& overrides, Executor& executor);

// Loads a role ("train", "validation", "test") for this network: its channels and classes, preprocessed as the data set says.
// `class_names`: the classes as the weights or the training data number them; folders are numbered by them.
std::unique_ptr<Dataset> load_role(const DatasetSpec& dataset, const std::string& role,
                                   const std::map<std::string, std::string>& overrides,
                                   const ElaboratedNetwork& network, Executor& executor,
                                   std::optional<int64_t> ignored_label = {},
                                   const std::vector<std::string>& class_names = {});

// The same for samples that the recipe augments, where `augment` replaces `preprocess` (rule 28).
std::unique_ptr<Dataset> load_augmented(const Recipe& recipe, const std::string& role,
                                        const std::map<std::string, std::string>& overrides,
                                        const ElaboratedNetwork& network, Executor& executor,
                                        const std::vector<std::string>& class_names = {});

}  // namespace netc
