// netc train: a recipe from its first epoch, or its last checkpoint, to its end.
#include <fmt/format.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "compiler/api/train_ensemble.h"
#include "compiler/api/training.h"
#include "compiler/base/error.h"
#include "compiler/driver/code_origin.h"
#include "compiler/driver/commands.h"
#include "compiler/driver/json_text.h"
#include "compiler/driver/load_report.h"
#include "runtime/thread_pool.h"

namespace netc {
namespace {

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "the signal handler writes it");

// The first Ctrl-C stops after the step; a second one ends the process as usual.
extern "C" void interrupt(int signal) {
  interrupted = true;
  std::signal(signal, SIG_DFL);
}

std::string step_line(const StepReport& r) {
  const std::string scale = r.loss_scale ? fmt::format("  loss scale {:g}", r.loss_scale->scale) : "";
  return fmt::format("epoch {}/{}  step {}/{}  loss {:.4f}  lr {:.4g}{}  {:.0f} images/s  ETA {}", r.epoch, r.epochs,
                     r.epoch_step, r.epoch_steps, r.epoch_loss, r.learning_rate, scale, r.images_per_second,
                     duration_text(r.eta_seconds));
}

// `role`: what the samples of the test are, "test" or "validation".
std::string epoch_line(const EpochReport& r, const std::string& role) {
  std::string line = fmt::format("epoch {}/{}  loss {:.4f}", r.epoch, r.epochs, r.train_loss);
  if (r.train_accuracy) line += fmt::format("  accuracy {:.2f} %", 100 * *r.train_accuracy);
  if (r.test) line += fmt::format("  {0} loss {1:.4f}  {0} accuracy {2:.2f} %", role, r.test->loss, 100 * r.test->top1);
  return line + fmt::format("  {}{}\n", duration_text(r.seconds), r.best ? "  best" : "");
}

std::string average_line(const AverageReport& r, const std::string& role) {
  std::string line = fmt::format("average of {} models", r.models);
  if (r.test) line += fmt::format("  {0} loss {1:.4f}  {0} accuracy {2:.2f} %", role, r.test->loss, 100 * r.test->top1);
  return line + "\n";
}

std::string folder_of(const TrainCommand& command, const std::string& name) {
  if (!command.output.empty()) return command.output;
  return (std::filesystem::path("runs") / name).string();
}

// The checkpoint to go on from, or empty.
std::string resume_path(const TrainCommand& command, const std::string& folder) {
  if (!command.resume) return {};
  if (!command.checkpoint.empty()) return command.checkpoint;
  return (std::filesystem::path(folder) / "last.safetensors").string();
}

void make_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw RuntimeError("E0604", fmt::format("cannot make the folder {}: {}", folder, error.message()), "--output DIR");
}

// The layers that are not finite, in the order in which they are computed.
std::string bad_layers(const std::vector<BadLayer>& layers) {
  constexpr size_t kShown = 12;
  std::string text = "not finite:\n";
  for (size_t i = 0; i < layers.size() && i < kShown; ++i) text += "  " + to_string(layers[i]) + "\n";
  if (layers.size() > kShown) text += fmt::format("  and {} more\n", layers.size() - kShown);
  return text;
}

// Whether there are weights of a best epoch of this training: there are none before its first epoch's end, and a file in the
// folder may be another training's then.
bool has_best(const TrainResult& result) { return result.best && std::filesystem::exists(result.best_path); }

nlohmann::ordered_json summary(const TrainResult& result, const StageSeconds& seconds) {
  nlohmann::ordered_json json = {{"steps", result.step}, {"epochs", result.epochs}, {"stopped", result.stopped},
                                 {"compile_seconds", seconds.total()}, {"last", result.last_path}, {"best", nullptr}};
  if (has_best(result)) json["best"] = result.best_path;
  if (result.test)
    json["test"] = {{"loss", result.test->loss}, {"top1", result.test->top1}, {"top5", result.test->top5},
                    {"samples", result.test->samples}};
  if (result.average) json["averaged_models"] = result.average->models;
  return json;
}

// What a training came to.
struct Trained {
  int code = kExitOk;
  bool best = false;  // has_best
  nlohmann::ordered_json summary;
};
Trained train_one(const TrainCommand& command, Environment& environment);

// The members of an ensemble one after the other, each in a folder of its own, with the seed plus its number; then all of
// them in one file (rule 29).
int train_members(const TrainCommand& command, const std::vector<InnerNetwork>& members, Environment& environment) {
  Output& output = environment.output;
  const NetworkRequest network{command.network.reference, command.network.set};
  const Recipe recipe = find_recipe(environment.project, network.reference);
  const std::filesystem::path folder = folder_of(command, recipe.name);
  if (!command.checkpoint.empty())
    throw RuntimeError("E0924", "the members of `" + recipe.name + "` have checkpoints of their own", "--resume without a file");
  nlohmann::ordered_json summaries = nlohmann::ordered_json::object();
  const auto finish = [&](nlohmann::ordered_json together) {
    if (output.json()) output.result(json_text({{"members", summaries}, {"together", std::move(together)}}));
    return kExitOk;
  };
  JoinRequest join{network, settings_of(command.device), command.data, {}, (folder / "best.safetensors").string()};
  for (size_t i = 0; i < members.size(); ++i) {
    if (members[i].weights) continue;
    TrainCommand one = command;
    one.network.reference = parse_reference(network.reference).module + ":" + recipe.name + "." + members[i].name;
    one.output = (folder / members[i].name).string();
    one.resume = command.resume && std::filesystem::exists(folder / members[i].name / "last.safetensors");
    if (command.seed) one.seed = *command.seed + i;
    if (!command.log.empty()) one.log = command.log + "." + members[i].name;
    output.note(fmt::format("member {}\n", members[i].name));
    const Trained trained = train_one(one, environment);
    summaries[members[i].name] = trained.summary;
    if (trained.code != kExitOk) {
      finish(nullptr);
      return trained.code;
    }
    join.files[members[i].name] = (folder / members[i].name / "best.safetensors").string();
    if (trained.best) continue;
    output.note(fmt::format("member {} has not ended an epoch; go on with --resume\n", members[i].name));
    return finish(nullptr);
  }
  make_folder(folder.string());
  ThreadPool pool(command.device.threads);
  const std::optional<EvalResult> together = join_members(environment.project, join, pool);
  if (together && !output.json())
    output.result(fmt::format("together: {0} loss {1:.4f}  {0} accuracy {2:.2f} %\n", evaluation_role(recipe.dataset), together->loss, 100 * together->top1));
  output.note(fmt::format("weights: {}\n", join.output));
  if (!together) return finish(nullptr);
  return finish({{"loss", together->loss}, {"top1", together->top1}, {"top5", together->top5}});
}

