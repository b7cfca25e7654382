// The values of a recipe's keys, read and checked: one function a key. Internal to compiler/sema.
//
// All THROW Failed after they have reported an error.
#pragma once

#include <vector>

#include "compiler/base/recipe.h"
#include "compiler/sema/config_reader.h"

namespace netc {

// What the values of `loss`, `optimizer`, `clip`, `swa`, `schedule` and `augment` may name.
const std::vector<ConstructorDef>& losses();
const std::vector<ConstructorDef>& optimizers();
const std::vector<ConstructorDef>& clippings();
const std::vector<ConstructorDef>& averagings();
const std::vector<ConstructorDef>& schedules();
const std::vector<ConstructorDef>& augmentations();

LossSpec read_loss(ConfigReader& reader, const Expression& value);            // read_objective.cpp
// The optimizer's own fields; those of `clip` and `ema` stay.
void read_optimizer(ConfigReader& reader, const Expression& value, OptimizerSpec& spec);  // read_objective.cpp
void read_clip(ConfigReader& reader, const Expression& value, OptimizerSpec& spec);       // read_objective.cpp
SwaSpec read_swa(ConfigReader& reader, const Expression& value);                          // read_schedule.cpp
LossScaleSpec read_loss_scale(ConfigReader& reader, const Expression& value);             // read_objective.cpp
std::vector<ParameterGroup> read_groups(ConfigReader& reader, const Expression& value);   // read_objective.cpp
WeightsSpec read_weights(ConfigReader& reader, const Expression& value);                  // read_weights.cpp
// `teacher(resnet56, weights = "r56.safetensors", temperature = 4.0, share = 90%)`; its network is checked where it is looked up.
Constructor teacher_constructor(ConfigReader& reader, const Expression& value);           // read_weights.cpp
DistillSpec read_distill(ConfigReader& reader, const Expression& value);                  // read_weights.cpp
// "a.safetensors", or load("a.safetensors", names = ...).
WeightsSpec read_weights_or_path(ConfigReader& reader, const Expression& value, const std::string& what);  // read_weights.cpp
ScheduleSpec read_schedule(ConfigReader& reader, const Expression& value);    // read_schedule.cpp

// What `augment` begins with and is not random goes to `preprocess` (rule 28).
void read_augment(ConfigReader& reader, const Expression& value, std::vector<PreprocessSpec>& preprocess,
                  std::vector<AugmentSpec>& augment);
// One step of `preprocess`; `c` is a call of one of `preprocess_steps()`.
const std::vector<ConstructorDef>& preprocess_steps();
PreprocessSpec read_preprocess_step(ConfigReader& reader, const Constructor& c);

}  // namespace netc
