// A Context runs a program of plain C++ kernels: y = w * x, then w += learning_rate * sum of y.
#include "runtime/context.h"

#include <gtest/gtest.h>

#include <cmath>

#include "compiler/base/error.h"
#include "runtime/thread_pool.h"
#include "tests/runtime/fake_executable.h"

namespace netc {
namespace {

constexpr int64_t kCount = 4;

template <class T>
T* at(std::byte* base, const KernelArgs* args, int operand) {
  return reinterpret_cast<T*>(base + args->offsets[operand]);
}

// operands: w (state), x (arena), y (arena); one task an element.
void scale(std::byte* state, std::byte* arena, const KernelArgs* args, int64_t first, int64_t last) {
  const float w = *at<float>(state, args, 0);
  for (int64_t i = first; i < last; ++i) at<float>(arena, args, 2)[i] = w * at<float>(arena, args, 1)[i];
}

// operands: w (state), y (arena); through the worker's scratch.
void accumulate(std::byte* state, std::byte* arena, const KernelArgs* args, int64_t, int64_t) {
  float* sum = reinterpret_cast<float*>(args->scratch);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(sum) % 64, 0u);
  *sum = 0;
  for (int64_t i = 0; i < kCount; ++i) *sum += at<float>(arena, args, 1)[i];
  *at<float>(state, args, 0) += args->scalars->learning_rate * *sum;
}

// operands: y (arena). A subnormal product: zero in the runtime's floating-point mode.
void subnormal(std::byte*, std::byte* arena, const KernelArgs* args, int64_t first, int64_t last) {
  volatile float tiny = 1e-30f;
  for (int64_t i = first; i < last; ++i) at<float>(arena, args, 0)[i] = tiny * tiny * 1e5f + tiny * 1e-10f;
}

FakeExecutable make_executable() {
  Program program;
  TensorType vector{DType::f32, {kCount}};
  program.kernels = {{"scale", {Space::state, Space::arena, Space::arena}},
                     {"accumulate", {Space::state, Space::arena}},
                     {"subnormal", {Space::arena}}};
  program.state = {{"pad", {DType::f32, {16}}, StateKind::buffer, {}, 0},
                   {"w", {DType::f32, {}}, StateKind::parameter, {}, 64}};
  program.state_bytes = 128;
  program.scratch_bytes = 4;
  EntryPoint step{"step", {{"x", vector, {Space::arena, 0}}}, {{"y", vector, {Space::arena, 64}}}, {}, 80};
  step.launches = {{0, {{Space::state, 64}, {Space::arena, 0}, {Space::arena, 64}}, kCount, "scale", 0, 0},
                   {1, {{Space::state, 64}, {Space::arena, 64}}, 1, "accumulate", 0, 0}};
  EntryPoint tiny{"tiny", {}, {{"y", vector, {Space::arena, 0}}}, {}, 16};
  tiny.launches = {{2, {{Space::arena, 0}}, kCount, "subnormal", 0, 0}};
  program.entries = {step, tiny};
  return {program, {scale, accumulate, subnormal}};
}

TEST(Context, RunsLaunchesInOrderOverOneState) {
  FakeExecutable executable = make_executable();
  for (int threads : {1, 3}) {
    ThreadPool pool(threads);
    Context context(executable);
    EXPECT_EQ(context.arena_bytes(), 80);
    float& w = context.state().floats(*context.state().find("w"))[0];
    EXPECT_EQ(w, 0);  // zeroed
    w = 2;
    float x[kCount] = {1, 2, 3, 4}, y[kCount];
    InputView in{x, sizeof x};
    OutputView out{y, sizeof y};
    RuntimeScalars scalars;
    scalars.learning_rate = 0.5f;
    context.run("step", {&in, 1}, {&out, 1}, scalars, pool);
    EXPECT_EQ(y[3], 8);
    EXPECT_EQ(w, 12);
    InputView in_place;  // the input is still in its buffer
    context.run("step", {&in_place, 1}, {&out, 1}, scalars, pool);
    EXPECT_EQ(y[3], 48);
  }
}

TEST(Context, OneFloatingPointModeOnEveryWorker) {
  FakeExecutable executable = make_executable();
  ThreadPool pool(2);
  Context context(executable);
  float y[kCount] = {1, 1, 1, 1};
  OutputView out{y, sizeof y};
  context.run("tiny", {}, {&out, 1}, {}, pool);
  for (float v : y) EXPECT_EQ(v, 0);
  volatile float tiny = 1e-30f;
  EXPECT_NE(tiny * 1e-10f, 0);  // the caller's own mode is as before
}

TEST(Context, ContextsMayShareAState) {
  FakeExecutable executable = make_executable();
  Context first(executable), second(executable, first.shared_state());
  first.state().floats(*first.state().find("w"))[0] = 7;
  EXPECT_EQ(second.state().floats(*second.state().find("w"))[0], 7);
}

TEST(Context, ProfilesLaunches) {
  FakeExecutable executable = make_executable();
  SerialExecutor executor;
  Context context(executable);
  std::vector<int64_t> profile;
  context.set_profile(&profile);
  InputView in;
  OutputView out;
  context.run("step", {&in, 1}, {&out, 1}, {}, executor);
  EXPECT_EQ(profile.size(), 2u);
}

std::string error_of(const std::string& entry, int64_t bytes, size_t inputs) {
  FakeExecutable executable = make_executable();
  SerialExecutor executor;
  Context context(executable);
  float x[64] = {};
  std::vector<InputView> in(inputs, InputView{x, bytes});
  OutputView out;
  try {
    context.run(entry, in, {&out, 1}, {}, executor);
  } catch (const RuntimeError& e) {
    return e.code() + " " + e.what();
  }
  return "no error";
}

TEST(Context, RefusesWrongViews) {
  EXPECT_EQ(error_of("steep", 16, 1), "E0912 the program has no entry `steep`");
  EXPECT_EQ(error_of("step", 20, 1),
            "E0912 input `x` of entry `step` is f32[4], 16 bytes, but the caller gave 20 bytes");
  EXPECT_EQ(error_of("step", 16, 2), "E0912 entry `step` has 1 inputs, but the caller gave 2");
}

TEST(MemoryBlock, IsZeroedAlignedAndMovable) {
  for (int64_t size : {int64_t{0}, int64_t{1}, int64_t{100000}, int64_t{9} << 20}) {
    MemoryBlock block(size, "a test");
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block.data()) % 64, 0u);
    for (int64_t i = 0; i < size; i += 1000) EXPECT_EQ(block.data()[i], std::byte{0});
    MemoryBlock moved = std::move(block);
    EXPECT_EQ(moved.size(), size);
    EXPECT_EQ(block.data(), nullptr);
  }
}

TEST(MemoryBlock, SaysWhenThereIsNotEnough) {
  try {
    MemoryBlock block(int64_t{1} << 60, "the arena");
    FAIL();
  } catch (const RuntimeError& e) {
    EXPECT_EQ(e.code(), "E0911");
    EXPECT_STREQ(e.what(), "out of memory: no 1152921504606846976 bytes for the arena");
  }
}

}  // namespace
}  // namespace netc
