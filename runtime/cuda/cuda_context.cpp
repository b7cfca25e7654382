#include "runtime/cuda/cuda_context.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "runtime/cuda/handles.h"
#include "runtime/cuda/memory_plan.h"
#include "runtime/cuda/staged_inputs.h"

namespace netc {
namespace {

int64_t largest_arena(const Program& program) {
  int64_t bytes = 0;
  for (const EntryPoint& entry : program.entries) bytes = std::max(bytes, entry.arena_bytes);
  return bytes;
}

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
    stream_ = make_stream(*device_);
    make_staging();
    for (size_t i = 0; i < program_.entries.size(); ++i) entries_.push_back(prepare(program_.entries[i]));
  }

  // A run that was not waited for still uses the memory, and so does the copying of inputs.
  ~CudaContext() override {
    try {
      const CudaDevice::Current current(*device_);
      driver().cuStreamSynchronize(stream_.get());
      staged_.reset();
    } catch (const RuntimeError&) {  // the context is lost
    }
  }
  CudaContext(const CudaContext&) = delete;
  CudaContext& operator=(const CudaContext&) = delete;

  std::span<std::byte> buffer(const IoSlot& slot) override {
    const auto size = static_cast<size_t>(slot.type.bytes());
    if (slot.buffer.space == Space::state) return {state_->data() + slot.buffer.offset, size};
    PinnedBuffer& staging = *staging_.at(slot.buffer.offset);
    NETC_CHECK(slot.type.bytes() <= staging.size(), "no input or output of this program");
    return {staging.data(), size};
  }

  void start(size_t number, const RuntimeScalars& scalars, Executor&, std::vector<int64_t>* profile,
             bool staged) override {
    const CudaDevice::Current current(*device_);
    PreparedEntry& entry = entries_.at(number);
    std::memcpy(host_scalars_.data(), &scalars, sizeof scalars);
    if (staged) staged_->take(*entry.entry, arena_.address(), stream_.get());
    if (profile)
      run_and_time(entry, *profile, staged);
    else if (!entry.ran)
      run_stepwise(entry, staged);
    else
      replay(entry, staged);
    entry.ran = true;
  }

  // What ran stepwise has been waited for.
  void wait() override {
    if (!replayed_) return;
    const CudaDevice::Current current(*device_);
    wait("entry `" + std::exchange(replayed_, nullptr)->name + "`, replayed");
  }

  bool stages_inputs() const override { return true; }

