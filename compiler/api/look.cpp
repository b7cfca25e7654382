#include "compiler/api/look.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "compiler/api/layer_values.h"
#include "compiler/api/model.h"
#include "compiler/api/predict_files.h"
#include "compiler/api/predictor.h"
#include "compiler/api/training.h"
#include "compiler/base/error.h"
#include "runtime/data/image_sheet.h"
#include "runtime/train/first_layer.h"

namespace netc {
namespace {

std::string call_of(const LayerNode& layer) { return layer.text.empty() ? layer.name : layer.text; }

// Layers whose values are pictures: those that the globs name, or the first one and the last of each size.
std::vector<LayerValue> choose(const ElaboratedNetwork& network, const std::vector<std::string>& globs) {
  std::vector<LayerValue> pictures;
  for (const LayerValue& value : layer_values(network)) {
    const Shape& shape = network.graph.type(value.value).shape;
    if (shape.size() == 4 && shape[2] * shape[3] > 1) pictures.push_back(value);
  }
  const auto path_of = [&](const LayerValue& v) { return network.layers[static_cast<size_t>(v.layer)].path; };
  std::vector<LayerValue> chosen;
  if (globs.empty()) {
    std::map<std::pair<int64_t, int64_t>, size_t> last;
    for (size_t i = 0; i < pictures.size(); ++i) {
      const Shape& shape = network.graph.type(pictures[i].value).shape;
      last[{shape[2], shape[3]}] = i;
    }
    std::set<size_t> indices;
    if (!pictures.empty()) indices.insert(0);
    for (const auto& [size, i] : last) indices.insert(i);
    for (size_t i : indices) chosen.push_back(pictures[i]);
    return chosen;
  }
  for (const LayerValue& value : pictures) {
    const bool wanted = std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) { return glob_matches(glob, path_of(value)); });
    if (wanted) chosen.push_back(value);
  }
  for (const std::string& glob : globs) {
    const bool matches = std::any_of(pictures.begin(), pictures.end(), [&](const LayerValue& v) { return glob_matches(glob, path_of(v)); });
    if (!matches) throw RuntimeError("E0515", "no layer that computes pictures matches `" + glob + "`", "`netc explain` lists the layers");
  }
  return chosen;
}

SampleSet read_samples(Project& project, const LookRequest& request, const ElaboratedNetwork& network, const ModelInfo& info, Executor& executor) {
  if (network.inputs.size() != 1) throw RuntimeError("E0924", "a network to look into has one input");
  if (!request.inputs.empty()) return read_pictures(request.inputs, network.inputs[0], info);
  if (!network.dataset)
    throw RuntimeError("E0924", "`" + request.network.reference + "` names no `train`, so there is no data set", "FILE.net:TRAIN, or --input FILE.png");
  const std::optional<int64_t> ignored_label = find_recipe(project, request.network.reference).loss.ignored_label;
  const std::unique_ptr<Dataset> data = load_role(*network.dataset, "test", request.data, network, executor, ignored_label, info.class_names);
  if (request.on_data) request.on_data(*data);
  return take_samples(*data, request.count, network.inputs[0]);
}

// The parameter of the first layer with filters that can be drawn.
void add_filters(std::vector<LookPicture>& pictures, const ElaboratedNetwork& network, const State& state) {
  const Shape& input = network.inputs.at(0).shape;
  for (const StateVariable& parameter : network.graph.states) {
    const Shape& shape = parameter.type.shape;
    if (parameter.kind != StateKind::parameter || shape.size() != 4 || input.empty() || shape[1] != input[0]) continue;
    if ((shape[1] != 1 && shape[1] != 3) || shape[2] * shape[3] == 1) return;
    const StateSlot* slot = state.find(parameter.path);
    NETC_CHECK(slot, "a parameter without a place");
    const std::vector<std::byte> bytes = state.read(*slot);
    const std::span<const float> weights{reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
    pictures.push_back({"filters", parameter.path, "", shape, draw_filters(weights, shape)});
    return;
  }
}

Image draw_maps(const float* values, const Shape& shape, int64_t samples, int64_t channels) {
  const int64_t plane = shape[2] * shape[3];
  const auto map = [&](int64_t n, int64_t c) { return values + (n * shape[1] + c) * plane; };
  float low = *values, high = *values;
  for (int64_t n = 0; n < samples; ++n)
    for (int64_t c = 0; c < channels; ++c) {
      const auto [least, greatest] = std::minmax_element(map(n, c), map(n, c) + plane);
      low = std::min(low, *least);
      high = std::max(high, *greatest);
    }
  const double unit = high > low ? 255.0 / (static_cast<double>(high) - low) : 0;
  ImageSheet sheet({1, shape[2], shape[3], 64}, samples, channels);
  for (int64_t n = 0; n < samples; ++n)
    for (int64_t c = 0; c < channels; ++c)
      sheet.put(n, c, [&](int64_t, int64_t y, int64_t x) { return (map(n, c)[y * shape[3] + x] - static_cast<double>(low)) * unit; });
  return sheet.take();
}

}  // namespace

std::vector<LookPicture> look(Project& project, const LookRequest& request, Executor& executor) {
  CompileSettings settings = request.settings;
  if (!settings.precision.empty() && settings.precision != "f32")
    throw RuntimeError("E0923", "activations are drawn in f32, not in " + settings.precision, "--precision f32");
  const auto batch = request.inputs.empty() ? request.count : static_cast<int64_t>(request.inputs.size());
  ElaboratedNetwork elaborated = elaborate_network(project, request.network, Purpose::predict, batch);
  const std::vector<LayerValue> layers = choose(elaborated, request.layers);
  expose(elaborated, layers, "layer/");
  Model model = load_model(plan_inference(project, std::move(elaborated), settings), executor.workers());
  ModelInfo info = load_weights_into(model, request.weights, request.names, project, executor);
  const ElaboratedNetwork& network = model.compilation.network;
  if (info.preprocess.empty() && network.dataset) info.preprocess = network.dataset->preprocess;
  const SampleSet samples = read_samples(project, request, network, info, executor);

  std::vector<LookPicture> pictures;
  add_filters(pictures, network, *model.state);
  Predictor predictor(*model.executable, model.state, "predict", executor);
  std::memcpy(predictor.input(0).data(), samples.bytes.data(), samples.bytes.size());
  predictor.run(samples.count);
  for (size_t i = 0; i < layers.size(); ++i) {
    const std::vector<IoSlot>& outputs = predictor.entry().outputs;
    const std::string output = "layer/" + std::to_string(i);
    const auto slot = std::find_if(outputs.begin(), outputs.end(), [&](const IoSlot& s) { return s.name == output; });
    NETC_CHECK(slot != outputs.end(), "an output is missing: " + output);
    const auto* values = reinterpret_cast<const float*>(predictor.output(static_cast<size_t>(slot - outputs.begin())).data());
    const LayerNode& layer = network.layers[static_cast<size_t>(layers[i].layer)];
    const Shape& shape = slot->type.shape;
    pictures.push_back({fmt::format("{:02}-{}", i + 1, layer.path), layer.path, call_of(layer), {shape.begin() + 1, shape.end()},
                        draw_maps(values, shape, samples.count, std::min(request.channels, shape[1]))});
  }
  return pictures;
}

}  // namespace netc
