// An Executable like FakeExecutable on a device that computes as late as it may: when its run is waited for. Until then it
// takes the inputs of the next run, and whoever looks at a result early finds an old one.
#pragma once

#include <cstring>
#include <functional>
#include <utility>

#include "tests/runtime/fake_executable.h"

namespace netc {

class LateContext final : public DeviceContext {
 public:
  LateContext(const Program& program, std::unique_ptr<DeviceContext> host) : program_(program), host_(std::move(host)) {}

  void get_memory(const EntryPoint& entry, Executor& executor) override { host_->get_memory(entry, executor); }
  std::span<std::byte> buffer(const IoSlot& slot) override { return host_->buffer(slot); }
  int64_t arena_bytes() const override { return host_->arena_bytes(); }

  void start(size_t entry, const RuntimeScalars& scalars, Executor& executor, std::vector<int64_t>* profile,
             bool staged) override {
    if (staged) {
      for (size_t i = 0; i < staged_.size(); ++i)
        std::memcpy(buffer(program_.entries[entry].inputs[i]).data(), staged_[i].data(), staged_[i].size());
      staged_.clear();
      ++staged_runs;
    }
    run_ = [=, this, &executor] { host_->start(entry, scalars, executor, profile, false); };
  }
  void wait() override { std::exchange(run_, nullptr)(); }

  bool stages_inputs() const override { return true; }
  void stage_inputs(size_t entry, const WriteInput& write) override {
    if (run_) ++staged_meanwhile;
    staged_.clear();
    for (const IoSlot& slot : program_.entries[entry].inputs) {
      staged_.emplace_back(static_cast<size_t>(slot.type.bytes()));
      write(staged_.size() - 1, staged_.back().data());
    }
  }

  inline static int staged_runs = 0, staged_meanwhile = 0;  // of all contexts

 private:
  const Program& program_;
  std::unique_ptr<DeviceContext> host_;
  std::vector<std::vector<std::byte>> staged_;
  std::function<void()> run_;
};

class LateExecutable final : public Executable {
 public:
  explicit LateExecutable(FakeExecutable host) : host_(std::move(host)) {}
  const Program& program() const override { return host_.program(); }
  std::unique_ptr<DeviceContext> make_context(std::shared_ptr<State> state) const override {
    return std::make_unique<LateContext>(program(), host_.make_context(std::move(state)));
  }

 private:
  FakeExecutable host_;
};

}  // namespace netc
