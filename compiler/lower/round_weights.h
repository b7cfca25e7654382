// Mixed precision on a GPU: the rounded copies of all weights in one launch over the slab of the parameters.
//
// A cast per weight is a launch of a few microseconds for a few KiB; a ResNet-50 has 54. Copies that lie as
// their masters do become pieces of one buffer, at the masters' places in the slab:
//
//   | fc.bias | fc.weight | conv.weight |   slab/parameters, f32
//   | unread  | fc.weight | conv.weight |   rounded weights, bf16: half the offsets
//
// GUARANTEES: every value is as it was. A copy in another layout keeps a kernel of its own.
#pragma once

#include "compiler/lower/schedule.h"
#include "compiler/lower/state_layout.h"

namespace netc {

Schedule round_weights_together(Schedule schedule, const StateLayout& state);

}  // namespace netc
