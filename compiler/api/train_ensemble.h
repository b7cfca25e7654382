// What comes after the members of an ensemble were trained one by one: one file of weights, and what they reach together.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "compiler/api/inner_networks.h"
#include "compiler/api/training.h"

namespace netc {

struct JoinRequest {
  NetworkRequest network;                    // the `train` of the ensemble
  CompileSettings settings;
  std::map<std::string, std::string> data;   // role to path
  std::map<std::string, std::string> files;  // of members that have no weights of their own: name to path
  std::string output;                        // the ensemble's weights
};

// Writes the weights of all members into one file, and evaluates the ensemble; nothing is evaluated without test data.
// THROWS as load_inner_networks; RuntimeError E0604, E07xx.
std::optional<EvalResult> join_members(Project& project, const JoinRequest& request, Executor& executor);

}  // namespace netc
