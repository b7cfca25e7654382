// netc predict: a network's outputs for pictures, arrays, samples of a data set or random values.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>

#include "compiler/api/predict_files.h"
#include "compiler/api/predictor.h"
#include "compiler/api/training.h"
#include "compiler/base/error.h"
#include "compiler/driver/code_origin.h"
#include "compiler/driver/commands.h"
#include "compiler/driver/json_text.h"
#include "compiler/driver/load_report.h"
#include "runtime/thread_pool.h"

namespace netc {
namespace {

// Arrays of reals are given to the network as it declares its input, before any data set's normalisation.
bool wants_raw_input(const PredictCommand& command) {
  return !command.inputs.empty() && std::all_of(command.inputs.begin(), command.inputs.end(), [](const std::string& path) {
    return is_array_file(path) && read_npy(path).type.dtype == DType::f32;
  });
}

class Prediction {
 public:
  Prediction(const PredictCommand& command, Environment& environment)
      : command_(command),
        environment_(environment),
        pool_(command.device.threads),
        model_(load_model(plan_inference(environment.project,
                                         {command.network.reference, command.network.set, wants_raw_input(command)},
                                         command.batch, settings_of(command.device)),
                          pool_.workers())) {
    report_warnings(model_.compilation.origin, environment);
    if (command.random_weights)
      randomize_weights(model_, command.seed, pool_);
    else
      info_ = load_weights_into(model_, command.weights, command.names, environment.project, pool_);
    const ElaboratedNetwork& network = model_.compilation.network;
    if (info_.class_names.empty()) info_.class_names = network.class_names;
    if (info_.preprocess.empty() && network.dataset) info_.preprocess = network.dataset->preprocess;
  }

  void run() {
    const std::vector<SampleSet> inputs = read_inputs();
    const int64_t count = inputs.front().count;
    Predictor predictor(*model_.executable, model_.state, "predict", pool_);
    const EntryPoint& entry = predictor.entry();
    std::vector<std::vector<std::byte>> outputs(entry.outputs.size());
    for (int64_t first = 0; first < count; first += command_.batch) {
      const int64_t now = std::min(command_.batch, count - first);
      for (size_t i = 0; i < inputs.size(); ++i) {
        const auto size = static_cast<size_t>(sample_bytes(entry.inputs[i]));
        std::memcpy(predictor.input(i).data(), inputs[i].bytes.data() + static_cast<size_t>(first) * size, static_cast<size_t>(now) * size);
      }
      predictor.run(now);
      for (size_t i = 0; i < outputs.size(); ++i) {
        const std::span<std::byte> bytes = predictor.output(i).first(static_cast<size_t>(now * sample_bytes(entry.outputs[i])));
        outputs[i].insert(outputs[i].end(), bytes.begin(), bytes.end());
      }
    }
    if (!command_.output.empty()) write(entry, outputs, count);
    if (command_.output.empty() || environment_.output.json()) print(entry, outputs, inputs.front());
  }

 private:
  std::vector<SampleSet> read_inputs() {
    const ElaboratedNetwork& network = model_.compilation.network;
    const size_t wanted = network.inputs.size();
    if (command_.random_input) return random_inputs();
    if (!command_.data_role.empty()) {
      if (!network.dataset)
        throw RuntimeError("E0924", "`" + command_.network.reference + "` names no `train`, so there is no data set", "FILE.net:TRAIN");
      const std::optional<int64_t> ignored_label = find_recipe(environment_.project, command_.network.reference).loss.ignored_label;
      const std::unique_ptr<Dataset> data =
          load_role(*network.dataset, command_.data_role, command_.data, network, pool_, ignored_label, info_.class_names);
      environment_.output.note(skipped_report(*data, command_.data_role));
      return {take_samples(*data, command_.count, network.inputs.at(0))};
    }
    if (command_.inputs.empty())
      throw RuntimeError("E0924", "nothing to predict", "--input FILE, --sample test or --random-input");
    if (wanted == 1) {
      const bool arrays = std::all_of(command_.inputs.begin(), command_.inputs.end(), is_array_file);
      return {arrays ? read_arrays(command_.inputs, network.inputs[0]) : read_pictures(command_.inputs, network.inputs[0], info_)};
    }
    if (command_.inputs.size() != wanted)
      throw RuntimeError("E0924", fmt::format("the network has {} inputs, got {} files", wanted, command_.inputs.size()),
                         "--input A.npy B.npy, in the network's order");
    std::vector<SampleSet> sets;
    for (size_t i = 0; i < wanted; ++i) {
      sets.push_back(read_arrays({command_.inputs[i]}, network.inputs[i]));
      if (sets[i].count != sets[0].count)
        throw RuntimeError("E0706", fmt::format("{} has {} samples, {} has {}", command_.inputs[0], sets[0].count, command_.inputs[i], sets[i].count));
    }
    return sets;
  }

