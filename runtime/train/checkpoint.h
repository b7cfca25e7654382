// What a training leaves on the disk: a safetensors file with the state under its logical names and, in
// the metadata, all that is needed to use the model (class names, preprocessing) and to go on training.
//
//   save_checkpoint("last.safetensors", state, model, &id, &progress);
//   SafetensorsFile file("last.safetensors");
//   LoadReport report = load_weights(state, file);              // predict, eval, fine-tuning
//   TrainingProgress p = restore_training(state, file, id);     // --resume: every byte as it was
//
// Metadata keys begin with "netc."; a file without them (another program's weights) loads as weights too. One of them is a
// checksum of all others and of the tensors, so that a flipped bit anywhere is an error (E0609) and never a weight.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "compiler/base/recipe.h"
#include "runtime/data/safetensors.h"
#include "runtime/state.h"
#include "runtime/train/load_weights.h"
#include "runtime/train/recipe_text.h"
#include "runtime/train/schedule.h"

namespace netc {

// What belongs to a model besides its weights.
struct ModelInfo {
  std::string network;  // as the .net file says: "resnet20(classes = 10)"
  std::vector<std::string> class_names;
  std::vector<PreprocessSpec> preprocess;
  std::vector<double> mean, std;  // of the normalisation that is in the graph, for people
  // Of a training, and not in other files:
  std::string fingerprint;  // of the network's graph; empty: not known
  std::string tiles{};      // measured ones of a GPU's products, of which a target's identity has a digest
  bool operator==(const ModelInfo&) const = default;
};

// Which training a checkpoint belongs to. A resumed run gives the same bits only with all of it the same.
struct TrainingId {
  RecipeText recipe;   // recipe_text
  std::string target;  // Program::target
  int64_t samples = 0, batch = 0;
  uint64_t seed = 0;
  std::string network;  // ModelInfo::fingerprint
  std::string tiles{};  // ModelInfo::tiles
};

// Where a training stands. Sums are over the samples of the current epoch so far.
struct TrainingProgress {
  int64_t step = 0;          // steps done
  bool epoch_closed = true;  // at an epoch's last step: it has been evaluated and logged
  double loss_sum = 0;
  double correct = 0;
  double counted = 0;        // samples of which `correct` are right: not those whose label is ignored
  std::optional<double> best;  // top-1 share on the test data, or minus the training loss without any
  int64_t since_best = 0;      // epochs
  PlateauState plateau;
};

// A copy of all that a checkpoint holds, to be written while the training goes on.
struct CheckpointImage {
  struct Tensor {
    std::string path;
    TensorType type;
    size_t offset = 0;  // into `values`
  };
  Metadata metadata;  // without the checksum
  std::vector<Tensor> tensors;
  std::vector<std::byte> values;  // dense
};

// Parameters and buffers; with `progress` also the optimizer's moments and the training's position. What begins with
// `without` is left out, if that is not empty.
CheckpointImage capture_checkpoint(const State& state, const ModelInfo& model, const TrainingId* id = nullptr,
                                   const TrainingProgress* progress = nullptr, const std::string& without = "");

// The same image gives the same bytes. THROWS RuntimeError E0604.
void write_checkpoint(const std::string& path, const CheckpointImage& image);

// Both, one after the other.
void save_checkpoint(const std::string& path, const State& state, const ModelInfo& model,
                     const TrainingId* id = nullptr, const TrainingProgress* progress = nullptr);

// From a file's metadata; empty fields where there is none. THROWS RuntimeError E0605 if it is malformed.
ModelInfo read_model_info(const TensorFile& file);

// The tiles that a checkpoint's training has: with others its sums would be rounded differently, whatever has
// been measured since.
std::string read_training_tiles(const SafetensorsFile& file);

// Restores parameters, buffers and moments, and says where the training stood.
// THROWS RuntimeError E0601 if the state differs, E0605 if the file is no checkpoint of a training, E0606 if
// it is one of another training, E0609 if it is damaged.
TrainingProgress restore_training(State& state, const SafetensorsFile& file, const TrainingId& id);

}  // namespace netc
