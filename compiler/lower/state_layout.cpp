#include "compiler/lower/state_layout.h"

#include <algorithm>
#include <utility>

#include "compiler/base/error.h"
#include "compiler/lower/choose_layouts.h"
#include "compiler/passes/average.h"
#include "compiler/passes/loss_scale.h"
#include "compiler/passes/update.h"

namespace netc {
namespace {

constexpr int64_t kSlotAlignment = 64;

int64_t aligned(int64_t bytes) { return ceil_div(bytes, kSlotAlignment) * kSlotAlignment; }

class StateArranger {
 public:
  StateArranger(const std::vector<const Graph*>& graphs, StateLayouts layouts) : layouts_(std::move(layouts)) {
    for (const Graph* graph : graphs)
      for (const StateVariable& state : graph->states) collect(state);
  }

  StateLayout run(const OptimizerSpec* optimizer, const std::map<std::string, int32_t>& groups) {
    order_parameters(groups);
    add_slab(kParameterSlab, "", StateKind::parameter);
    find_groups(groups);
    if (!gradients_.empty()) add_slab(kGradientSlab, "gradient/", StateKind::gradient);
    if (optimizer && optimizer->accumulate > 1) add_slab(kAccumulatedSlab, "accumulated/", StateKind::gradient);
    if (optimizer)
      for (const std::string& name : moment_names(*optimizer)) add_slab("slab/" + name, name + "/", StateKind::moment);
    if (optimizer && optimizer->swa) add_slab(kSwaSlab, kSwaPrefix, StateKind::moment);
    if (optimizer && optimizer->loss_scale)
      for (const StateVariable& state : loss_scale_states(*optimizer->loss_scale)) add_slot(state, {});
    const int64_t buffers = layout_.bytes;
    for (const StateVariable& buffer : buffers_) add_slot(buffer, layout_of(buffer.path));
    if (optimizer && optimizer->ema > 0 && !buffers_.empty()) add_buffer_average(buffers, kBufferEmaSlab, kEmaPrefix);
    if (optimizer && optimizer->swa && !buffers_.empty()) add_buffer_average(buffers, kSwaBufferSlab, kSwaPrefix);
    return std::move(layout_);
  }

 private:
  void collect(const StateVariable& state) {
    auto [known, is_new] = types_.try_emplace(state.path, state.type);
    NETC_CHECK(known->second == state.type, "two graphs disagree on the type of " + state.path);
    if (!is_new || state.path.starts_with("slab/") || state.path.starts_with(kLossScalePrefix)) return;
    switch (state.kind) {
      case StateKind::parameter:
        NETC_CHECK(state.type.dtype == DType::f32, "parameter " + state.path + " is not f32");
        parameters_.push_back(state);
        break;
      case StateKind::gradient: gradients_.push_back(state.path.substr(std::string("gradient/").size())); break;
      case StateKind::buffer:
      case StateKind::prepared: buffers_.push_back(state); break;
      case StateKind::moment: throw InternalError("moments belong to the optimizer: " + state.path);
    }
  }

  void order_parameters(const std::map<std::string, int32_t>& groups) {
    std::map<std::string, size_t> rank;
    for (size_t i = 0; i < gradients_.size(); ++i) rank.emplace(gradients_[i], i);
    auto rank_of = [&](const StateVariable& state) {
      auto found = rank.find(state.path);
      const size_t ready = found == rank.end() ? gradients_.size() : found->second;
      return std::pair(group_of(state, groups), ready);
    };
    std::stable_sort(parameters_.begin(), parameters_.end(),
                     [&](const StateVariable& a, const StateVariable& b) { return rank_of(a) < rank_of(b); });
  }

  static int32_t group_of(const StateVariable& parameter, const std::map<std::string, int32_t>& groups) {
    auto found = groups.find(parameter.path);
    return found == groups.end() ? 0 : found->second;
  }

  // A group without parameters begins where the next one does; one after the last parameter has no beginning.
  void find_groups(const std::map<std::string, int32_t>& groups) {
    for (const StateVariable& parameter : parameters_)
      while (static_cast<int32_t>(layout_.group_begins.size()) <= group_of(parameter, groups))
        layout_.group_begins.push_back((layout_.offset_of(parameter.path) - layout_.offset_of(kParameterSlab)) / size_of(DType::f32));
  }

  // An average of each buffer, in the buffers' order and with their gaps, from a slab to a slab.
  void add_buffer_average(int64_t begin, const std::string& name, const std::string& prefix) {
    layout_.offsets[kBufferSlab] = begin;
    layout_.buffer_elements = (layout_.bytes - begin) / size_of(DType::f32);
    layout_.offsets[name] = layout_.bytes;
    for (StateVariable buffer : buffers_) {
      const Layout layout = layout_of(buffer.path);
      NETC_CHECK(buffer.type.dtype == DType::f32, "buffer " + buffer.path + " is not f32");
      buffer.path = prefix + buffer.path;
      buffer.kind = StateKind::moment;
      buffer.init = {};
      add_slot(buffer, layout);
    }
  }

  void add_slab(const std::string& name, const std::string& prefix, StateKind kind) {
    int64_t begin = layout_.bytes;
    layout_.offsets[name] = begin;
    for (StateVariable state : parameters_) {
      const Layout layout = layout_of(state.path);
      if (kind != StateKind::parameter) state.init = {};
      state.path = prefix + state.path;
      state.kind = kind;
      add_slot(state, layout);
    }
    layout_.slab_elements = (layout_.bytes - begin) / size_of(DType::f32);
  }

  Layout layout_of(const std::string& path) const {
    auto found = layouts_.find(path);
    return found == layouts_.end() ? Layout{} : found->second;
  }

  void add_slot(const StateVariable& state, const Layout& layout) {
    layout_.offsets[state.path] = layout_.bytes;
    layout_.slots.push_back({state.path, state.type, state.kind, state.init, layout_.bytes, layout});
    layout_.bytes += aligned(layout_.slots.back().bytes());
  }

  std::map<std::string, TensorType> types_;
  std::vector<StateVariable> parameters_, buffers_;
  std::vector<std::string> gradients_;  // paths of their parameters, in order
  StateLayouts layouts_;
  StateLayout layout_;
};

}  // namespace

int64_t StateLayout::offset_of(const std::string& path) const {
  auto found = offsets.find(path);
  NETC_CHECK(found != offsets.end(), "no state variable " + path);
  return found->second;
}

StateLayout lay_out_state(const std::vector<const Graph*>& graphs, const OptimizerSpec* optimizer, const LayoutOptions& layouts,
                          const std::map<std::string, int32_t>& groups) {
  return StateArranger(graphs, choose_state_layouts(graphs, layouts)).run(optimizer, groups);
}

}  // namespace netc
