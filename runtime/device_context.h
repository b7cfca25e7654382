// What a Context works through: one caller's memory on a device, and runs of entries there.
#pragma once

#include <cstddef>
#include <cstdint>
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

  // Runs program().entries[entry] and returns when outputs and state can be read. Adds each launch's
  // nanoseconds to `profile`, where there is one: a number for each launch.
  virtual void run(size_t entry, const RuntimeScalars& scalars, Executor& executor,
                   std::vector<int64_t>* profile) = 0;

  virtual int64_t arena_bytes() const = 0;
};

}  // namespace netc
