#include "runtime/train/checkpoint_writer.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>

#include "compiler/base/error.h"
#include "runtime/data/atomic_file.h"

namespace netc {
namespace {

constexpr size_t kWaiting = 2;  // checkpoints: at an epoch's end the best one and the last one
constexpr std::string_view kStepPrefix = "step-", kSuffix = ".safetensors";

std::string step_name(int64_t step) {
  char text[48];
  std::snprintf(text, sizeof text, "step-%08lld.safetensors", static_cast<long long>(step));
  return text;
}

// The step of "step-00000390.safetensors".
std::optional<int64_t> step_of(const std::string& name) {
  if (!name.starts_with(kStepPrefix) || !name.ends_with(kSuffix)) return std::nullopt;
  const char *begin = name.data() + kStepPrefix.size(), *end = name.data() + name.size() - kSuffix.size();
  int64_t step = 0;
  const auto [rest, error] = std::from_chars(begin, end, step);
  return error == std::errc() && rest == end ? std::optional(step) : std::nullopt;
}

}  // namespace

CheckpointWriter::CheckpointWriter(std::string folder, const KeepOptions& options)
    : folder_(std::move(folder)), keep_(options.keep) {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) throw RuntimeError("E0604", "cannot create " + folder_ + ": " + error.message());
  remove_abandoned_files(folder_, std::string(kSuffix));
  find_kept(options.resumed);
  if (keep_ > 1 && options.resumed > 0) prune();  // a process that was killed may not have come to it
  thread_ = std::thread([this] { serve(); });
}

CheckpointWriter::~CheckpointWriter() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

std::string CheckpointWriter::path_of(const std::string& name) const {
  return (std::filesystem::path(folder_) / name).string();
}

// Another training's, and those of the steps that will be trained again, go before those that this one goes on from.
void CheckpointWriter::find_kept(int64_t resumed) {
  std::vector<std::pair<bool, int64_t>> steps;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error))
    if (const std::optional<int64_t> step = step_of(it->path().filename().string())) steps.emplace_back(*step <= resumed, *step);
  std::sort(steps.begin(), steps.end());
  for (const auto& [ours, step] : steps) kept_.push_back(step_name(step));
}

void CheckpointWriter::write_last(CheckpointImage image, int64_t step) { enqueue({std::move(image), step}); }

void CheckpointWriter::write_best(CheckpointImage image) { enqueue({std::move(image), -1}); }

void CheckpointWriter::rethrow() {
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void CheckpointWriter::enqueue(Job job) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] { return failure_ || jobs_.size() < kWaiting; });
  rethrow();
  jobs_.push_back(std::move(job));
  changed_.notify_all();
}

void CheckpointWriter::finish() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] { return failure_ || (jobs_.empty() && !writing_); });
  rethrow();
}

void CheckpointWriter::serve() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stop_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    writing_ = true;
    lock.unlock();
    changed_.notify_all();
    std::exception_ptr failure;
    try {
      write(job);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    writing_ = false;
    if (failure) {
      failure_ = failure;
      jobs_.clear();  // what follows would look newer than what is missing
    }
    changed_.notify_all();
  }
}

void CheckpointWriter::write(const Job& job) {
  if (job.step < 0) write_checkpoint(best_path(), job.image);
  else if (keep_ == 1) write_checkpoint(last_path(), job.image);
  else write_kept(job);
}

// Under its step's name first, so that the last checkpoint is always one of those that are kept.
void CheckpointWriter::write_kept(const Job& job) {
  const std::string name = step_name(job.step);
  write_checkpoint(path_of(name), job.image);
  link_file(path_of(name), last_path());
  std::erase(kept_, name);
  kept_.push_back(name);
  prune();
}

void CheckpointWriter::prune() {
  while (static_cast<int64_t>(kept_.size()) > keep_) {
    std::error_code ignored;  // one that somebody else removed
    std::filesystem::remove(path_of(kept_.front()), ignored);
    kept_.erase(kept_.begin());
  }
}

}  // namespace netc
