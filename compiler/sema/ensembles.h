// Ensembles (rule 29), and networks that stand inside another one's graph: members, teachers. Internal to compiler/sema.
//
//   ensemble duo { small = member(resnet20); large = member(resnet32, weights = "r32.safetensors"); combine = vote }
//
// An ensemble is its members side by side on one input, their paths beginning with the member's name, and one operator more
// that combines their scores. A plain network is an ensemble of one: so a teacher is either.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compiler/base/recipe.h"
#include "compiler/sema/project.h"

namespace netc {

class ConfigReader;

struct EnsembleMember {
  std::string name;                        // the first segment of its paths; empty: they have none of it
  const Module* module = nullptr;          // of the network
  const NetworkDecl* network = nullptr;
  const Module* args_module = nullptr;     // where the arguments are written
  const std::vector<Arg>* args = nullptr;  // null without parentheses
  Span span;                               // of the network in `member(...)`
  std::optional<WeightsSpec> weights;
};

struct Ensemble {
  enum class Combine : uint8_t { mean_logits, mean_probabilities, vote };
  Name name;
  std::vector<EnsembleMember> members;
  Combine combine = Combine::mean_probabilities;
  std::vector<std::string> shared;  // globs over members' paths: one set of parameters, computed once
  std::vector<Span> shared_spans;   // where each of them is written
};

// Every key checked. nullopt after errors.
std::optional<Ensemble> find_ensemble(Project& project, const Module& module, const EnsembleDecl& ensemble, DiagnosticSink& sink);

// What `resnet20(classes = 10)` or the name of an ensemble stands for in `module`. nullopt after errors.
std::optional<Ensemble> find_networks(Project& project, const Module& module, const Expression& value, DiagnosticSink& sink);

// The teacher of a `train` whose recipe distills; nullopt after errors. REQUIRES: build_recipe gave a recipe with `distill`.
std::optional<Ensemble> find_teacher(Project& project, const Module& module, const TrainDecl& train, DiagnosticSink& sink);

// The member of that name with its number, reported where there is none (at the reference `text`).
std::optional<size_t> find_member(const Ensemble& ensemble, const std::string& member, DiagnosticSink& sink);

}  // namespace netc
