// Fills the batches of an epoch on a thread of its own, one ahead of the one in use, so that a step never
// waits for memory copies or random draws. What a batch holds is a pure function of its number.
//
//   BatchSource source(fill, 2);       // fill(n, batch): writes batch n
//   source.start(first, count);
//   while (const Batch* batch = source.next()) use(*batch);   // valid until the next call
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/train/augment_inputs.h"

namespace netc {

struct Batch {
  std::vector<std::byte> images;  // [N, C, H, W]
  std::vector<int64_t> labels;    // [N]
  AugmentInputs augment;
};

class BatchSource {
 public:
  using Fill = std::function<void(int64_t number, Batch& batch)>;
  explicit BatchSource(Fill fill);
  ~BatchSource();
  BatchSource(const BatchSource&) = delete;
  BatchSource& operator=(const BatchSource&) = delete;

  // Begins with batches first..first+count-1; drops what an earlier start has left.
  void start(int64_t first, int64_t count);

  // The next batch, or null after the last. Rethrows what `fill` threw.
  const Batch* next();

  // The batch that next() will give, while the one before it stays valid; waits for it. Null where there is none, or `fill` threw.
  const Batch* ahead();

 private:
  void serve();

  Fill fill_;
  Batch batches_[2];
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t first_ = 0, count_ = 0;
  int64_t filled_ = 0, taken_ = 0;  // batches since start
  int64_t generation_ = 0;          // of start()
  bool filling_ = false, stop_ = false;
  std::exception_ptr failure_;
  std::thread thread_;
};

}  // namespace netc
