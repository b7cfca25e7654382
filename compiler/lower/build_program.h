// Assembles a Program without its code: entry points over one State, each with its launches, and the
// distinct kernels that a backend compiles for them.
//
//   StateLayout state = lay_out_state({&grad, &eval}, &recipe.optimizer);
//   Graph apply = make_update(recipe.optimizer, state.slab_elements);
//   ProgramPlan plan = build_program({{"eval", {&eval}}, {"grad", {&grad}}, {"apply", {&apply}}, {"step", {&grad, &apply}}},
//                                    state, target, &sources);
//   plan.program.objects = compile_kernels(plan.kernels …);       // the backend; sets scratch_bytes too
#pragma once

#include <string>
#include <vector>

#include "compiler/base/digest.h"
#include "compiler/base/program.h"
#include "compiler/lower/fuse.h"
#include "compiler/lower/memory_plan.h"
#include "compiler/lower/schedule.h"
#include "compiler/lower/state_layout.h"

namespace netc {

// An entry point: graphs that run one after the other, each after the passes of pipeline.h.
struct EntrySpec {
  std::string name;
  std::vector<const Graph*> graphs;
};

// What the backend compiles; kernel i of the Program is bodies[i], under the symbol names[i].
struct KernelSet {
  std::vector<KernelBody> bodies;
  std::vector<std::string> names;
  std::vector<Digest> digests;  // of name and identity: with the target, all that decides the machine code
};

// One graph's way through lowering, kept for `netc explain` and `netc emit`.
struct LoweredGraph {
  const Graph* graph = nullptr;
  Schedule schedule;
  MemoryPlan memory;
};

struct ProgramPlan {
  Program program;  // without objects, scratch_bytes and target
  KernelSet kernels;
  std::vector<LoweredGraph> graphs;  // distinct ones, in order of first use
};

// Equal bodies (identity()) become one kernel. REQUIRES: every state of the graphs is in `state`, laid out with the
// options' layouts.
ProgramPlan build_program(const std::vector<EntrySpec>& entries, const StateLayout& state, const Target& target,
                          const SourceMap* sources = nullptr, const FuseOptions& options = {});

}  // namespace netc
