// netc bench: the time of a step with random weights and inputs.
//
// With --on-demand it prints a JSON line that describes the network once it is compiled and warm, and then one for each
// line of the standard input, which says how many seconds to measure. A script that compares several programs can so run them by
// turns: bench/compare.py.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "compiler/api/layer_table.h"
#include "compiler/api/predictor.h"
#include "compiler/base/error.h"
#include "compiler/driver/code_origin.h"
#include "compiler/driver/commands.h"
#include "runtime/thread_pool.h"

namespace netc {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

constexpr int kWarmUp = 2, kMinimumRuns = 5;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// What the steps of one measurement took.
struct Measurement {
  std::vector<double> milliseconds;  // of each step, in order
  // With a profile, of each launch: the least time and the sum over the steps.
  std::vector<int64_t> launch_minimum, launch_sum;
  int64_t page_faults = 0;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct ResourceUse {
  int64_t page_faults = 0, peak_bytes = 0;
};

ResourceUse resource_use() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return {usage.ru_minflt + usage.ru_majflt, int64_t{1024} * usage.ru_maxrss};
}

// Runs steps of one entry on random inputs.
class StepTimer {
 public:
  StepTimer(Predictor& stepper, int64_t batch, int64_t classes, bool profile)
      : stepper_(stepper), batch_(batch), classes_(classes), profile_(profile) {
    scalars_.learning_rate = 1e-4f;
    for (int i = 0; i < kWarmUp; ++i) {
      fill();
      stepper_.run(batch_, scalars_);
    }
  }

  Measurement measure(double seconds, int minimum_runs) {
    Measurement result;
    std::vector<int64_t> launches;
    if (profile_) stepper_.context().set_profile(&launches);
    const Clock::time_point start = Clock::now();
    const int64_t faults = resource_use().page_faults;
    while (static_cast<int>(result.milliseconds.size()) < minimum_runs || milliseconds_since(start) < 1e3 * seconds) {
      fill();
      std::fill(launches.begin(), launches.end(), 0);
      const Clock::time_point before = Clock::now();
      stepper_.run(batch_, scalars_);
      result.milliseconds.push_back(milliseconds_since(before));
      result.launch_minimum.resize(launches.size(), std::numeric_limits<int64_t>::max());
      result.launch_sum.resize(launches.size(), 0);
      for (size_t i = 0; i < launches.size(); ++i) {
        result.launch_minimum[i] = std::min(result.launch_minimum[i], launches[i]);
        result.launch_sum[i] += launches[i];
      }
      ++scalars_.step;
    }
    result.page_faults = resource_use().page_faults - faults;
    stepper_.context().set_profile(nullptr);
    return result;
  }

 private:
  void fill() {
    const EntryPoint& entry = stepper_.entry();
    for (size_t i = 0; i < entry.inputs.size(); ++i) fill_random(entry.inputs[i], stepper_.input(i), 1, 0, classes_);
  }

