// The front end as the other services use it: what is wrong is a CompileError with every diagnostic.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compiler/sema/sema.h"

namespace netc {

// Which network, and how it is asked for.
struct NetworkRequest {
  std::string reference;                   // "file.net", "file.net:name", "std.resnet:resnet50"
  std::map<std::string, std::string> set;  // arguments
  bool raw_input = false;                  // the input as the network declares it, not as its data set says
  bool augmented = false;                  // an evaluation's input augmented as in training
  bool without_loss = false;               // as trained, with the declared outputs in place of the loss
  bool input_only = false;                 // the output "seen" alone: what the network gets of the input
};

// THROWS CompileError.
ElaboratedNetwork elaborate_network(Project& project, const NetworkRequest& request, Purpose purpose, int64_t batch);
// With the loss and augmentation of a recipe.
ElaboratedNetwork elaborate_network(Project& project, const NetworkRequest& request, const Recipe& recipe,
                                    Purpose purpose, int64_t batch);
// The members of the ensemble that a reference, or its `train`, names; empty for a network. THROWS CompileError.
std::vector<InnerNetwork> members_of(Project& project, const NetworkRequest& request);
// The `train` of that name, or the file's only one. THROWS CompileError.
Recipe find_recipe(Project& project, const std::string& reference);

}  // namespace netc
