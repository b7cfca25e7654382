// The thread pool that `--threads` sizes. A training step is hundreds of launches of some 100 us, so
// a round trip must cost about a microsecond: the caller works too, each worker has a ticket of its own
// to watch, and a worker spins for about 2 ms before it sleeps in the kernel.
//
// A launch's tasks are split statically into contiguous ranges, one a thread: neighbouring tasks
// share cache lines, and the split of one launch meets the data that the previous one left in a
// core's cache. A scheduler may leave two threads on one processor while another idles, and spinning threads
// give it no reason to look again; so every 64th launch each worker looks where the others are, and moves.
// Spinning yields after a while, so that waiting does not starve what is waited for.
//
//   ThreadPool pool(2);
//   pool.parallel_for(100, body);   // body(0, 0, 50) here, body(1, 50, 100) on the other thread
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "runtime/executor.h"

namespace netc {

class ThreadPool final : public Executor {
 public:
  // `threads` counts the caller; 0 is one per processor that this process may use.
  // THROWS RuntimeError E0913 if the system refuses to start so many.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool() override;
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int workers() const override { return threads_; }

  // A call made while another one runs (a second caller, or a body that calls again) is served on
  // the calling thread alone.
  void parallel_for(int64_t tasks, TaskBody body) override;

 private:
  struct Worker;
  struct Job {
    TaskBody body;
    int64_t tasks;
    int ranges;
    bool check_placement;  // each worker looks whether it shares a processor
  };

  void serve(Worker& self, int index);
  void spread_out(Worker& self, int index);
  void stop();

  int threads_ = 1;
  bool crowded_ = false;                            // more threads than processors
  std::mutex busy_;                                 // held during a parallel_for
  uint32_t launches_ = 0;                           // under busy_
  std::atomic<int> caller_cpu_{-1};                 // at the last check of the placement
  std::optional<Job> job_;                          // written before the tickets are raised, read after
  std::vector<std::unique_ptr<Worker>> pool_;       // pool_[i] runs range i + 1
  alignas(64) std::atomic<uint32_t> remaining_{0};  // ranges that other threads have not finished
};

// Processors that this process may run on (the affinity mask counts), at least 1.
int available_processors();

}  // namespace netc
