// parallel_for over work that may fail: the first failing task's exception (by number, so that a message
// does not depend on threads) is thrown to the caller.
#pragma once

#include <exception>
#include <functional>
#include <mutex>

#include "runtime/executor.h"

namespace netc {

inline void run_tasks(Executor& executor, int64_t count, const std::function<void(int64_t)>& task) {
  std::mutex mutex;
  std::exception_ptr failure;
  int64_t failed = count;
  executor.parallel_for(count, [&](int, int64_t first, int64_t last) {
    int64_t i = first;
    try {
      for (; i < last; ++i) task(i);
    } catch (...) {
      std::lock_guard<std::mutex> lock(mutex);
      if (i < failed) {
        failed = i;
        failure = std::current_exception();
      }
    }
  });
  if (failure) std::rethrow_exception(failure);
}

}  // namespace netc
