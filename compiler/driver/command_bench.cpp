// netc bench: the time of a step with random weights and inputs.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <set>

#include "compiler/api/layer_table.h"
#include "compiler/api/predictor.h"
#include "compiler/driver/code_origin.h"
#include "compiler/driver/commands.h"
#include "runtime/thread_pool.h"

namespace netc {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kWarmUp = 2, kMinimumRuns = 5;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// Launches by time, the longest first.
std::string profile_text(const EntryPoint& entry, const std::vector<int64_t>& nanoseconds, int runs) {
  std::vector<size_t> order(entry.launches.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return nanoseconds[a] > nanoseconds[b]; });
  Table table({{"us", Table::Align::right}, {"GFLOP/s", Table::Align::right}, {"GB/s", Table::Align::right},
               {"tasks", Table::Align::right}, {"kernel", Table::Align::left}});
  for (size_t i : order) {
    const Launch& launch = entry.launches[i];
    const double ns = std::max(1.0, static_cast<double>(nanoseconds[i]) / runs);
    table.add({fmt::format("{:.1f}", ns / 1e3), fmt::format("{:.1f}", static_cast<double>(launch.flops) / ns),
               fmt::format("{:.1f}", static_cast<double>(launch.bytes) / ns), std::to_string(launch.tasks), launch.label});
  }
  return table.text();
}

}  // namespace

int run(const BenchCommand& command, Environment& environment) {
  Output& output = environment.output;
  Project& project = environment.project;
  const NetworkRequest request{command.network.reference, command.network.set, false};
  const CompileSettings settings = settings_of(command.device);
  ThreadPool pool(command.device.threads);

  std::optional<Recipe> recipe;
  DiagnosticSink sink;
  if (command.train) recipe = resolve_recipe(project, request.reference, sink);
  Model model = load_model(command.train ? plan_training(project, request, recipe ? &*recipe : nullptr, command.batch, settings)
                                         : plan_inference(project, request, command.batch, settings),
                           pool.workers());
  const CodeOrigin& origin = model.compilation.origin;
  report_warnings(origin, environment);
  randomize_weights(model, 1, pool);
  Predictor stepper(*model.executable, model.state, command.train ? "step" : "predict", pool);
  const EntryPoint& entry = stepper.entry();
  const auto fill = [&] {
    for (size_t i = 0; i < entry.inputs.size(); ++i)
      fill_random(entry.inputs[i], stepper.input(i), 1, 0, model.compilation.network.classes);
  };
  RuntimeScalars scalars;
  scalars.learning_rate = 1e-4f;

  for (int i = 0; i < kWarmUp; ++i) {
    fill();
    stepper.run(command.batch, scalars);
  }
  std::vector<int64_t> profile;
  if (command.profile) stepper.context().set_profile(&profile);
  std::vector<double> times;
  const Clock::time_point start = Clock::now();
  while (static_cast<int>(times.size()) < kMinimumRuns || milliseconds_since(start) < 1e3 * command.seconds) {
    fill();
    const Clock::time_point before = Clock::now();
    stepper.run(command.batch, scalars);
    times.push_back(milliseconds_since(before));
    ++scalars.step;
  }
  const int runs = static_cast<int>(times.size());
  std::sort(times.begin(), times.end());
  const double fastest = times.front(), median = times[times.size() / 2];

  int64_t flops = 0;  // of contractions, as it is usual to count
  for (const LoweredGraph& graph : model.compilation.plan.graphs)
    if (!command.train || &graph != &model.compilation.plan.graphs.front()) flops += forward_flops(*graph.graph);
  const double gflops = static_cast<double>(flops) / (fastest * 1e6), images = 1e3 * static_cast<double>(command.batch) / fastest;
  const StageSeconds& seconds = model.compilation.seconds;
  std::set<int32_t> kernels;
  for (const Launch& launch : entry.launches) kernels.insert(launch.kernel);
  if (output.json()) {
    const nlohmann::ordered_json json = {
        {"network", model.compilation.network.reference}, {"mode", command.train ? "training" : "inference"},
        {"batch", command.batch}, {"threads", pool.workers()}, {"runs", runs}, {"ms_min", fastest}, {"ms_median", median},
        {"images_per_second", images}, {"gflops_per_second", gflops}, {"compile_seconds", seconds.total()},
        {"compile", {{"front", seconds.front}, {"middle", seconds.middle}, {"back", seconds.back}}},
        {"code", to_json(origin)}, {"kernels", kernels.size()}, {"launches", entry.launches.size()}};
    output.result(json.dump(2) + "\n");
    return kExitOk;
  }
  output.result(fmt::format(
      "{} ms a step (minimum; median {:.3f}), {:.1f} images/s, {:.1f} GFLOP/s\n"
      "{}, batch {}, {} threads, {} launches of {} kernels, compiled in {:.2f} s ({:.2f} front, {:.2f} middle, {:.2f} back)\n"
      "kernels: {}\n",
      fmt::format("{:.3f}", fastest), median, images, gflops, command.train ? "training" : "inference", command.batch,
      pool.workers(), entry.launches.size(), kernels.size(), seconds.total(), seconds.front,
      seconds.middle, seconds.back, to_string(origin)));
  if (command.profile) output.result("\n" + profile_text(entry, profile, runs));
  return kExitOk;
}

}  // namespace netc
