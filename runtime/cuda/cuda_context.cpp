#include "runtime/cuda/cuda_context.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

namespace netc {
namespace {

int64_t largest_arena(const Program& program) {
  int64_t bytes = 0;
  for (const EntryPoint& entry : program.entries) bytes = std::max(bytes, entry.arena_bytes);
  return bytes;
}

// A handle of the driver that ends with the scope.
template <class Handle, CuResult (*CudaDriver::*kDestroy)(Handle)>
class Owned {
 public:
  explicit Owned(const CudaDevice& device) : device_(&device) {}
  ~Owned() { reset(); }
  Owned(Owned&& other) noexcept : device_(other.device_), handle_(std::exchange(other.handle_, nullptr)) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  Handle get() const { return handle_; }
  Handle* out() { return &handle_; }

 private:
  void reset() {
    if (!handle_) return;
    try {
      const CudaDevice::Current current(*device_);
      (device_->driver().*kDestroy)(handle_);
    } catch (const RuntimeError&) {  // the context is lost, and what it held with it
    }
  }
  const CudaDevice* device_;
  Handle handle_ = nullptr;
};
using OwnedStream = Owned<CuStream, &CudaDriver::cuStreamDestroy_v2>;
using OwnedEvent = Owned<CuEvent, &CudaDriver::cuEventDestroy_v2>;
using OwnedGraph = Owned<CuGraph, &CudaDriver::cuGraphDestroy>;
using OwnedGraphExec = Owned<CuGraphExec, &CudaDriver::cuGraphExecDestroy>;

class CudaContext final : public DeviceContext {
 public:
  CudaContext(std::shared_ptr<CudaDevice> device, const Program& program,
              const std::vector<CudaFunction>& functions, std::shared_ptr<State> state)
      : device_(std::move(device)),
        program_(program),
        functions_(functions),
        state_(std::move(state)),
        arena_(device_, CudaDevice::Kind::device, largest_arena(program), "activations"),
        device_scalars_(device_, CudaDevice::Kind::device, sizeof(RuntimeScalars), "the run's numbers"),
        host_scalars_(device_, sizeof(RuntimeScalars)),
        stream_(*device_) {
    const CudaDevice::Current current(*device_);
    device_->check(driver().cuStreamCreate(stream_.out(), kNonBlockingStream), "cuStreamCreate");
    make_staging();
    for (size_t i = 0; i < program_.entries.size(); ++i) entries_.push_back(prepare(program_.entries[i]));
  }

  std::span<std::byte> buffer(const IoSlot& slot) override {
    const auto size = static_cast<size_t>(slot.type.bytes());
    if (slot.buffer.space == Space::state) return {state_->data() + slot.buffer.offset, size};
    PinnedBuffer& staging = *staging_.at(slot.buffer.offset);
    NETC_CHECK(slot.type.bytes() <= staging.size(), "no input or output of this program");
    return {staging.data(), size};
  }

  void run(size_t number, const RuntimeScalars& scalars, Executor&, std::vector<int64_t>* profile) override {
    const CudaDevice::Current current(*device_);
    PreparedEntry& entry = entries_.at(number);
    std::memcpy(host_scalars_.data(), &scalars, sizeof scalars);
    if (profile)
      run_and_time(entry, *profile);
    else if (!entry.ran)
      run_stepwise(entry);
    else
      replay(entry);
    entry.ran = true;
  }

  int64_t arena_bytes() const override { return arena_.size(); }

 private:
  struct PreparedLaunch {
    const CudaFunction* function;
    unsigned blocks;
    void** parameters;
  };
  struct PreparedEntry {
    explicit PreparedEntry(const EntryPoint& source, const CudaDevice& device)
        : entry(&source), graph(device) {}
    const EntryPoint* entry;
    std::vector<CuAddress> addresses;  // of all launches' operands, each launch's numbers in front
    std::vector<void*> parameters;     // into `addresses`, and to the functions' extents
    std::vector<PreparedLaunch> launches;
    bool ran = false;
    OwnedGraphExec graph;
  };

