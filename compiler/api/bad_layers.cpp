#include "compiler/api/bad_layers.h"

#include "compiler/api/layer_values.h"
#include "compiler/base/error.h"

namespace netc {

BadLayerProbe::BadLayerProbe(Project& project, const NetworkRequest& request, const Recipe& recipe, const CompileSettings& settings,
                             Executor& executor)
    : model_(load_model(plan_probe(project, request, recipe, recipe.batch, settings), executor.workers())),
      context_(*model_.executable, model_.state),
      io_(model_.executable->program(), "probe"),
      executor_(executor) {
  const ElaboratedNetwork& network = model_.compilation.network;
  for (const LayerValue& value : layer_values(network)) {
    const LayerNode& layer = network.layers[static_cast<size_t>(value.layer)];
    layers_.push_back({layer.path, layer.text.empty() ? layer.name : layer.text, source_of(project, layer),
                       model_.compilation.probed.at(layers_.size()), 0, 0, network.graph.type(value.value).elements()});
  }
}

std::vector<BadLayer> BadLayerProbe::find(const State& state, const Batch& batch, const RuntimeScalars& scalars) {
  for (const StateSlot& slot : model_.state->slots()) {
    const StateSlot* source = state.find(slot.path);
    NETC_CHECK(source && source->type == slot.type, "the probe's " + slot.path + " is not the training's");
    model_.state->write(slot, state.read(*source));
  }
  io_.set_input("image", batch.images.data());
  io_.set_input("label", batch.labels.data());
  batch.augment.bind(io_);
  io_.run(context_, scalars, executor_);
  std::vector<BadLayer> bad;
  for (size_t i = 0; i < layers_.size(); ++i) {
    const std::string name = "layer/" + std::to_string(i);
    const double infinite = io_.scalar(name + "/infinite"), nan = io_.scalar(name + "/nan");
    if (infinite == 0 && nan == 0) continue;
    bad.push_back(layers_[i]);
    bad.back().infinite = static_cast<int64_t>(infinite);
    bad.back().nan = static_cast<int64_t>(nan);
  }
  return bad;
}

}  // namespace netc
