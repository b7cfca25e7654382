// A steady step asks the system for nothing: no allocation and no page fault once it is warm. This program counts every
// call of malloc and its kin in the process, on any thread, and the kernel's own count of page faults.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <cerrno>
#include <initializer_list>

#include "compiler/api/model.h"
#include "compiler/api/predictor.h"
#include "compiler/sema/project.h"
#include "runtime/thread_pool.h"

namespace {
std::atomic<int64_t> allocations{0};
}

// glibc's own functions under the names that everything calls; operator new comes here too.
extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* block, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);

__attribute__((visibility("default"))) void* malloc(size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(bytes);
}
__attribute__((visibility("default"))) void* calloc(size_t count, size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, bytes);
}
__attribute__((visibility("default"))) void* realloc(void* block, size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(block, bytes);
}
__attribute__((visibility("default"))) void* memalign(size_t alignment, size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_memalign(alignment, bytes);
}
__attribute__((visibility("default"))) void* aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }
__attribute__((visibility("default"))) int posix_memalign(void** block, size_t alignment, size_t bytes) {
  *block = memalign(alignment, bytes);
  return *block ? 0 : ENOMEM;
}
}

namespace netc {
namespace {

int64_t page_faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt + usage.ru_majflt;
}

class Steady : public testing::Test {
 protected:
  // Compiles once; for each number of threads: one step, then counts over ten.
  void expect_steady(Compilation compilation, const std::string& entry, std::initializer_list<int> threads) {
    Model model = load_model(std::move(compilation), 2);
    for (const int count : threads) {
      SCOPED_TRACE(count);
      ThreadPool pool(count);
      randomize_weights(model, 1, pool);
      Predictor stepper(*model.executable, model.state, entry, pool);
      const auto step = [&] {
        for (size_t i = 0; i < stepper.entry().inputs.size(); ++i)
          fill_random(stepper.entry().inputs[i], stepper.input(i), 1, 0, 10);
        stepper.run(stepper.batch());
      };
      step();
      const int64_t allocated = allocations, faults = page_faults();
      for (int i = 0; i < 10; ++i) step();
      EXPECT_EQ(allocations - allocated, 0);
      EXPECT_EQ(page_faults() - faults, 0);
    }
  }

  Project project_;
  const NetworkRequest network_{"std.resnet:resnet20", {}, false};
};

TEST_F(Steady, TheCountersCount) {
  const int64_t allocated = allocations, faults = page_faults();
  MemoryBlock block(64 << 10, "a test");
  std::vector<int> values(1000, 1);
  for (int64_t at = 0; at < block.size(); at += 4096) block.data()[at] = std::byte{1};
  EXPECT_GE(allocations - allocated, 1);
  EXPECT_GE(page_faults() - faults, 16);
}

TEST_F(Steady, TrainingStep) { expect_steady(plan_training(project_, network_, nullptr, 16, {}), "step", {1, 2, 3}); }
TEST_F(Steady, Inference) { expect_steady(plan_inference(project_, network_, 8, {}), "predict", {1, 2, 3}); }

}  // namespace
}  // namespace netc
