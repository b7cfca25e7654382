// Who runs the tasks of a launch. The runtime calls an Executor and owns no thread itself, so a host
// that has a pool of its own replaces ours (thread_pool.h) and there are never two in one process.
//
// An executor decides only *where* a task runs. What a task computes depends on its number alone
// (decision 7), so every executor gives the same bits.
//
//   executor.parallel_for(tasks, [&](int worker, int64_t first, int64_t last) { … });
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace netc {

// A borrowed callable `void(int worker, int64_t first, int64_t last)`: two pointers, never allocates.
// It must not throw. It is valid as long as the callable that it was made from.
class TaskBody {
 public:
  template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, TaskBody>>>
  TaskBody(F&& f)  // NOLINT(google-explicit-constructor): a lambda is passed where a body is wanted
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object, int worker, int64_t first, int64_t last) {
          (*static_cast<std::remove_reference_t<F>*>(object))(worker, first, last);
        }) {}
  void operator()(int worker, int64_t first, int64_t last) const { call_(object_, worker, first, last); }

 private:
  void* object_;
  void (*call_)(void*, int, int64_t, int64_t);
};

class Executor {
 public:
  virtual ~Executor() = default;

  // Bounds the worker numbers that bodies see: 0..workers()-1. No two calls of one parallel_for that
  // run at the same time have the same number, so a worker's scratch memory needs no lock.
  virtual int workers() const = 0;

  // Covers 0..tasks-1 by disjoint ranges, calls the body once for each, and returns when all are done.
  virtual void parallel_for(int64_t tasks, TaskBody body) = 0;
};

// Runs everything on the calling thread.
class SerialExecutor final : public Executor {
 public:
  int workers() const override { return 1; }
  void parallel_for(int64_t tasks, TaskBody body) override {
    if (tasks > 0) body(0, 0, tasks);
  }
};

}  // namespace netc
