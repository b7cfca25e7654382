// Weights of networks that stand inside another one, each from its own file: an ensemble's members, a teacher.
//
//   load_member_weights(model, project, pool);     // as `member(resnet32, weights = "r32.safetensors")` says
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compiler/api/model.h"

namespace netc {

constexpr const char* kTeacherPrefix = "teacher.";

// Loads the slots of `networks`, whose paths begin with `prefix` and their names, from their files; or all of them from
// `together`. What members share comes from the first, and must be the same in all.
// THROWS RuntimeError E0601 to E0610; CompileError for a map of names.
void load_inner_networks(State& state, const std::string& prefix, const std::vector<InnerNetwork>& networks,
                         const WeightsSpec* together, Project& project);

// The members' own weights into a model for inference or evaluation. THROWS as load_inner_networks, E0601 where a member
// names none.
ModelInfo load_member_weights(Model& model, Project& project, Executor& executor);

}  // namespace netc
