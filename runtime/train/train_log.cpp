#include "runtime/train/train_log.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "compiler/base/error.h"

namespace netc {
namespace {

using Json = nlohmann::ordered_json;

// Whether a line belongs to what was done up to `step`. Empty: it is no line of a log.
std::optional<bool> is_before(const std::string& line, int64_t step, bool epoch_closed) {
  Json json = Json::parse(line, nullptr, false);
  if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer()) return std::nullopt;
  int64_t at = json["step"].get<int64_t>();
  const std::string kind = json.value("kind", "");
  if (kind == "average") return false;  // the end is computed again
  return at < step || (at == step && (epoch_closed || kind != "epoch"));
}

// Bytes of the lines to keep. Lines come in the order of their steps.
int64_t kept_bytes(const std::string& path, int64_t step, bool epoch_closed) {
  std::ifstream in(path, std::ios::binary);
  int64_t kept = 0;
  for (std::string line; std::getline(in, line) && !in.eof();) {  // an unfinished last line is dropped
    std::optional<bool> before = is_before(line, step, epoch_closed);
    if (!before)
      throw RuntimeError("E0605", path + " is no log of a training: see offset " + std::to_string(kept));
    if (!*before) break;
    kept += static_cast<int64_t>(line.size()) + 1;
  }
  return kept;
}

void put(Json& json, const char* key, const std::optional<double>& value) {
  if (value) json[key] = *value;
}

}  // namespace

TrainLog::TrainLog(const std::string& path) : file_(path, 0) {}

TrainLog::TrainLog(const std::string& path, int64_t step, bool epoch_closed) {
  std::error_code error;
  const bool readable = std::filesystem::is_regular_file(path, error);  // a pipe holds nothing to keep, and a device may never end
  file_ = AppendFile(path, readable ? kept_bytes(path, step, epoch_closed) : 0);
}

void TrainLog::write(const StepRecord& r) {
  Json json{{"kind", "step"}, {"epoch", r.epoch},          {"step", r.step},
            {"loss", r.loss}, {"lr", r.learning_rate}, {"images_per_second", r.images_per_second}};
  if (r.loss_scale) {
    json["loss_scale"] = r.loss_scale->scale;
    json["skipped_steps"] = r.loss_scale->skipped_steps;
  }
  file_.write(json.dump() + "\n");
}

void TrainLog::write(const EpochRecord& r) {
  Json json{{"kind", "epoch"}, {"epoch", r.epoch}, {"step", r.step}, {"train_loss", r.train_loss}};
  put(json, "train_accuracy", r.train_accuracy);
  put(json, "test_loss", r.test_loss);
  put(json, "top1", r.top1);
  put(json, "top5", r.top5);
  json["lr"] = r.learning_rate;
  json["seconds"] = r.seconds;
  file_.write(json.dump() + "\n");
}

void TrainLog::write(const AverageRecord& r) {
  Json json{{"kind", "average"}, {"step", r.step}, {"models", r.models}};
  put(json, "test_loss", r.test_loss);
  put(json, "top1", r.top1);
  put(json, "top5", r.top5);
  file_.write(json.dump() + "\n");
}

}  // namespace netc
