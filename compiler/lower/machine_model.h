// What one thread of a target does in a second, roughly: to rank plans and to tell people what a choice costs. Nothing that is
// computed depends on it. Measured figures of a machine come from bench/compare.py.
#pragma once

#include <algorithm>
#include <cstdint>

#include "compiler/base/target.h"

namespace netc {

struct MachineModel {
  double flops = 0;  // f32 multiplications and additions a second
  double bytes = 0;  // to and from memory a second

  // Whichever takes longer: the arithmetic or the memory.
  double seconds(int64_t work, int64_t moved) const {
    return std::max(static_cast<double>(work) / flops, static_cast<double>(moved) / bytes);
  }
};

// Two vectors of multiply-adds (without FMA: one of each) a cycle at 3.7 GHz; 20 GB/s a thread.
inline MachineModel machine_model(const Target& target) {
  return {(target.fma ? 4.0 : 2.0) * target.vector_lanes * 3.7e9, 20e9};
}

}  // namespace netc
