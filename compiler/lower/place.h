// Placement: where values lie. Turns a Fusion and its layouts into the buffers and kernel bodies of a Schedule.
//
// A value that is needed in another layout than its own, by a reshape, an output or a contraction of another form, is converted
// by a kernel of its own, once for all readers.
#pragma once

#include "compiler/lower/choose_layouts.h"
#include "compiler/lower/fuse.h"
#include "compiler/lower/schedule.h"

namespace netc {

// Everything of the Schedule but labels and bytes.
Schedule place(const Graph& graph, const Fusion& fusion, const LayoutPlan& layouts, const StateLayouts& states,
               const Target& target);

}  // namespace netc
