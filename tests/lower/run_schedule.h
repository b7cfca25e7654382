// Runs a Schedule in double precision on its planned arena: the proof of fusion, placement and memory
// plan that needs no backend. Memory is a double for every byte; an element of s bytes lies at its first
// byte and spoils the other s - 1, so that whatever reads memory it should not gets NaN.
#pragma once

#include "compiler/interpret/interpret.h"
#include "compiler/lower/memory_plan.h"
#include "compiler/lower/schedule.h"

namespace netc {

InterpretResult run_schedule(const Schedule& schedule, const MemoryPlan& plan, const InterpretInputs& inputs);

}  // namespace netc
