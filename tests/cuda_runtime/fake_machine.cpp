#include "tests/cuda_runtime/fake_machine.h"

#include <dlfcn.h>

#include "compiler/base/error.h"

namespace netc {

FakeMachine::FakeMachine(const FakeCudaMachine& machine) {
  void* library = dlopen(NETC_FAKE_CUDA, RTLD_NOW | RTLD_LOCAL);
  NETC_CHECK(library, dlerror());
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    NETC_CHECK(function, name);
  };
  decltype(&fake_cuda_reset) reset = nullptr;
  find(reset, "fake_cuda_reset");
  find(fail_, "fake_cuda_fail");
  find(log_, "fake_cuda_log");
  find(alive_, "fake_cuda_alive");
  reset(&machine);
  const std::string problem = driver_.open(NETC_FAKE_CUDA);
  NETC_CHECK(problem.empty(), problem);
}

}  // namespace netc
