// Network and Session: a compiled program, its weights, and contexts that run it.
#include <fmt/format.h>

#include "compiler/api/host/host.h"
#include "compiler/api/layer_table.h"
#include "compiler/api/predictor.h"

namespace netc::v1 {
namespace {

std::vector<Port> ports_of(const std::vector<IoSlot>& slots) {
  std::vector<Port> ports;
  for (const IoSlot& slot : slots)
    ports.push_back({slot.name, external(slot.type.dtype), {slot.type.shape.begin() + 1, slot.type.shape.end()}});
  return ports;
}

}  // namespace

// Shared by the network and its sessions, so that a session may outlive the network it came from.
struct Network::Impl {
  Options options;
  Project project;
  std::unique_ptr<netc::Executor> executor;
  Model model;
  ModelInfo info;
  std::vector<Port> inputs, outputs;
  uint64_t planned = 0;

  explicit Impl(const Options& given) : options(given) {}

  void compile(const std::string& reference) {
    check_options(options);
    executor = make_executor(options);
    CompileSettings settings{options.device, options.precision, options.cpu, cache_settings(options.cache_dir)};
    settings.winograd = options.winograd;
    Compilation compilation = plan_inference(project, {reference, options.set, false}, options.max_batch, settings);
    planned = static_cast<uint64_t>(netc::planned_bytes(compilation, executor->workers()).total());
    if (options.max_bytes > 0 && planned > options.max_bytes)
      throw RuntimeError("E0925", fmt::format("the plan needs {} bytes, max_bytes is {}", planned, options.max_bytes));
    model = load_model(std::move(compilation), executor->workers());
    const EntryPoint& entry = *model.executable->program().find_entry("predict");
    inputs = ports_of(entry.inputs);
    outputs = ports_of(entry.outputs);
    info = model_info(model.compilation.network);
  }
};

struct Session::Impl {
  std::shared_ptr<const void> network;  // keeps program, weights and executor
  Predictor predictor;
};

Network::Network(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(Network&&) noexcept = default;
Network::~Network() = default;

Result<Network> Network::from_file(std::string name, Options options) noexcept {
  std::shared_ptr<Impl> impl;
  if (auto made = guarded<void>(nullptr, [&] { impl = std::make_shared<Impl>(options); }); !made) return made.error();
  return guarded<Network>(&impl->project.sources(), [&] {
    impl->compile(name);
    return Network(impl);
  });
}

Result<Network> Network::from_source(std::string text, Options options, std::string which) noexcept {
  std::shared_ptr<Impl> impl;
  if (auto made = guarded<void>(nullptr, [&] { impl = std::make_shared<Impl>(options); }); !made) return made.error();
  return guarded<Network>(&impl->project.sources(), [&] {
    const std::string path = "source.net";
    DiagnosticSink sink;
    if (!impl->project.load_text(path, std::move(text), sink)) throw CompileError(sink.all());
    impl->compile(which.empty() ? path : path + ":" + which);
    return Network(impl);
  });
}

const std::vector<Port>& Network::inputs() const noexcept { return impl_->inputs; }
const std::vector<Port>& Network::outputs() const noexcept { return impl_->outputs; }
int64_t Network::parameter_count() const noexcept { return netc::parameter_count(impl_->model.compilation.network); }
uint64_t Network::planned_bytes() const noexcept { return impl_->planned; }
const std::vector<std::string>& Network::class_names() const noexcept { return impl_->info.class_names; }

Result<void> Network::load(const std::string& path) noexcept {
  return guarded<void>(&impl_->project.sources(), [&] {
    ModelInfo info = load_weights_into(impl_->model, path, "", impl_->project, *impl_->executor);
    if (!info.class_names.empty()) impl_->info = std::move(info);
  });
}

Result<void> Network::randomize(uint64_t seed) noexcept {
  return guarded<void>(nullptr, [&] { randomize_weights(impl_->model, seed, *impl_->executor); });
}

Result<Session> Network::session() const noexcept {
  return guarded<Session>(nullptr, [&] {
    return Session(std::unique_ptr<Session::Impl>(new Session::Impl{
        impl_, Predictor(*impl_->model.executable, impl_->model.state, "predict", *impl_->executor)}));
  });
}

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<void> Session::run(const Tensor* in, Tensor* out, int batch) noexcept {
  return guarded<void>(nullptr, [&] {
    Predictor& predictor = impl_->predictor;
    const EntryPoint& entry = predictor.entry();
    if (batch < 1 || batch > predictor.batch())
      throw ArgumentError(fmt::format("a batch of {}, max_batch is {}", batch, predictor.batch()));
    const auto sample = [](const IoSlot& slot) { return Shape(slot.type.shape.begin() + 1, slot.type.shape.end()); };
    for (size_t i = 0; i < entry.inputs.size(); ++i)
      check_tensor(in[i], "input", entry.inputs[i].name, entry.inputs[i].type.dtype, sample(entry.inputs[i]), batch);
    for (size_t i = 0; i < entry.outputs.size(); ++i)
      check_tensor(out[i], "output", entry.outputs[i].name, entry.outputs[i].type.dtype, sample(entry.outputs[i]), batch);
    for (size_t i = 0; i < entry.inputs.size(); ++i) gather(in[i], predictor.input(i).data());
    predictor.run(batch);
    for (size_t i = 0; i < entry.outputs.size(); ++i) scatter(predictor.output(i).data(), out[i]);
  });
}

const char* version() noexcept { return NETC_VERSION; }

}  // namespace netc::v1
