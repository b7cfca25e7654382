#include "runtime/train/run_watch.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>
#include <utility>

#include "compiler/base/error.h"
#include "runtime/data/atomic_file.h"
#include "runtime/data/image_sheet.h"
#include "runtime/train/first_layer.h"
#include "runtime/train/plot_svg.h"

namespace netc {
namespace {

constexpr const char *kStepColumns = "step,epoch,loss,learning_rate,images_per_second", *kScaleColumns = ",loss_scale,skipped_steps";
constexpr size_t kStepCells = 5;
constexpr const char* kEpochColumns = "epoch,step,train_loss,train_accuracy,test_loss,top1,top5,learning_rate,seconds\n";

// The shortest decimal that reads back as the same number.
std::string cell(double value) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  return {text, end};
}
std::string cell(const std::optional<double>& value) { return value ? cell(*value) : std::string(); }

std::string line_of(const StepRecord& r) {
  std::string line = std::to_string(r.step) + "," + std::to_string(r.epoch) + "," + cell(r.loss) + "," + cell(r.learning_rate) + "," +
                     cell(r.images_per_second);
  if (r.loss_scale) line += "," + cell(r.loss_scale->scale) + "," + std::to_string(r.loss_scale->skipped_steps);
  return line + "\n";
}

std::string line_of(const EpochRecord& r) {
  return std::to_string(r.epoch) + "," + std::to_string(r.step) + "," + cell(r.train_loss) + "," + cell(r.train_accuracy) + "," +
         cell(r.test_loss) + "," + cell(r.top1) + "," + cell(r.top5) + "," + cell(r.learning_rate) + "," + cell(r.seconds) + "\n";
}

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::stringstream stream(line);
  for (std::string text; std::getline(stream, text, ',');) cells.push_back(text);
  if (line.ends_with(',')) cells.emplace_back();
  return cells;
}

// A whole number that fills its cell.
std::optional<int64_t> whole(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= 0 ? std::optional(value) : std::nullopt;
}

// The numbers of a row's step and epoch. THROWS RuntimeError E0605 for a row that this netc did not write.
struct RowPlace {
  int64_t step, epoch;
};
RowPlace place_of(const std::string& path, const std::vector<std::string>& cells, size_t columns, size_t step, size_t epoch) {
  const std::optional<int64_t> s = cells.size() == columns ? whole(cells[step]) : std::nullopt, e = s ? whole(cells[epoch]) : std::nullopt;
  if (!e)
    throw RuntimeError("E0605", path + " is damaged: a row begins with `" + (cells.empty() ? "" : cells[0].substr(0, 20)) + "`",
                       "remove it, or resume without --watch");
  return {*s, *e};
}

double number(const std::string& text) { return std::strtod(text.c_str(), nullptr); }
std::optional<double> number_if(const std::string& text) { return text.empty() ? std::nullopt : std::optional(number(text)); }

// Opens a table behind the lines that `keep` takes; the first line, of columns, is always kept. A new table where there is
// none to go on with. `columns`: what it must begin with, empty for any.
AppendFile open_table(const std::string& path, bool resumed, const std::string& columns,
                      const std::function<bool(const std::vector<std::string>& cells)>& keep) {
  int64_t kept = 0;
  if (std::ifstream in(path, std::ios::binary); resumed && in) {
    std::string line;
    if (std::getline(in, line) && !in.eof()) {
      if (line + "\n" != columns && !columns.empty())
        throw RuntimeError("E0605", path + " is no table of a training: its first line is another");
      do {
        if (kept > 0 && !keep(cells_of(line))) break;
        kept += static_cast<int64_t>(line.size()) + 1;
      } while (std::getline(in, line) && !in.eof());  // an unfinished last line is dropped
    }
  }
  AppendFile file(path, kept);
  if (kept == 0) file.write(columns);
  return file;
}

// Row: class, column: predicted class; white where all samples of a class are.
Image confusion_image(const ClassificationReport& report) {
  const int64_t classes = report.classes();
  ImageSheet sheet({1, classes, classes, 400}, 1, 1);
  sheet.put(0, 0, [&](int64_t, int64_t y, int64_t x) {
    return 255.0 * static_cast<double>(report.count(y, x)) / static_cast<double>(std::max<int64_t>(report.scores(y).samples, 1));
  });
  return sheet.take();
}

}  // namespace

std::vector<LayerNorm> gradient_norms(const State& state) {
  const std::string prefix = "gradient/";
  std::vector<LayerNorm> norms;
  for (const StateSlot& slot : state.slots()) {
    if (slot.kind != StateKind::gradient || !slot.path.starts_with(prefix)) continue;
    const std::string path = slot.path.substr(prefix.size());
    const std::string layer = path.substr(0, path.rfind('.'));
    const auto* values = reinterpret_cast<const float*>(state.data() + slot.offset);  // padding is 0
    double squares = 0;
    for (int64_t i = 0; i < slot.bytes() / size_of(DType::f32); ++i) squares += static_cast<double>(values[i]) * values[i];
    auto known = std::find_if(norms.begin(), norms.end(), [&](const LayerNorm& n) { return n.layer == layer; });
    if (known == norms.end()) known = norms.insert(norms.end(), {layer, 0});
    known->norm += squares;
  }
  for (LayerNorm& n : norms) n.norm = std::sqrt(n.norm);
  return norms;
}

