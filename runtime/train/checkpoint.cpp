#include "runtime/train/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "compiler/base/error.h"
#include "compiler/base/language.h"
#include "compiler/base/target.h"
#include "runtime/train/checksum.h"

namespace netc {
namespace {

using nlohmann::json;

constexpr const char* kVersion = "3";  // 1 had a hash of the recipe, 2 no checksum

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// Exact, so that sums go on with the same bits.
std::string exact(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%a", value);
  return text;
}

json preprocess_to_json(const std::vector<PreprocessSpec>& specs) {
  json list = json::array();
  for (const PreprocessSpec& spec : specs) {
    const char* kind = "";
    switch (spec.kind) {
      case PreprocessSpec::Kind::resize:
        kind = "resize";
        break;
      case PreprocessSpec::Kind::center_crop:
        kind = "center_crop";
        break;
    }
    list.push_back({{"kind", kind}, {"height", spec.height}, {"width", spec.width}});
  }
  return list;
}

std::vector<PreprocessSpec> preprocess_from_json(const json& list) {
  std::vector<PreprocessSpec> specs;
  for (const json& item : list) {
    PreprocessSpec spec;
    std::string kind = item.at("kind").get<std::string>();
    if (kind == "center_crop") {
      spec.kind = PreprocessSpec::Kind::center_crop;
    } else if (kind != "resize") {
      throw std::invalid_argument("preprocessing \"" + kind + "\"");
    }
    spec.height = item.at("height").get<int64_t>();
    spec.width = item.at("width").get<int64_t>();
    bool square = spec.kind == PreprocessSpec::Kind::resize && spec.width == 0;
    if (spec.height <= 0 || spec.width < 0 || (spec.width == 0 && !square))
      throw std::invalid_argument("a size of " + std::to_string(spec.height) + "x" +
                                  std::to_string(spec.width));
    specs.push_back(spec);
  }
  return specs;
}

[[noreturn]] void malformed(const TensorFile& file, const std::string& what) {
  throw RuntimeError("E0605", file.path() + " is no checkpoint that this netc understands: " + what);
}

const std::string& required(const SafetensorsFile& file, const std::string& key) {
  auto it = file.metadata().find(key);
  if (it == file.metadata().end()) malformed(file, "its metadata have no \"" + key + "\"");
  return it->second;
}

int64_t required_count(const SafetensorsFile& file, const std::string& key) {
  const std::string& text = required(file, key);
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0)
    malformed(file, "\"" + key + "\" is \"" + text + "\", not a count");
  return value;
}

double required_number(const SafetensorsFile& file, const std::string& key) {
  const std::string& text = required(file, key);
  char* end = nullptr;
  double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != 0) malformed(file, "\"" + key + "\" is \"" + text + "\", not a number");
  return value;
}

