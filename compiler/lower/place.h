// Placement: where values lie. Turns a Fusion into the buffers and kernel bodies of a Schedule.
#pragma once

#include "compiler/lower/fuse.h"
#include "compiler/lower/schedule.h"

namespace netc {

// Everything of the Schedule but labels and costs.
Schedule place(const Graph& graph, const Fusion& fusion, const Target& target);

}  // namespace netc
