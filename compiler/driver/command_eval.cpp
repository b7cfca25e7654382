// netc eval: loss and accuracy on a recipe's test set, class by class, or in a table of precisions and noises.
#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "compiler/api/training.h"
#include "compiler/base/error.h"
#include "compiler/driver/code_origin.h"
#include "compiler/driver/commands.h"
#include "compiler/driver/json_text.h"
#include "compiler/driver/load_report.h"
#include "runtime/data/atomic_file.h"
#include "runtime/thread_pool.h"
#include "runtime/train/plot_svg.h"

namespace netc {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const EvalResult& r) { return {{"loss", r.loss}, {"top1", r.top1}, {"top5", r.top5}, {"samples", r.samples}}; }

Json to_json(const ClassScores& s) { return {{"precision", s.precision}, {"recall", s.recall}, {"f1", s.f1}, {"samples", s.samples}}; }

Json to_json(const ClassificationReport& report, const std::vector<std::string>& names) {
  Json classes = Json::array(), matrix = Json::array();
  for (int64_t c = 0; c < report.classes(); ++c) {
    Json scores = {{"name", class_name(names, c)}}, row = Json::array();
    scores.update(to_json(report.scores(c)));
    classes.push_back(std::move(scores));
    for (int64_t p = 0; p < report.classes(); ++p) row.push_back(report.count(c, p));
    matrix.push_back(std::move(row));
  }
  return {{"calibration_error", report.calibration_error()}, {"mean", to_json(report.mean_scores())}, {"classes", classes}, {"confusion", matrix}};
}

std::string percent(double share) { return fmt::format("{:.2f} %", 100 * share); }

std::string to_text(const ClassificationReport& report, const std::vector<std::string>& names) {
  using Align = Table::Align;
  Table scores({{"class", Align::left}, {"precision", Align::right}, {"recall", Align::right}, {"F1", Align::right}, {"samples", Align::right}});
  const auto add = [&](const std::string& name, const ClassScores& s) {
    scores.add({name, percent(s.precision), percent(s.recall), percent(s.f1), commas(s.samples)});
  };
  for (int64_t c = 0; c < report.classes(); ++c) add(class_name(names, c), report.scores(c));
  add("mean", report.mean_scores());
  std::string text = "\n" + scores.text() + fmt::format("\ncalibration error {}\n", percent(report.calibration_error()));
  constexpr int64_t kWidest = 25;  // classes; a wider matrix is read in --json or --svg
  if (report.classes() > kWidest) return text;
  std::vector<std::pair<std::string, Align>> columns{{"true \\ predicted", Align::left}};
  for (int64_t c = 0; c < report.classes(); ++c) columns.emplace_back(class_name(names, c), Align::right);
  Table matrix(columns);
  for (int64_t c = 0; c < report.classes(); ++c) {
    std::vector<std::string> row{class_name(names, c)};
    for (int64_t p = 0; p < report.classes(); ++p) row.push_back(std::to_string(report.count(c, p)));
    matrix.add(std::move(row));
  }
  return text + "\n" + matrix.text();
}

// A network with weights and the data that it is tested on.
class Evaluation {
 public:
  Evaluation(const EvalCommand& command, Environment& environment, const std::string& precision)
      : command_(command), environment_(environment), pool_(command.device.threads) {
    Project& project = environment.project;
    NetworkRequest request{command.network.reference, command.network.set, false};
    request.augmented = command.views > 0;
    recipe_ = find_recipe(project, request.reference);
    if (command.weights.empty() && members_of(project, request).empty()) throw RuntimeError("E0924", "eval needs weights", "--weights FILE");
    balance_classes(recipe_, project, request, command.data, pool_);
    DeviceOptions device = command.device;
    if (!precision.empty()) device.precision = precision;
    model_ = load_model(plan_evaluation(project, request, recipe_, command.batch, settings_of(device)), pool_.workers());
    report_warnings(model_.compilation.origin, environment);
    load();
    const ElaboratedNetwork& network = model_.compilation.network;
    const std::string role = evaluation_role(recipe_.dataset);
    test_ = request.augmented ? load_augmented(recipe_, role, command.data, network, pool_, info_.class_names)
                              : load_role(recipe_.dataset, role, command.data, network, pool_, recipe_.loss.ignored_label, info_.class_names);
    environment.output.note(skipped_report(*test_, role));
  }

