#include "runtime/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <string>
#include <utility>

#include "compiler/base/error.h"

namespace netc {
namespace {
constexpr size_t kHugePage = size_t{2} << 20;
constexpr int64_t kUseHugePages = int64_t{4} << 20;
constexpr size_t kPage = 4096;

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23  // since Linux 5.14
#endif

size_t rounded_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

// `address` is at a page's start.
void fault_in(std::byte* address, size_t bytes) {
  if (madvise(address, bytes, MADV_POPULATE_WRITE) == 0) return;
  // An older kernel: write every page, with what is in it.
  for (size_t at = 0; at < bytes; at += kPage) {
    volatile std::byte* page = address + at;
    *page = *page;
  }
}

}  // namespace

MemoryBlock::MemoryBlock(int64_t bytes, const char* purpose) : size_(bytes) {
  NETC_CHECK(bytes >= 0, "negative size");
  bool huge = bytes >= kUseHugePages;
  // Never 0, and vectors may read past the end. The last huge page is whole, or it would be many small ones.
  mapped_ = huge ? rounded_up(static_cast<size_t>(bytes) + 64, kHugePage) + kHugePage : static_cast<size_t>(bytes) + 64;
  mapping_ =
      mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping_ == MAP_FAILED) {
    mapping_ = nullptr;
    throw RuntimeError("E0911", "out of memory: no " + std::to_string(bytes) + " bytes for " + purpose,
                       "a smaller batch");
  }
  data_ = static_cast<std::byte*>(mapping_);
  if (huge) {
    auto address = reinterpret_cast<uintptr_t>(mapping_);
    data_ += (kHugePage - address % kHugePage) % kHugePage;
    madvise(data_, rounded_up(static_cast<size_t>(bytes) + 64, kHugePage), MADV_HUGEPAGE);  // a hint: a kernel may refuse it
  }
}

MemoryBlock::MemoryBlock(std::byte* data, int64_t bytes, std::shared_ptr<const void> owner)
    : data_(data), size_(bytes), owner_(std::move(owner)) {}

void MemoryBlock::populate(int64_t first_bytes, Executor& executor) const {
  NETC_CHECK(first_bytes <= size_, "beyond the block");
  const size_t bytes = rounded_up(static_cast<size_t>(first_bytes), kPage);  // data_ is at a page's start
  const auto parts = static_cast<int64_t>((bytes + kHugePage - 1) / kHugePage);
  executor.parallel_for(parts, [&](int, int64_t first, int64_t last) {
    const size_t begin = static_cast<size_t>(first) * kHugePage, end = std::min(bytes, static_cast<size_t>(last) * kHugePage);
    fault_in(data_ + begin, end - begin);
  });
}

MemoryBlock::~MemoryBlock() {
  if (mapping_) munmap(mapping_, mapped_);
}

MemoryBlock::MemoryBlock(MemoryBlock&& other) noexcept
    : mapping_(std::exchange(other.mapping_, nullptr)),
      mapped_(std::exchange(other.mapped_, 0)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      owner_(std::move(other.owner_)) {}

MemoryBlock& MemoryBlock::operator=(MemoryBlock&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(mapped_, other.mapped_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(owner_, other.owner_);
  return *this;
}

}  // namespace netc
