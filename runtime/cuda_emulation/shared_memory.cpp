#include "runtime/cuda_emulation/shared_memory.h"

#include <algorithm>

namespace netc {

void SharedMemory::reset(int bytes) {
  size_ = bytes;
  bytes_.assign(static_cast<size_t>(bytes) + 64, 0xff);
  places_.assign(static_cast<size_t>(bytes) / kGranule + 1, Place{});
}

bool SharedMemory::ordered(const Access& before, const Access& now) {
  if (before.thread == kNobody || before.thread == now.thread || before.block_epoch < now.block_epoch)
    return true;
  return before.thread / 32 == now.thread / 32 && before.warp_epoch < now.warp_epoch;
}

std::string SharedMemory::check(unsigned address, int bytes, bool write, const Access& access) {
  if (static_cast<long>(address) + bytes > size_)
    return "shared memory has " + std::to_string(size_) + " bytes, accessed at " + std::to_string(address) +
           " for " + std::to_string(bytes);
  if (address % static_cast<unsigned>(bytes) != 0)
    return "an unaligned access of " + std::to_string(bytes) + " bytes to shared memory at " +
           std::to_string(address);
  for (size_t p = address / kGranule; p <= (address + static_cast<unsigned>(bytes) - 1) / kGranule; ++p) {
    Place& place = places_[p];
    const auto race = [&](const char* what, const Access& other) {
      return "threads " + std::to_string(other.thread) + " and " + std::to_string(access.thread) + " " +
             what + " shared memory at " + std::to_string(p * kGranule) + " with no barrier in between";
    };
    if (!ordered(place.writer, access)) return race(write ? "both write" : "write and read", place.writer);
    if (write) {
      if (!ordered(place.reader, access) ||
          (place.many_readers && place.reader.block_epoch == access.block_epoch))
        return race("read and write", place.reader);
      place.writer = access;
      place.many_readers = false;
      place.reader = {kNobody, 0, 0};
    } else {
      const bool same_epoch =
          place.reader.thread != kNobody && place.reader.block_epoch == access.block_epoch;
      // Readers of one warp count as its last one; readers of several as "many", until a barrier.
      place.many_readers =
          same_epoch && (place.many_readers || place.reader.thread / 32 != access.thread / 32);
      place.reader = {access.thread, access.block_epoch,
                      same_epoch && place.reader.thread / 32 == access.thread / 32
                          ? std::max(place.reader.warp_epoch, access.warp_epoch)
                          : access.warp_epoch};
    }
  }
  return {};
}

}  // namespace netc
