#include "runtime/memory.h"

#include <sys/mman.h>

#include <string>
#include <utility>

#include "compiler/base/error.h"

namespace netc {
namespace {
constexpr size_t kHugePage = size_t{2} << 20;
constexpr int64_t kUseHugePages = int64_t{4} << 20;
}  // namespace

MemoryBlock::MemoryBlock(int64_t bytes, const char* purpose) : size_(bytes) {
  NETC_CHECK(bytes >= 0, "negative size");
  bool huge = bytes >= kUseHugePages;
  mapped_ =
      static_cast<size_t>(bytes) + (huge ? kHugePage : 64);  // never 0, and vectors may read past the end
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
    madvise(data_, static_cast<size_t>(bytes), MADV_HUGEPAGE);  // a hint: an old kernel may refuse it
  }
}

MemoryBlock::~MemoryBlock() {
  if (mapping_) munmap(mapping_, mapped_);
}

MemoryBlock::MemoryBlock(MemoryBlock&& other) noexcept
    : mapping_(std::exchange(other.mapping_, nullptr)),
      mapped_(std::exchange(other.mapped_, 0)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MemoryBlock& MemoryBlock::operator=(MemoryBlock&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(mapped_, other.mapped_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace netc