  const CudaDriver& driver() const { return device_->driver(); }

  // Slots of the arena at one place share one buffer, as they do on the GPU.
  void make_staging() {
    std::map<int64_t, int64_t> sizes;
    for (const EntryPoint& entry : program_.entries)
      for (const std::vector<IoSlot>* slots : {&entry.inputs, &entry.outputs})
        for (const IoSlot& slot : *slots)
          if (slot.buffer.space == Space::arena)
            sizes[slot.buffer.offset] = std::max(sizes[slot.buffer.offset], slot.type.bytes());
    for (auto [offset, bytes] : sizes) staging_[offset] = std::make_unique<PinnedBuffer>(device_, bytes);
  }

  PreparedEntry prepare(const EntryPoint& entry) const {
    PreparedEntry prepared(entry, *device_);
    size_t count = 0;
    for (const Launch& l : entry.launches) count += l.operands.size() + 2;
    prepared.addresses.reserve(count);  // `parameters` points into it
    prepared.parameters.reserve(count);
    for (const Launch& l : entry.launches) {
      NETC_CHECK(l.tasks > 0 && l.tasks <= INT32_MAX, "a launch of " + std::to_string(l.tasks) + " blocks");
      void** const first = prepared.parameters.data() + prepared.parameters.size();
      const auto add = [&](CuAddress address) {
        prepared.addresses.push_back(address);
        prepared.parameters.push_back(&prepared.addresses.back());
      };
      add(device_scalars_.address());
      for (const BufferRef& operand : l.operands)
        add((operand.space == Space::state ? reinterpret_cast<CuAddress>(state_->data()) : arena_.address()) +
            static_cast<CuAddress>(operand.offset));
      const CudaFunction& function = functions_[static_cast<size_t>(l.kernel)];
      // A structure by value: the driver copies as much as the function's parameter takes.
      if (!function.extents.empty())
        prepared.parameters.push_back(const_cast<int32_t*>(function.extents.data()));
      prepared.launches.push_back({&function, static_cast<unsigned>(l.tasks), first});
    }
    return prepared;
  }

  std::string place(const PreparedEntry& entry, size_t launch) const {
    const Launch& l = entry.entry->launches[launch];
    return "launch " + std::to_string(launch + 1) + " of " + std::to_string(entry.launches.size()) +
           " of entry `" + entry.entry->name + "`: kernel " +
           program_.kernels[static_cast<size_t>(l.kernel)].symbol + ", " + l.label;
  }

  void copy_inputs(const PreparedEntry& entry) {
    device_->check(driver().cuMemcpyHtoDAsync_v2(device_scalars_.address(), host_scalars_.data(),
                                                 sizeof(RuntimeScalars), stream_.get()),
                   "cuMemcpyHtoDAsync", "the run's numbers");
    for (const IoSlot& slot : entry.entry->inputs)
      if (slot.buffer.space == Space::arena)
        device_->check(
            driver().cuMemcpyHtoDAsync_v2(arena_.address() + static_cast<CuAddress>(slot.buffer.offset),
                                          buffer(slot).data(), buffer(slot).size(), stream_.get()),
            "cuMemcpyHtoDAsync", "input `" + slot.name + "` of entry `" + entry.entry->name + "`");
  }

  void copy_outputs(const PreparedEntry& entry) {
    for (const IoSlot& slot : entry.entry->outputs)
      if (slot.buffer.space == Space::arena)
        device_->check(driver().cuMemcpyDtoHAsync_v2(
                           buffer(slot).data(), arena_.address() + static_cast<CuAddress>(slot.buffer.offset),
                           buffer(slot).size(), stream_.get()),
                       "cuMemcpyDtoHAsync",
                       "output `" + slot.name + "` of entry `" + entry.entry->name + "`");
  }

