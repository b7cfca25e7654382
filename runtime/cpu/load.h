// Loads a Program's objects into this process, so that its kernels can be called.
#pragma once

#include <memory>

#include "compiler/base/program.h"
#include "runtime/executable.h"

namespace netc {

// THROWS RuntimeError E0902 if an object cannot be linked or a kernel is missing.
std::unique_ptr<HostExecutable> load_on_cpu(Program program);

}  // namespace netc