  std::vector<SampleSet> random_inputs() {
    std::vector<SampleSet> sets;
    const EntryPoint& entry = *model_.executable->program().find_entry("predict");
    for (const IoSlot& slot : entry.inputs) {
      SampleSet set;
      set.count = command_.batch;
      set.bytes.resize(static_cast<size_t>(slot.type.bytes()));
      fill_random(slot, set.bytes, command_.seed, 0, 2);
      for (int64_t i = 0; i < set.count; ++i) set.names.push_back(fmt::format("random {}", i));
      sets.push_back(std::move(set));
    }
    return sets;
  }

  // The first output as the file's name says, others with their name before the suffix.
  void write(const EntryPoint& entry, const std::vector<std::vector<std::byte>>& outputs, int64_t count) const {
    for (size_t i = 0; i < outputs.size(); ++i) {
      TensorType type = entry.outputs[i].type;
      type.shape[0] = count;
      std::string path = command_.output;
      if (i > 0) path.insert(is_array_file(path) ? path.size() - 4 : path.size(), "." + entry.outputs[i].name);
      write_npy(path, {type, outputs[i]});
      environment_.output.note(fmt::format("wrote {} {}\n", path, to_string(type)));
    }
  }

  struct Ranked {
    size_t index;
    double probability;
  };
  std::vector<Ranked> rank(const float* logits, size_t classes) const {
    std::vector<Ranked> ranked(classes);
    const float largest = *std::max_element(logits, logits + classes);
    double sum = 0;
    for (size_t i = 0; i < classes; ++i) sum += std::exp(static_cast<double>(logits[i]) - largest);
    for (size_t i = 0; i < classes; ++i) ranked[i] = {i, std::exp(static_cast<double>(logits[i]) - largest) / sum};
    std::stable_sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) { return a.probability > b.probability; });
    ranked.resize(std::min(classes, static_cast<size_t>(command_.top)));
    return ranked;
  }
  std::string class_name(size_t index) const {
    return index < info_.class_names.size() ? info_.class_names[index] : std::to_string(index);
  }

  void print(const EntryPoint& entry, const std::vector<std::vector<std::byte>>& outputs, const SampleSet& samples) const {
    const IoSlot& slot = entry.outputs.front();
    if (slot.type.shape.size() != 2 || slot.type.dtype != DType::f32) {
      environment_.output.result(fmt::format("output `{}` is {}: write it with --output FILE.npy\n", slot.name, to_string(slot.type)));
      return;
    }
    const auto classes = static_cast<size_t>(slot.type.shape[1]);
    const auto* logits = reinterpret_cast<const float*>(outputs.front().data());
    nlohmann::ordered_json json = nlohmann::ordered_json::array();
    std::string text;
    for (size_t n = 0; n < static_cast<size_t>(samples.count); ++n) {
      const std::vector<Ranked> ranked = rank(logits + n * classes, classes);
      nlohmann::ordered_json item = {{"input", samples.names[n]}, {"predictions", nlohmann::ordered_json::array()}};
      text += samples.names[n] + ":";
      for (size_t i = 0; i < ranked.size(); ++i) {
        item["predictions"].push_back({{"class", ranked[i].index}, {"name", class_name(ranked[i].index)}, {"probability", ranked[i].probability}});
        text += fmt::format("{} {} {:.1f} %", i ? "," : "", class_name(ranked[i].index), 100 * ranked[i].probability);
      }
      if (n < samples.labels.size()) {
        const int64_t label = samples.labels[n];  // an ignored one may be no class
        item["label"] = label;
        text += fmt::format("   (it is {})", label < 0 ? std::to_string(label) : class_name(static_cast<size_t>(label)));
      }
      json.push_back(std::move(item));
      text += "\n";
    }
    environment_.output.result(environment_.output.json() ? json_text(json) : text);
  }

  const PredictCommand& command_;
  Environment& environment_;
  ThreadPool pool_;
  Model model_;
  ModelInfo info_;
};

}  // namespace

int run(const PredictCommand& command, Environment& environment) {
  const bool none = !command.random_weights && command.weights.empty();
  if (none && members_of(environment.project, {command.network.reference, command.network.set}).empty())
    throw RuntimeError("E0924", "predict needs weights", "--weights FILE, or --random-weights");
  Prediction(command, environment).run();
  return kExitOk;
}

}  // namespace netc
