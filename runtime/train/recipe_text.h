// What of a recipe changes a training's bits, as text that a person reads: one entry a key, in the words of
// the language. Checkpoints record it, so that a resumed run can say in what it differs.
//
//   recipe_text(recipe)  ->  {"network": "resnet20()", "optimizer": "sgd(momentum = 0.9)", …}
//
// Equal texts mean equal bits, given equal data, seed, batch and target: numbers are written exactly.
#pragma once

#include <map>
#include <string>

#include "compiler/base/recipe.h"

namespace netc {

using RecipeText = std::map<std::string, std::string>;

// "epochs" is part of it only where the schedule depends on the end of the training, so that other trainings can be
// resumed for longer.
RecipeText recipe_text(const Recipe& recipe);

}  // namespace netc