RunWatch::RunWatch(WatchOptions options) : options_(std::move(options)) {
  const bool resumed = options_.resumed;
  const std::string columns = std::string(kStepColumns) + (options_.scales_loss ? kScaleColumns : "") + "\n";
  steps_file_ = open_table(path_of("steps.csv"), resumed, columns, [&](const std::vector<std::string>& c) {
    const RowPlace at = place_of(path_of("steps.csv"), c, kStepCells + (options_.scales_loss ? 2 : 0), 0, 1);
    if (at.step > options_.step) return false;
    steps_.push_back({at.epoch, at.step, number(c[2]), number(c[3]), number(c[4])});
    return true;
  });
  epochs_file_ = open_table(path_of("epochs.csv"), resumed, kEpochColumns, [&](const std::vector<std::string>& c) {
    const RowPlace at = place_of(path_of("epochs.csv"), c, 9, 1, 0);
    if (at.step > options_.step || (at.step == options_.step && !options_.epoch_closed)) return false;
    epochs_.push_back({at.epoch, at.step, number(c[2]), number_if(c[3]), number_if(c[4]), number_if(c[5]), number_if(c[6]),
                       number(c[7]), number(c[8])});
    return true;
  });
  gradients_file_ = open_table(path_of("gradients.csv"), resumed, "", [&](const std::vector<std::string>& c) {
    return !c.empty() && number(c[0]) <= static_cast<double>(options_.step);
  });
  std::error_code none;
  gradients_named_ = resumed && std::filesystem::file_size(path_of("gradients.csv"), none) > 0 && !none;
  events_ = EventFile(options_.folder, options_.step);
}

std::string RunWatch::path_of(const std::string& name) const { return (std::filesystem::path(options_.folder) / name).string(); }

void RunWatch::step(const StepRecord& record, const State& state) {
  steps_file_.write(line_of(record));
  steps_.push_back(record);
  events_.scalar("loss/step", record.step, record.loss);
  events_.scalar("learning_rate", record.step, record.learning_rate);
  if (record.loss_scale) events_.scalar("loss_scale", record.step, record.loss_scale->scale);
  if (record.step % options_.every != 0) return;
  events_.scalar("images_per_second", record.step, record.images_per_second);
  write_gradients(record.step, state);
}

void RunWatch::write_gradients(int64_t step, const State& state) {
  const std::vector<LayerNorm> norms = gradient_norms(state);
  std::string names = "step", line = std::to_string(step);
  for (const LayerNorm& n : norms) {
    names += "," + n.layer;
    line += "," + cell(n.norm);
    events_.scalar("gradient_norm/" + n.layer, step, n.norm);
  }
  if (!std::exchange(gradients_named_, true)) gradients_file_.write(names + "\n");
  gradients_file_.write(line + "\n");
}

void RunWatch::epoch(const EpochRecord& record, const ClassificationReport* report, const State& state) {
  epochs_file_.write(line_of(record));
  epochs_.push_back(record);
  events_.scalar("loss/training", record.step, record.train_loss);
  if (record.train_accuracy) events_.scalar("accuracy/training", record.step, *record.train_accuracy);
  if (record.test_loss) events_.scalar("loss/" + options_.role, record.step, *record.test_loss);
  if (record.top1) events_.scalar("accuracy/" + options_.role, record.step, *record.top1);
  if (record.top5) events_.scalar("accuracy/" + options_.role + "_top5", record.step, *record.top5);
  if (const std::optional<Image> filters = first_filters(state, options_.channels)) events_.image("first_layer", record.step, *filters);
  if (report && report->samples() > 0) {
    events_.scalar("calibration_error", record.step, report->calibration_error());
    events_.image("confusion", record.step, confusion_image(*report));
    write_file(path_of("confusion.svg"), plot_confusion(*report, options_.class_names));
  }
  draw_curves();
}

void RunWatch::draw_curves() const {
  Curve training{"training", {}}, test{options_.role, {}}, right{"training", {}}, test_right{options_.role, {}}, rate{"learning rate", {}};
  for (const EpochRecord& r : epochs_) {
    const auto x = static_cast<double>(r.epoch);
    training.points.emplace_back(x, r.train_loss);
    if (r.test_loss) test.points.emplace_back(x, *r.test_loss);
    if (r.train_accuracy) right.points.emplace_back(x, *r.train_accuracy);
    if (r.top1) test_right.points.emplace_back(x, *r.top1);
  }
  for (const StepRecord& r : steps_) rate.points.emplace_back(static_cast<double>(r.step), r.learning_rate);
  write_file(path_of("curves.svg"), plot_curves({{"Loss", "epoch", {training, test}},
                                                 {"Accuracy", "epoch", {right, test_right}},
                                                 {"Learning rate", "step", {rate}}}));
}

}  // namespace netc
