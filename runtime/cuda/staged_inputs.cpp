#include "runtime/cuda/staged_inputs.h"

#include <algorithm>
#include <string>
#include <utility>

#include "compiler/base/shape.h"

namespace netc {
namespace {

constexpr int64_t kAlignment = 256;  // of each input

int64_t padded(const IoSlot& slot) {
  return ceil_div(slot.type.bytes(), kAlignment) * kAlignment;
}

int64_t input_bytes(const EntryPoint& entry) {
  int64_t bytes = 0;
  for (const IoSlot& slot : entry.inputs) bytes += padded(slot);
  return bytes;
}

int64_t largest_inputs(const Program& program) {
  int64_t bytes = 0;
  for (const EntryPoint& entry : program.entries) bytes = std::max(bytes, input_bytes(entry));
  return bytes;
}

}  // namespace

StagedInputs::StagedInputs(std::shared_ptr<CudaDevice> device, const Program& program)
    : device_(std::move(device)),
      on_device_(device_, CudaDevice::Kind::device, largest_inputs(program), "the next batch"),
      stream_(make_stream(*device_)),
      sets_{Set{PinnedBuffer(device_, on_device_.size()), make_event(*device_, kEventWithoutTime)},
            Set{PinnedBuffer(device_, on_device_.size()), make_event(*device_, kEventWithoutTime)}},
      taken_(make_event(*device_, kEventWithoutTime)) {}

// What fails now has been reported by whoever waited for the run, or has nobody left to hear of it.
StagedInputs::~StagedInputs() {
  driver().cuStreamSynchronize(stream_.get());
}

void StagedInputs::stage(const EntryPoint& entry, const Write& write) {
  set_ = 1 - set_;
  const Set& set = sets_.at(set_);
  const std::string where = "the next inputs of entry `" + entry.name + "`";
  device_->check(driver().cuEventSynchronize(set.copied.get()), "cuEventSynchronize", where);
  int64_t offset = 0;
  for (size_t i = 0; i < entry.inputs.size(); ++i) {
    write(i, set.memory.data() + offset);
    offset += padded(entry.inputs[i]);
  }
  device_->check(driver().cuStreamWaitEvent(stream_.get(), taken_.get(), 0), "cuStreamWaitEvent", where);
  device_->check(driver().cuMemcpyHtoDAsync_v2(on_device_.address(), set.memory.data(),
                                               static_cast<size_t>(offset), stream_.get()),
                 "cuMemcpyHtoDAsync", where);
  device_->check(driver().cuEventRecord(set.copied.get(), stream_.get()), "cuEventRecord", where);
}

void StagedInputs::take(const EntryPoint& entry, CuAddress arena, CuStream stream) {
  const std::string where = "the inputs of entry `" + entry.name + "`";
  device_->check(driver().cuStreamWaitEvent(stream, sets_.at(set_).copied.get(), 0), "cuStreamWaitEvent",
                 where);
  CuAddress from = on_device_.address();
  for (const IoSlot& slot : entry.inputs) {
    device_->check(driver().cuMemcpyDtoDAsync_v2(arena + static_cast<CuAddress>(slot.buffer.offset), from,
                                                 static_cast<size_t>(slot.type.bytes()), stream),
                   "cuMemcpyDtoDAsync", where);
    from += static_cast<CuAddress>(padded(slot));
  }
  device_->check(driver().cuEventRecord(taken_.get(), stream), "cuEventRecord", where);
}

}  // namespace netc