  void launch(const PreparedEntry& entry, size_t i) {
    const PreparedLaunch& l = entry.launches[i];
    const CuResult result =
        driver().cuLaunchKernel(l.function->function, l.blocks, 1, 1, l.function->threads, 1, 1,
                                l.function->shared_bytes, stream_.get(), l.parameters, nullptr);
    if (result != 0) device_->check(result, "cuLaunchKernel", place(entry, i));
  }

  void wait(const std::string& where) {
    device_->check(driver().cuStreamSynchronize(stream_.get()), "cuStreamSynchronize", where);
  }

  void run_stepwise(const PreparedEntry& entry) {
    copy_inputs(entry);
    for (size_t i = 0; i < entry.launches.size(); ++i) {
      launch(entry, i);
      const CuResult result = driver().cuStreamSynchronize(stream_.get());
      if (result != 0) device_->check(result, "the kernel", place(entry, i));
    }
    copy_outputs(entry);
    wait("the outputs of entry `" + entry.entry->name + "`");
  }

  void run_and_time(const PreparedEntry& entry, std::vector<int64_t>& profile) {
    std::vector<OwnedEvent> events;
    const auto record = [&] {
      events.emplace_back(*device_);
      device_->check(driver().cuEventCreate(events.back().out(), 0), "cuEventCreate");
      device_->check(driver().cuEventRecord(events.back().get(), stream_.get()), "cuEventRecord");
    };
    copy_inputs(entry);
    record();
    for (size_t i = 0; i < entry.launches.size(); ++i) {
      launch(entry, i);
      record();
    }
    copy_outputs(entry);
    wait("entry `" + entry.entry->name + "`");
    for (size_t i = 0; i < entry.launches.size(); ++i) {
      float milliseconds = 0;
      device_->check(driver().cuEventElapsedTime(&milliseconds, events[i].get(), events[i + 1].get()),
                     "cuEventElapsedTime", place(entry, i));
      profile[i] += std::llround(static_cast<double>(milliseconds) * 1e6);
    }
  }

  void replay(PreparedEntry& entry) {
    if (!entry.graph.get()) entry.graph = capture(entry);
    const std::string where = "entry `" + entry.entry->name + "`, replayed";
    device_->check(driver().cuGraphLaunch(entry.graph.get(), stream_.get()), "cuGraphLaunch", where);
    wait(where);
  }

  OwnedGraphExec capture(const PreparedEntry& entry) {
    OwnedGraph graph(*device_);
    device_->check(driver().cuStreamBeginCapture_v2(stream_.get(), kCaptureThreadLocal),
                   "cuStreamBeginCapture");
    try {
      copy_inputs(entry);
      for (size_t i = 0; i < entry.launches.size(); ++i) launch(entry, i);
      copy_outputs(entry);
    } catch (const RuntimeError&) {
      driver().cuStreamEndCapture(stream_.get(), graph.out());  // the stream is to be of use again
      throw;
    }
    const std::string where = "the graph of entry `" + entry.entry->name + "`";
    device_->check(driver().cuStreamEndCapture(stream_.get(), graph.out()), "cuStreamEndCapture", where);
    OwnedGraphExec executable(*device_);
    device_->check(driver().cuGraphInstantiateWithFlags(executable.out(), graph.get(), 0),
                   "cuGraphInstantiate", where);
    return executable;
  }

  std::shared_ptr<CudaDevice> device_;
  const Program& program_;
  const std::vector<CudaFunction>& functions_;
  std::shared_ptr<State> state_;
  DeviceBuffer arena_;
  DeviceBuffer device_scalars_;
  PinnedBuffer host_scalars_;
  OwnedStream stream_;
  std::map<int64_t, std::unique_ptr<PinnedBuffer>> staging_;  // by offset in the arena
  std::vector<PreparedEntry> entries_;
};

}  // namespace

std::unique_ptr<DeviceContext> make_cuda_context(std::shared_ptr<CudaDevice> device, const Program& program,
                                                 const std::vector<CudaFunction>& functions,
                                                 std::shared_ptr<State> state) {
  return std::make_unique<CudaContext>(std::move(device), program, functions, std::move(state));
}

}  // namespace netc
