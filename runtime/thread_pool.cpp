#include "runtime/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <system_error>
#include <thread>

#include "compiler/base/error.h"

namespace netc {
namespace {

constexpr std::chrono::nanoseconds kPauseTime = std::chrono::microseconds(50);
constexpr std::chrono::nanoseconds kSpinTime = std::chrono::milliseconds(2);
constexpr uint32_t kCheckPlacementEvery = 64;  // launches
constexpr uint32_t kStop = UINT32_MAX;         // a ticket that ends its worker

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

// Waits until `value` is no longer `old`: spins, then sleeps. Returns the new value. What is waited for
// mostly comes within microseconds; after that, or where threads outnumber processors, spinning lets
// others run, because the one that is waited for may be among them.
uint32_t wait_for_change(std::atomic<uint32_t>& value, uint32_t old, bool crowded) {
  uint32_t now = value.load(std::memory_order_acquire);
  if (now != old) return now;
  const auto start = std::chrono::steady_clock::now();
  for (auto waited = start - start; waited < kSpinTime; waited = std::chrono::steady_clock::now() - start) {
    const bool yield = crowded || waited > kPauseTime;
    for (int i = 0; i < (yield ? 4 : 64); ++i) {
      if (yield) {
        sched_yield();
      } else {
        pause();
      }
      now = value.load(std::memory_order_acquire);
      if (now != old) return now;
    }
  }
  while ((now = value.load(std::memory_order_acquire)) == old) value.wait(old, std::memory_order_acquire);
  return now;
}

}  // namespace

struct alignas(64) ThreadPool::Worker {
  std::atomic<uint32_t> ticket{0};  // raised once for each job that this worker takes part in
  std::atomic<int> cpu{-1};         // at the last check of the placement
  std::thread thread;
};

int available_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

ThreadPool::ThreadPool(int threads) {
  int processors = available_processors();
  threads_ = threads > 0 ? threads : processors;
  crowded_ = threads_ > processors;
  try {
    for (int i = 1; i < threads_; ++i) {
      pool_.push_back(std::make_unique<Worker>());
      Worker& worker = *pool_.back();
      worker.thread = std::thread([this, &worker, i] { serve(worker, i); });
    }
  } catch (const std::system_error&) {
    size_t started = pool_.size() - 1;
    pool_.pop_back();
    stop();
    throw RuntimeError("E0913",
                       "cannot start " + std::to_string(threads_) + " threads: the system allowed " +
                           std::to_string(started + 1),
                       "--threads " + std::to_string(processors));
  }
}

ThreadPool::~ThreadPool() {
  stop();
}

void ThreadPool::stop() {
  for (auto& worker : pool_) {
    worker->ticket.store(kStop, std::memory_order_release);
    worker->ticket.notify_one();
  }
  for (auto& worker : pool_) worker->thread.join();
  pool_.clear();
}

void ThreadPool::serve(Worker& self, int index) {
  uint32_t ticket = 0;
  for (;;) {
    ticket = wait_for_change(self.ticket, ticket, crowded_);
    if (ticket == kStop) return;
    const Job& job = *job_;
    if (job.check_placement) spread_out(self, index);
    job.body(index, job.tasks * index / job.ranges, job.tasks * (index + 1) / job.ranges);
    if (remaining_.fetch_sub(1, std::memory_order_acq_rel) == 1) remaining_.notify_one();
  }
}

// Moves this worker off a processor that the caller or an earlier worker is on. The affinity is restored at
// once: this is a push, not a pin, and a busy machine's scheduler keeps the last word.
void ThreadPool::spread_out(Worker& self, int index) {
  const int here = sched_getcpu();
  self.cpu.store(here, std::memory_order_relaxed);
  bool shared = caller_cpu_.load(std::memory_order_relaxed) == here;
  for (int i = 1; i < index; ++i) shared |= pool_[i - 1]->cpu.load(std::memory_order_relaxed) == here;
  cpu_set_t allowed;
  if (!shared || here < 0 || sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  cpu_set_t free = allowed;
  auto exclude = [&](int cpu) {
    if (cpu >= 0 && cpu < CPU_SETSIZE) CPU_CLR(cpu, &free);
  };
  exclude(caller_cpu_.load(std::memory_order_relaxed));
  for (const auto& other : pool_) exclude(other->cpu.load(std::memory_order_relaxed));
  if (CPU_COUNT(&free) == 0 || sched_setaffinity(0, sizeof free, &free) != 0) return;
  sched_setaffinity(0, sizeof allowed, &allowed);
  self.cpu.store(sched_getcpu(), std::memory_order_relaxed);
}

void ThreadPool::parallel_for(int64_t tasks, TaskBody body) {
  if (tasks <= 0) return;
  std::unique_lock<std::mutex> lock(busy_, std::defer_lock);
  if (tasks == 1 || threads_ == 1 || !lock.try_lock()) {
    body(0, 0, tasks);
    return;
  }
  int ranges = static_cast<int>(std::min<int64_t>(tasks, threads_));
  const bool check_placement = !crowded_ && launches_++ % kCheckPlacementEvery == 0;
  if (check_placement) caller_cpu_.store(sched_getcpu(), std::memory_order_relaxed);
  job_.emplace(Job{body, tasks, ranges, check_placement});
  remaining_.store(static_cast<uint32_t>(ranges - 1), std::memory_order_relaxed);
  for (int i = 1; i < ranges; ++i) {
    std::atomic<uint32_t>& ticket = pool_[i - 1]->ticket;
    uint32_t next = ticket.load(std::memory_order_relaxed) + 1;
    ticket.store(next == kStop ? 0 : next, std::memory_order_seq_cst);
    ticket.notify_one();
  }
  body(0, 0, tasks / ranges);
  for (uint32_t left; (left = remaining_.load(std::memory_order_acquire)) != 0;)
    wait_for_change(remaining_, left, crowded_);
}

}  // namespace netc
