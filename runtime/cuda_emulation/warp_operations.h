// What a warp's 32 lanes do together, with the fragment layouts of the PTX ISA.
#pragma once

#include <array>
#include <string>

#include "runtime/cuda_emulation/shared_memory.h"

namespace netc {

constexpr int kWarpLanes = 32;
using Lanes = std::array<netc_emulation::LaneArguments*, kWarpLanes>;

// Fills in `result` or `c` of every lane. Products are exact and summed in double precision: a tensor core's
// own rounding is not defined. Returns what is wrong, or an empty string.
std::string run_warp_operation(netc_emulation::Operation operation, const Lanes& lanes, SharedMemory& shared,
                               const std::array<SharedMemory::Access, kWarpLanes>& accesses);

float half_to_float(unsigned bits);

}  // namespace netc