Trained train_one(const TrainCommand& command, Environment& environment) {
  Output& output = environment.output;
  const std::string folder =
      folder_of(command, find_recipe(environment.project, command.network.reference).name);
  const TrainingRequest request{{command.network.reference, command.network.set, false},
                                settings_of(command.device),
                                command.seed,
                                command.epochs,
                                command.batch,
                                command.data,
                                true,
                                resume_path(command, folder)};
  Training training(environment.project, request, std::make_unique<ThreadPool>(command.device.threads));
  const Recipe& recipe = training.recipe();
  const StageSeconds& seconds = training.model().compilation.seconds;
  const CodeOrigin& origin = training.model().compilation.origin;
  std::string network = recipe.network;
  for (const auto& [name, value] : command.network.set) network += " --set " + name + "=" + value;
  std::string parameters = commas(training.parameters()) + " parameters";
  if (training.parameters_inference() != training.parameters())
    parameters += fmt::format(" ({} for inference, without auxiliary heads)", commas(training.parameters_inference()));
  if (training.parameters_frozen() > 0) parameters += fmt::format(", {} of them frozen", commas(training.parameters_frozen()));
  output.note(fmt::format("{}: {}, {} kernels in {:.1f} s ({})\n", network, parameters,
                          training.model().compilation.plan.kernels.bodies.size(), seconds.total(), to_string(origin)));
  report_warnings(origin, environment);
  if (training.loaded()) output.note(load_report(recipe.weights->path, *training.loaded(), ", initialised anew"));
  training.load_data();
  const std::string role = recipe.dataset.validation > 0 ? "validation" : "test";
  output.note(fmt::format("{}: {} training samples, {} {} samples\n", recipe.dataset.name,
                          commas(training.train_data()->count()),
                          training.test_data() ? commas(training.test_data()->count()) : "no", role));
  output.note(skipped_report(*training.train_data(), "training"));
  if (training.test_data() && role == "test") output.note(skipped_report(*training.test_data(), role));

  TrainOptions options;
  options.checkpoint_folder = folder;
  options.checkpoint_every = command.save_every;
  options.keep = command.keep;
  options.watch = command.watch;
  options.finite.every_value = command.check;
  options.finite.on_bad_layers = [&](const std::vector<BadLayer>& layers) { output.note("\n" + bad_layers(layers)); };
  options.resume = request.resume;
  options.log_path = command.log;
  options.max_steps = command.stop_after;
  options.stop = &interrupted;
  if (output.animates()) {
    options.on_step = [&](const StepReport& report) { output.progress(step_line(report)); };
    options.on_evaluate = [&](int64_t done, int64_t samples) {
      output.progress(fmt::format("testing {}/{}", done, samples));
    };
  }
  options.on_epoch = [&](const EpochReport& report) {
    if (output.animates()) output.progress("");
    output.note((output.animates() ? "\r" : "") + epoch_line(report, role));
  };
  options.on_average = [&](const AverageReport& report) { output.note((output.animates() ? "\r" : "") + average_line(report, role)); };
  make_folder(options.checkpoint_folder);
  std::signal(SIGINT, interrupt);
  std::signal(SIGTERM, interrupt);
  const TrainResult result = training.run(options);
  output.end_progress();

  Trained trained{kExitOk, has_best(result), summary(result, seconds)};
  if (interrupted && result.stopped) {  // one after the last step stops nothing
    output.note(fmt::format("interrupted; go on with --resume ({})\n", result.last_path));
    trained.code = kExitInterrupted;
    return trained;
  }
  if (result.gave_up)
    output.note(fmt::format("ended after epoch {}: no better result in {} epochs\n", result.epochs, recipe.early_stop));
  if (result.stopped) output.note(fmt::format("stopped after step {}; go on with --resume\n", result.step));
  output.note(fmt::format("weights: {}\n", trained.best ? result.best_path : result.last_path));
  return trained;
}

}  // namespace

int run(const TrainCommand& command, Environment& environment) {
  const std::vector<InnerNetwork> members = members_of(environment.project, {command.network.reference, command.network.set});
  if (!members.empty()) return train_members(command, members, environment);
  const Trained trained = train_one(command, environment);
  if (environment.output.json()) environment.output.result(json_text(trained.summary));
  return trained.code;
}

}  // namespace netc