  EvalResult run(ClassificationReport* report = nullptr) {
    Context context(*model_.executable, model_.state);
    EvalOptions options;
    options.report = report;
    options.ignored_label = recipe_.loss.ignored_label;
    options.on_progress = [&](int64_t done, int64_t samples) { environment_.output.progress(fmt::format("testing {}/{}", done, samples)); };
    const EvalResult result = command_.views > 0 ? evaluate_views(context, recipe_, command_.views, *test_, pool_, options)
                                                 : evaluate(context, *test_, pool_, options);
    environment_.output.progress("");
    return result;
  }

  // Every weight of the file becomes w * (1 + noise * z), z standard normal.
  void perturb(double noise) {
    load();
    perturb_weights(model_, noise, command_.seed, pool_);
  }

  int64_t skipped() const { return static_cast<int64_t>(test_->skipped().size()); }
  std::string precision() const { return std::string(name_of(model_.compilation.precision.type)); }
  std::vector<std::string> class_names() const {
    const std::vector<std::string>& declared = model_.compilation.network.class_names;
    return !info_.class_names.empty() ? info_.class_names : !declared.empty() ? declared : test_->class_names();
  }

 private:
  void load() { info_ = load_weights_into(model_, command_.weights, command_.names, environment_.project, pool_); }

  const EvalCommand& command_;
  Environment& environment_;
  ThreadPool pool_;
  Recipe recipe_;
  Model model_;
  ModelInfo info_;
  std::unique_ptr<Dataset> test_;
};

// A row for each precision, as it is and with each noise.
int run_table(const EvalCommand& command, Environment& environment) {
  using Align = Table::Align;
  Table table({{"precision", Align::left}, {"noise", Align::right}, {"loss", Align::right}, {"top-1", Align::right}, {"top-5", Align::right},
               {"samples", Align::right}, {"images/s", Align::right}});
  Json rows = Json::array();
  const std::vector<std::string> precisions = command.precisions ? std::vector<std::string>{"f32", "bf16", "f16"} : std::vector<std::string>{""};
  for (const std::string& precision : precisions) {
    Evaluation evaluation(command, environment, precision);
    std::vector<double> noises{0};
    noises.insert(noises.end(), command.noise.begin(), command.noise.end());
    for (double noise : noises) {
      if (noise > 0) evaluation.perturb(noise);
      const auto start = std::chrono::steady_clock::now();
      const EvalResult r = evaluation.run();
      const double rate = static_cast<double>(r.samples) / std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      table.add({evaluation.precision(), fmt::format("{}", noise), fmt::format("{:.4f}", r.loss), percent(r.top1), percent(r.top5),
                 commas(r.samples), fmt::format("{:.0f}", rate)});
      Json row = {{"precision", evaluation.precision()}, {"noise", noise}};
      row.update(to_json(r));
      row["images_per_second"] = rate;
      rows.push_back(std::move(row));
    }
  }
  environment.output.result(environment.output.json() ? json_text(rows) : (environment.output.animates() ? "\r" : "") + table.text());
  return kExitOk;
}

}  // namespace

int run(const EvalCommand& command, Environment& environment) {
  if (command.precisions || !command.noise.empty()) return run_table(command, environment);
  Output& output = environment.output;
  Evaluation evaluation(command, environment, "");
  ClassificationReport report;
  const bool by_class = command.report || !command.svg.empty();
  const EvalResult result = evaluation.run(by_class ? &report : nullptr);
  const std::vector<std::string> names = evaluation.class_names();
  if (!command.svg.empty()) write_file(command.svg, plot_confusion(report, names));
  if (output.json()) {
    Json json = to_json(result);
    json["skipped"] = evaluation.skipped();
    if (command.report) json.update(to_json(report, names));
    output.result(json_text(json));
    return kExitOk;
  }
  output.result(fmt::format("{}loss {:.4f}  top-1 {:.2f} %  top-5 {:.2f} %  of {} samples\n", output.animates() ? "\r" : "",
                            result.loss, 100 * result.top1, 100 * result.top5, commas(result.samples)));
  if (command.report) output.result(to_text(report, names));
  return kExitOk;
}

}  // namespace netc
