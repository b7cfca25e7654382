// The pool covers every task exactly once, at any number of threads, also when it is called again at
// once, after a pause (sleeping workers), from two callers and from inside a body.
#include "runtime/thread_pool.h"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <thread>

namespace netc {
namespace {

std::vector<int> count_visits(Executor& executor, int64_t tasks) {
  std::vector<int> visits(static_cast<size_t>(tasks));
  executor.parallel_for(tasks, [&](int worker, int64_t first, int64_t last) {
    EXPECT_GE(worker, 0);
    EXPECT_LT(worker, executor.workers());
    for (int64_t i = first; i < last; ++i) ++visits[static_cast<size_t>(i)];
  });
  return visits;
}

TEST(ThreadPool, VisitsEveryTaskOnce) {
  for (int threads : {1, 2, 3, 5, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.workers(), threads);
    for (int64_t tasks : {0, 1, 2, 3, 7, 8, 9, 100, 1001})
      EXPECT_EQ(count_visits(pool, tasks), std::vector<int>(static_cast<size_t>(tasks), 1))
          << threads << " " << tasks;
  }
}

TEST(ThreadPool, SplitIsContiguousAndInWorkerOrder) {
  ThreadPool pool(3);
  std::vector<int> owner(10);
  pool.parallel_for(10, [&](int worker, int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) owner[static_cast<size_t>(i)] = worker;
  });
  EXPECT_EQ(owner, (std::vector<int>{0, 0, 0, 1, 1, 1, 2, 2, 2, 2}));
}

TEST(ThreadPool, ManyLaunchesInARow) {
  ThreadPool pool(4);
  std::vector<int64_t> sums(64);
  for (int round = 0; round < 5000; ++round)
    pool.parallel_for(64, [&](int, int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) sums[static_cast<size_t>(i)] += i;
    });
  for (int64_t i = 0; i < 64; ++i) EXPECT_EQ(sums[static_cast<size_t>(i)], 5000 * i);
}

TEST(ThreadPool, WorkersWakeFromSleep) {
  ThreadPool pool(3);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(8));  // longer than they spin
    EXPECT_EQ(count_visits(pool, 50), std::vector<int>(50, 1));
  }
}

TEST(ThreadPool, TwoCallersAndNestedCalls) {
  ThreadPool pool(2);
  auto caller = [&] {
    for (int round = 0; round < 500; ++round) EXPECT_EQ(count_visits(pool, 16), std::vector<int>(16, 1));
  };
  std::thread other(caller);
  caller();
  other.join();

  std::vector<int> inner(8 * 8);
  pool.parallel_for(8, [&](int, int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i)
      pool.parallel_for(8, [&](int, int64_t a, int64_t b) {
        for (int64_t j = a; j < b; ++j) ++inner[static_cast<size_t>(8 * i + j)];
      });
  });
  EXPECT_EQ(inner, std::vector<int>(64, 1));
}

TEST(ThreadPool, ZeroMeansEveryProcessor) {
  EXPECT_EQ(ThreadPool(0).workers(), available_processors());
}

}  // namespace
}  // namespace netc
