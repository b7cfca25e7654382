// The fake driver as a test sees it.
#pragma once

#include <string>

#include "runtime/cuda/driver.h"
#include "tests/cuda_runtime/fake/fake_cuda.h"

namespace netc {

class FakeMachine {
 public:
  explicit FakeMachine(const FakeCudaMachine& machine = {});

  const CudaDriver& driver() const { return driver_; }
  void fail(const char* function, int count, int result) const { fail_(function, count, result); }
  std::string log() const { return log_(); }
  int alive() const { return alive_(); }

 private:
  CudaDriver driver_;
  decltype(&fake_cuda_fail) fail_;
  decltype(&fake_cuda_log) log_;
  decltype(&fake_cuda_alive) alive_;
};

}  // namespace netc
