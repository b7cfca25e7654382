#include "runtime/train/train_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "compiler/base/error.h"

namespace netc {
namespace {

using Json = nlohmann::ordered_json;

[[noreturn]] void cannot_write(const std::string& path) {
  throw RuntimeError("E0604", "cannot write " + path + ": " + std::strerror(errno));
}

// Whether a line belongs to what was done up to `step`. Empty: it is no line of a log.
std::optional<bool> is_before(const std::string& line, int64_t step, bool epoch_closed) {
  Json json = Json::parse(line, nullptr, false);
  if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer()) return std::nullopt;
  int64_t at = json["step"].get<int64_t>();
  return at < step || (at == step && (epoch_closed || json.value("kind", "") != "epoch"));
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

TrainLog::TrainLog(const std::string& path) {
  open(path, true);
}

TrainLog::TrainLog(const std::string& path, int64_t step, bool epoch_closed) {
  std::error_code error;
  if (std::filesystem::exists(path, error)) {
    int64_t kept = kept_bytes(path, step, epoch_closed);
    if (truncate(path.c_str(), kept) != 0) cannot_write(path);
  }
  open(path, false);
}

TrainLog::~TrainLog() {
  if (descriptor_ >= 0) close(descriptor_);
}

TrainLog::TrainLog(TrainLog&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

TrainLog& TrainLog::operator=(TrainLog&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

void TrainLog::open(const std::string& path, bool truncate) {
  path_ = path;
  descriptor_ =
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (truncate ? O_TRUNC : 0), 0666);
  if (descriptor_ < 0) cannot_write(path);
}

void TrainLog::write_line(std::string line) {
  if (descriptor_ < 0) return;
  line += '\n';
  for (size_t done = 0; done < line.size();) {
    ssize_t count = ::write(descriptor_, line.data() + done, line.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) cannot_write(path_);
    done += static_cast<size_t>(count);
  }
}

void TrainLog::write(const StepRecord& r) {
  write_line(Json{{"kind", "step"},
                  {"epoch", r.epoch},
                  {"step", r.step},
                  {"loss", r.loss},
                  {"lr", r.learning_rate},
                  {"images_per_second", r.images_per_second}}
                 .dump());
}

void TrainLog::write(const EpochRecord& r) {
  Json json{{"kind", "epoch"}, {"epoch", r.epoch}, {"step", r.step}, {"train_loss", r.train_loss}};
  put(json, "train_accuracy", r.train_accuracy);
  put(json, "test_loss", r.test_loss);
  put(json, "top1", r.top1);
  put(json, "top5", r.top5);
  json["lr"] = r.learning_rate;
  json["seconds"] = r.seconds;
  write_line(json.dump());
}

}  // namespace netc
