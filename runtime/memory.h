// One zeroed, 64-byte aligned block of memory: a state, an arena, workers' scratch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "runtime/executor.h"

namespace netc {

// Pages come from the system on first touch, or by `populate`. Blocks of 4 MiB or more are whole 2 MiB pages and ask
// for huge pages, because a step over a large arena is otherwise bound by page faults and TLB misses.
class MemoryBlock {
 public:
  MemoryBlock() = default;
  // THROWS RuntimeError E0911 if the system has not so much. `purpose` names the block in the message.
  MemoryBlock(int64_t bytes, const char* purpose);
  // Somebody else's zeroed memory, which lives as long as `owner` does.
  MemoryBlock(std::byte* data, int64_t bytes, std::shared_ptr<const void> owner);
  ~MemoryBlock();
  MemoryBlock(MemoryBlock&& other) noexcept;
  MemoryBlock& operator=(MemoryBlock&& other) noexcept;

  // Has the system give the pages of the first `bytes` now, so that no later access faults. The executor's threads
  // share the work as they will share a launch's tasks, so that memory is near to them. Keeps the content.
  void populate(int64_t bytes, Executor& executor) const;

  std::byte* data() const { return data_; }
  int64_t size() const { return size_; }
  const void* owner() const { return owner_.get(); }  // null: the block itself
  std::span<std::byte> bytes() const { return {data_, static_cast<size_t>(size_)}; }

 private:
  void* mapping_ = nullptr;
  size_t mapped_ = 0;
  std::byte* data_ = nullptr;
  int64_t size_ = 0;
  std::shared_ptr<const void> owner_;  // of memory that is not this block's mapping
};

}  // namespace netc