  void stage_inputs(size_t number, const WriteInput& write) override {
    const CudaDevice::Current current(*device_);
    if (!staged_)
      with_memory_plan(program_, *device_,
                       [&] { staged_ = std::make_unique<StagedInputs>(device_, program_); });
    staged_->stage(program_.entries.at(number), write);
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
        : entry(&source), graph(device), staged_graph(device) {}
    const EntryPoint* entry;
    std::vector<CuAddress> addresses;  // of all launches' operands, each launch's numbers in front
    std::vector<void*> parameters;     // into `addresses`, and to the functions' extents
    std::vector<PreparedLaunch> launches;
    bool ran = false;
    OwnedGraphExec graph, staged_graph;  // with the copies of the inputs, and without
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

  // Staged inputs are there already.
  void copy_inputs(const PreparedEntry& entry, bool staged) {
    device_->check(driver().cuMemcpyHtoDAsync_v2(device_scalars_.address(), host_scalars_.data(),
                                                 sizeof(RuntimeScalars), stream_.get()),
                   "cuMemcpyHtoDAsync", "the run's numbers");
    if (staged) return;
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

  void launch(const PreparedEntry& entry, size_t i, CuStream stream) {
    const PreparedLaunch& l = entry.launches[i];
    const CuResult result =
        driver().cuLaunchKernel(l.function->function, l.blocks, 1, 1, l.function->threads, 1, 1,
                                l.function->shared_bytes, stream, l.parameters, nullptr);
    if (result != 0) device_->check(result, "cuLaunchKernel", place(entry, i));
  }

  void wait(const std::string& where) {
    device_->check(driver().cuStreamSynchronize(stream_.get()), "cuStreamSynchronize", where);
  }

  void run_stepwise(const PreparedEntry& entry, bool staged) {
    copy_inputs(entry, staged);
    for (size_t i = 0; i < entry.launches.size(); ++i) {
      launch(entry, i, stream_.get());
      const CuResult result = driver().cuStreamSynchronize(stream_.get());
      if (result != 0) device_->check(result, "the kernel", place(entry, i));
    }
    copy_outputs(entry);
    wait("the outputs of entry `" + entry.entry->name + "`");
  }

  void run_and_time(const PreparedEntry& entry, std::vector<int64_t>& profile, bool staged) {
    std::vector<OwnedEvent> events;
    const auto record = [&] {
      events.push_back(make_event(*device_, 0));
      device_->check(driver().cuEventRecord(events.back().get(), stream_.get()), "cuEventRecord");
    };
    copy_inputs(entry, staged);
    record();
    for (size_t i = 0; i < entry.launches.size(); ++i) {
      launch(entry, i, stream_.get());
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

  // Of the stream that a launch has, of which the first one is stream_ and the others are made when they are
  // wanted.
  CuStream stream_of(int32_t number) {
    while (static_cast<size_t>(number) > more_streams_.size()) more_streams_.push_back(make_stream(*device_));
    return number == 0 ? stream_.get() : more_streams_[static_cast<size_t>(number - 1)].get();
  }

  // Each on its stream, after what it waits for; in a graph these become dependencies. What comes before
  // forks to all streams, what comes behind waits for all.
  void record_launches(const PreparedEntry& entry) {
    const std::vector<Launch>& launches = entry.entry->launches;
    std::vector<OwnedEvent> events;  // nothing is left of them in the graph
    const auto record = [&](int32_t stream) {
      events.push_back(make_event(*device_, kEventWithoutTime));
      device_->check(driver().cuEventRecord(events.back().get(), stream_of(stream)), "cuEventRecord");
      return events.back().get();
    };
    const auto wait_for = [&](int32_t stream, CuEvent event) {
      device_->check(driver().cuStreamWaitEvent(stream_of(stream), event, 0), "cuStreamWaitEvent");
    };
    std::vector<bool> waited_for(launches.size(), false);
    std::map<int32_t, size_t> last;  // launch of each stream but the first
    for (size_t i = 0; i < launches.size(); ++i) {
      for (int32_t other : launches[i].waits) waited_for[static_cast<size_t>(other)] = true;
      if (launches[i].stream > 0) last[launches[i].stream] = i;
    }
    for (auto [stream, launch] : last) waited_for[launch] = true;
    if (!last.empty()) {
      const CuEvent begin = record(0);
      for (auto [stream, launch] : last) wait_for(stream, begin);
    }
    std::vector<CuEvent> ended(launches.size(), nullptr);
    for (size_t i = 0; i < launches.size(); ++i) {
      const int32_t stream = launches[i].stream;
      for (int32_t other : launches[i].waits) wait_for(stream, ended[static_cast<size_t>(other)]);
      launch(entry, i, stream_of(stream));
      if (waited_for[i]) ended[i] = record(stream);
    }
    for (auto [stream, launch] : last) wait_for(0, ended[launch]);
  }

  void replay(PreparedEntry& entry, bool staged) {
    OwnedGraphExec& graph = staged ? entry.staged_graph : entry.graph;
    if (!graph.get()) {
      for (const Launch& l : entry.entry->launches) stream_of(l.stream);  // before anything is recorded
      graph = capture(entry, staged);
    }
    device_->check(driver().cuGraphLaunch(graph.get(), stream_.get()), "cuGraphLaunch",
                   "entry `" + entry.entry->name + "`, replayed");
    replayed_ = entry.entry;
  }

  OwnedGraphExec capture(const PreparedEntry& entry, bool staged) {
    OwnedGraph graph(*device_);
    device_->check(driver().cuStreamBeginCapture_v2(stream_.get(), kCaptureThreadLocal),
                   "cuStreamBeginCapture");
    try {
      copy_inputs(entry, staged);
      record_launches(entry);
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
  std::vector<OwnedStream> more_streams_;  // for launches beside those of stream_, while a graph is recorded
  std::map<int64_t, std::unique_ptr<PinnedBuffer>> staging_;  // by offset in the arena
  std::vector<PreparedEntry> entries_;
  std::unique_ptr<StagedInputs> staged_;  // from the first stage_inputs on
  const EntryPoint* replayed_ = nullptr;  // what wait() waits for
};

}  // namespace

std::unique_ptr<DeviceContext> make_cuda_context(std::shared_ptr<CudaDevice> device, const Program& program,
                                                 const std::vector<CudaFunction>& functions,
                                                 std::shared_ptr<State> state) {
  return std::make_unique<CudaContext>(std::move(device), program, functions, std::move(state));
}

}  // namespace netc
