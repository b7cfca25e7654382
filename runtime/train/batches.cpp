#include "runtime/train/batches.h"

#include <utility>

namespace netc {

BatchSource::BatchSource(Fill fill) : fill_(std::move(fill)), thread_([this] { serve(); }) {}

BatchSource::~BatchSource() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void BatchSource::start(int64_t first, int64_t count) {
  std::unique_lock<std::mutex> lock(mutex_);
  ++generation_;
  changed_.wait(lock, [&] { return !filling_; });
  first_ = first;
  count_ = count;
  filled_ = taken_ = 0;
  failure_ = nullptr;
  changed_.notify_all();
}

const Batch* BatchSource::next() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (taken_ == count_) return nullptr;
  ++taken_;  // gives the batch before this one back
  changed_.notify_all();
  changed_.wait(lock, [&] { return filled_ >= taken_ || failure_; });
  if (failure_) std::rethrow_exception(failure_);
  return &batches_[(taken_ - 1) % 2];
}

const Batch* BatchSource::ahead() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (taken_ == count_) return nullptr;
  changed_.wait(lock, [&] { return filled_ > taken_ || failure_; });
  return filled_ > taken_ ? &batches_[taken_ % 2] : nullptr;
}

void BatchSource::serve() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    // Batch `filled_` goes where batch `filled_ - 2` was, which must have been given back.
    changed_.wait(lock, [&] { return stop_ || (!failure_ && filled_ < count_ && filled_ < taken_ + 1); });
    if (stop_) return;
    const int64_t number = first_ + filled_, generation = generation_;
    Batch& batch = batches_[filled_ % 2];
    filling_ = true;
    lock.unlock();
    std::exception_ptr failure;
    try {
      fill_(number, batch);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    filling_ = false;
    if (generation == generation_) {
      failure_ = failure;
      if (!failure) ++filled_;
    }
    changed_.notify_all();
  }
}

}  // namespace netc
