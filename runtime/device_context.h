// What a Context works through: one caller's memory on a device, and runs of entries there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "compiler/base/program.h"
#include "runtime/executor.h"

namespace netc {

class DeviceContext {
 public:
  virtual ~DeviceContext() = default;

  // Called before an entry's inputs are written. After the first time it does nothing.
  virtual void get_memory(const EntryPoint&, Executor&) {}

  // Where the host writes an input of the next run, or reads an output of the last one.
  virtual std::span<std::byte> buffer(const IoSlot& slot) = 0;

  // Begins to run program().entries[entry]; wait() returns when its outputs and the state can be read. Where
  // the device computes on this thread, that is here. Adds each launch's nanoseconds to `profile`, where
  // there is one: a number for each launch. `staged`: with the inputs of the last stage_inputs, which was for
  // this entry.
  virtual void start(size_t entry, const RuntimeScalars& scalars, Executor& executor,
                     std::vector<int64_t>* profile, bool staged) = 0;
  virtual void wait() {}

  // Whether inputs can come to the device while it computes; then stage_inputs has `write` write each input
  // of the entry's next run to where it is told.
  virtual bool stages_inputs() const { return false; }
  using WriteInput = std::function<void(size_t input, std::byte* to)>;
  virtual void stage_inputs(size_t entry, const WriteInput& write);

  virtual int64_t arena_bytes() const = 0;
};

}  // namespace netc
