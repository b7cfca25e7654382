// The shared memory of an emulated block: poisoned with NaN, checked for range, alignment and races.
//
// A race is an access to two bytes that another thread wrote (or a write to one that another thread read)
// with no barrier in between; threads of one warp are also ordered by a warp's synchronisation. So a missing
// __syncthreads is found however the threads happen to run.
#pragma once

#include <string>
#include <vector>

#include "compiler/base/cuda_emulation_abi.h"

namespace netc {

class SharedMemory {
 public:
  // A new block begins: everything is NaN in every floating format.
  void reset(int bytes);
  unsigned char* data() { return bytes_.data(); }
  int size() const { return size_; }

  // A thread's place in the order of events.
  struct Access {
    unsigned thread;
    unsigned block_epoch;  // barriers that it passed
    unsigned warp_epoch;   // synchronisations of its warp
  };
  // Empty, or what is wrong with the access.
  std::string check(unsigned address, int bytes, bool write, const Access& access);

 private:
  struct Place {  // of kGranule bytes, the smallest element that kernels keep there
    Access writer{kNobody, 0, 0}, reader{kNobody, 0, 0};
    bool many_readers = false;
  };
  static constexpr unsigned kNobody = ~0u, kGranule = 2;
  static bool ordered(const Access& before, const Access& now);

  std::vector<unsigned char> bytes_;
  std::vector<Place> places_;
  int size_ = 0;
};

}  // namespace netc