// What two trainings have different: "its seed is 5, this run's is 6".
class Differences {
 public:
  void compare(const std::string& what, const std::string& there, const std::string& here) {
    if (there == here) return;
    text_ += (text_.empty() ? "its " : "; its ") + what + " is " + there + ", this run's is " + here;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void compare_recipes(Differences& differences, const RecipeText& there, const RecipeText& here) {
  RecipeText keys = there;
  keys.insert(here.begin(), here.end());
  for (const auto& [key, ignored] : keys) {
    const auto a = there.find(key), b = here.find(key);
    differences.compare(key, a == there.end() ? "not said" : a->second, b == here.end() ? "not said" : b->second);
  }
}

// Trainings were direct before checkpoints said whether they are.
RecipeText required_recipe(const SafetensorsFile& file) {
  try {
    RecipeText recipe = json::parse(required(file, "netc.training.recipe")).get<RecipeText>();
    recipe.try_emplace("winograd", "off");
    return recipe;
  } catch (const json::exception& e) {
    malformed(file, std::string("\"netc.training.recipe\": ") + e.what());
  }
}

bool says(const RecipeText& recipe, const std::string& key, const std::string& value) {
  const auto entry = recipe.find(key);
  return entry != recipe.end() && entry->second == value;
}

// Vectors of other lengths, and Winograd's convolutions, round sums differently: a training goes on for its own processor only, and
// with or without the latter as it began.
std::string fix_of_resume(const RecipeText& recipe_there, const std::string& target_there, const TrainingId& here) {
  std::string flags = target_there != here.target ? flag_of_identity(target_there) : "";
  if (says(recipe_there, "winograd", "off") && says(here.recipe, "winograd", "on")) flags += flags.empty() ? "--no-winograd" : " --no-winograd";
  return (flags.empty() ? "the same recipe, data, seed and machine type" : flags + ", and the same recipe, data and seed") +
         "; or start afresh from its weights";
}

}  // namespace

CheckpointImage capture_checkpoint(const State& state, const ModelInfo& model, const TrainingId* id,
                                   const TrainingProgress* progress, const std::string& without) {
  CheckpointImage image;
  image.metadata = {{"netc.version", kVersion},
                    {"netc.network", model.network},
                    {"netc.class_names", dump(model.class_names)},
                    {"netc.preprocess", dump(preprocess_to_json(model.preprocess))},
                    {"netc.mean", dump(model.mean)},
                    {"netc.std", dump(model.std)}};
  if (progress) {
    NETC_CHECK(id, "a training's progress needs its identity");
    image.metadata.insert({{"netc.training.recipe", dump(id->recipe)},
                           {"netc.training.language", kLanguageVersion},
                           {"netc.training.network", id->network},
                           {"netc.training.target", id->target},
                           {"netc.training.samples", std::to_string(id->samples)},
                           {"netc.training.batch", std::to_string(id->batch)},
                           {"netc.training.seed", std::to_string(id->seed)},
                           {"netc.training.step", std::to_string(progress->step)},
                           {"netc.training.epoch_closed", std::to_string(progress->epoch_closed)},
                           {"netc.training.loss_sum", exact(progress->loss_sum)},
                           {"netc.training.correct", exact(progress->correct)},
                           {"netc.training.counted", exact(progress->counted)},
                           {"netc.training.since_best", std::to_string(progress->since_best)},
                           {"netc.training.plateau_waited", std::to_string(progress->plateau.waited)},
                           {"netc.training.plateau_factor", exact(progress->plateau.factor)}});
    if (!id->tiles.empty()) image.metadata["netc.training.tiles"] = id->tiles;
    if (progress->plateau.best) image.metadata["netc.training.plateau_best"] = exact(*progress->plateau.best);
    if (progress->best) image.metadata["netc.training.best"] = exact(*progress->best);
  }
  const auto wanted = [&](const StateSlot& slot) {
    if (!without.empty() && slot.path.starts_with(without)) return false;
    const bool model_part = slot.kind == StateKind::parameter || slot.kind == StateKind::buffer;
    return model_part || (progress && slot.kind == StateKind::moment);
  };
  size_t bytes = 0;
  for (const StateSlot& slot : state.slots()) bytes += wanted(slot) ? static_cast<size_t>(slot.type.bytes()) : 0;
  image.values.reserve(bytes);
  for (const StateSlot& slot : state.slots()) {
    if (!wanted(slot)) continue;
    image.tensors.push_back({slot.path, slot.type, image.values.size()});
    if (slot.layout.dense()) {
      const std::span<const std::byte> values = state.bytes(slot);
      image.values.insert(image.values.end(), values.begin(), values.end());
    } else {
      const std::vector<std::byte> values = state.read(slot);
      image.values.insert(image.values.end(), values.begin(), values.end());
    }
  }
  return image;
}

void write_checkpoint(const std::string& path, const CheckpointImage& image) {
  std::vector<TensorToWrite> tensors;
  for (const CheckpointImage::Tensor& t : image.tensors) tensors.push_back({t.path, t.type, image.values.data() + t.offset});
  Metadata metadata = image.metadata;
  add_checksum(metadata, tensors);
  write_safetensors(path, std::move(tensors), metadata);
}

void save_checkpoint(const std::string& path, const State& state, const ModelInfo& model, const TrainingId* id,
                     const TrainingProgress* progress) {
  write_checkpoint(path, capture_checkpoint(state, model, id, progress));
}

ModelInfo read_model_info(const TensorFile& file) {
  ModelInfo info;
  auto get = [&](const char* key) {
    auto it = file.metadata().find(key);
    return it == file.metadata().end() ? std::string() : it->second;
  };
  info.network = get("netc.network");
  auto parse = [&](const char* key, auto read) {
    std::string text = get(key);
    if (text.empty()) return;
    try {
      read(json::parse(text));
    } catch (const std::exception& e) {
      malformed(file, std::string("\"") + key + "\": " + e.what());
    }
  };
  parse("netc.class_names", [&](const json& j) { info.class_names = j.get<std::vector<std::string>>(); });
  parse("netc.preprocess", [&](const json& j) { info.preprocess = preprocess_from_json(j); });
  parse("netc.mean", [&](const json& j) { info.mean = j.get<std::vector<double>>(); });
  parse("netc.std", [&](const json& j) { info.std = j.get<std::vector<double>>(); });
  return info;
}

std::string read_training_tiles(const SafetensorsFile& file) {
  const auto found = file.metadata().find("netc.training.tiles");
  return found == file.metadata().end() ? "" : found->second;
}

TrainingProgress restore_training(State& state, const SafetensorsFile& file, const TrainingId& id) {
  if (required(file, "netc.version") != kVersion)
    malformed(file, "its version is " + required(file, "netc.version") + ", expected " + kVersion);
  require_undamaged(file);
  TrainingProgress progress;
  progress.step = required_count(file, "netc.training.step");
  progress.epoch_closed = required_count(file, "netc.training.epoch_closed") != 0;
  progress.loss_sum = required_number(file, "netc.training.loss_sum");
  progress.correct = required_number(file, "netc.training.correct");
  progress.counted = required_number(file, "netc.training.counted");
  progress.since_best = required_count(file, "netc.training.since_best");
  progress.plateau.waited = required_count(file, "netc.training.plateau_waited");
  progress.plateau.factor = required_number(file, "netc.training.plateau_factor");
  if (file.metadata().count("netc.training.plateau_best"))
    progress.plateau.best = required_number(file, "netc.training.plateau_best");
  if (file.metadata().count("netc.training.best"))
    progress.best = required_number(file, "netc.training.best");
  Differences differences;
  const RecipeText recipe = required_recipe(file);
  compare_recipes(differences, recipe, id.recipe);
  differences.compare("seed", required(file, "netc.training.seed"), std::to_string(id.seed));
  differences.compare("batch", required(file, "netc.training.batch"), std::to_string(id.batch));
  differences.compare("number of training samples", required(file, "netc.training.samples"), std::to_string(id.samples));
  const std::string target = required(file, "netc.training.target");
  differences.compare("target", target, id.target);
  // Checkpoints did not always say these two.
  const auto compare_known = [&](const std::string& key, const std::string& what, const std::string& here) {
    const auto there = file.metadata().find(key);
    if (there != file.metadata().end() && !there->second.empty() && !here.empty()) differences.compare(what, there->second, here);
  };
  compare_known("netc.training.language", "version of the language", kLanguageVersion);
  // Recipe, batch and precision are part of the network: where they differ they say more.
  if (differences.text().empty()) compare_known("netc.training.network", "network's fingerprint", id.network);
  if (!differences.text().empty())
    throw RuntimeError("E0606", file.path() + " cannot be resumed: " + differences.text(),
                       fix_of_resume(recipe, target, id));
  load_slots(state, file, {}, [](StateKind kind) { return kind != StateKind::gradient; });
  return progress;
}

}  // namespace netc