  Predictor& stepper_;
  int64_t batch_, classes_;
  bool profile_;
  RuntimeScalars scalars_;
};

// Launches by time, the longest first.
std::string profile_text(const EntryPoint& entry, const Measurement& measurement) {
  const std::vector<int64_t>& nanoseconds = measurement.launch_sum;
  const auto runs = static_cast<double>(measurement.milliseconds.size());
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

// With a measurement: and what each launch took in a step.
Json launches_json(const EntryPoint& entry, const Measurement* measurement) {
  Json launches = Json::array();
  for (size_t i = 0; i < entry.launches.size(); ++i) {
    const Launch& launch = entry.launches[i];
    launches.push_back({{"label", launch.label}, {"kernel", launch.kernel}, {"tasks", launch.tasks}, {"flops", launch.flops},
                        {"bytes", launch.bytes}});
    if (!measurement) continue;
    launches.back()["ns_min"] = measurement->launch_minimum[i];
    launches.back()["ns_mean"] = measurement->launch_sum[i] / static_cast<int64_t>(measurement->milliseconds.size());
  }
  return launches;
}

// What does not change from measurement to measurement.
struct Description {
  Json json;
  int64_t flops = 0;  // of contractions, as it is usual to count
};

Description describe(const BenchCommand& command, const Model& model, const EntryPoint& entry, int threads) {
  Description description;
  for (const LoweredGraph& graph : model.compilation.plan.graphs)
    if (!command.train || &graph != &model.compilation.plan.graphs.front()) description.flops += forward_flops(*graph.graph);
  const StageSeconds& seconds = model.compilation.seconds;
  std::set<int32_t> kernels;
  for (const Launch& launch : entry.launches) kernels.insert(launch.kernel);
  const PlannedBytes bytes = planned_bytes(model.compilation, threads);
  description.json = {
      {"network", model.compilation.network.reference}, {"mode", command.train ? "training" : "inference"},
      {"batch", command.batch}, {"threads", threads}, {"precision", name_of(model.compilation.precision.type)},
      {"compile_seconds", seconds.total()},
      {"compile", {{"front", seconds.front}, {"middle", seconds.middle}, {"back", seconds.back}}},
      {"code", to_json(model.compilation.origin)}, {"kernels", kernels.size()}, {"launches", entry.launches.size()}, {"flops", description.flops},
      {"planned_bytes", bytes.total()}, {"arena_bytes", bytes.activations}};
  return description;
}

void serve(StepTimer& timer, const Description& description, const EntryPoint& entry, bool profile) {
  Json ready = description.json;
  ready["profile"] = launches_json(entry, nullptr);
  ready["peak_bytes"] = resource_use().peak_bytes;
  std::cout << ready.dump() << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    char* end = nullptr;
    const double seconds = std::strtod(line.c_str(), &end);
    if (end == line.c_str() || !(seconds >= 0 && seconds <= 3600))
      throw RuntimeError("E0927", fmt::format("`{}` is no number of seconds", line), "a number from 0 to 3600 on each line");
    const Measurement m = timer.measure(seconds, 1);
    Json answer = {{"ms", m.milliseconds}, {"page_faults", m.page_faults}, {"peak_bytes", resource_use().peak_bytes}};
    if (profile) answer["launch_ns_min"] = m.launch_minimum;
    std::cout << answer.dump() << std::endl;
  }
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
  StepTimer timer(stepper, command.batch, model.compilation.network.classes, command.profile);
  Description description = describe(command, model, entry, pool.workers());
  if (command.on_demand) {
    serve(timer, description, entry, command.profile);
    return kExitOk;
  }

  const Measurement m = timer.measure(command.seconds, kMinimumRuns);
  const double fastest = *std::min_element(m.milliseconds.begin(), m.milliseconds.end());
  const double gflops = static_cast<double>(description.flops) / (fastest * 1e6);
  const double images = 1e3 * static_cast<double>(command.batch) / fastest;
  if (output.json()) {
    Json& json = description.json;
    json["runs"] = m.milliseconds.size();
    json["ms_min"] = fastest;
    json["ms_median"] = median(m.milliseconds);
    json["images_per_second"] = images;
    json["gflops_per_second"] = gflops;
    json["page_faults"] = m.page_faults;
    json["peak_bytes"] = resource_use().peak_bytes;
    if (command.profile) json["profile"] = launches_json(entry, &m);
    output.result(json.dump(2) + "\n");
    return kExitOk;
  }
  const StageSeconds& seconds = model.compilation.seconds;
  output.result(fmt::format(
      "{} ms a step (minimum; median {:.3f}), {:.1f} images/s, {:.1f} GFLOP/s\n"
      "{}, batch {}, {} threads, {} launches of {} kernels, compiled in {:.2f} s ({:.2f} front, {:.2f} middle, {:.2f} back)\n"
      "kernels: {}\n"
      "{} resident at most, {} page faults in {} steps\n",
      fmt::format("{:.3f}", fastest), median(m.milliseconds), images, gflops, command.train ? "training" : "inference",
      command.batch, pool.workers(), entry.launches.size(), description.json["kernels"].get<size_t>(), seconds.total(),
      seconds.front, seconds.middle, seconds.back, to_string(origin), byte_text(resource_use().peak_bytes), m.page_faults, m.milliseconds.size()));
  if (command.profile) output.result("\n" + profile_text(entry, m));
  return kExitOk;
}

}  // namespace netc
