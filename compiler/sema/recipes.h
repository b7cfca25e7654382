// From `dataset`, `recipe` and `train` declarations to a checked Recipe. Internal to compiler/sema.
#pragma once

#include <optional>

#include "compiler/base/recipe.h"
#include "compiler/ir/graph.h"
#include "compiler/sema/names_map.h"
#include "compiler/sema/project.h"

namespace netc {

// The network with its arguments, or the ensemble, that an expression names: of a `train`, a member, a teacher.
struct TrainedNetwork {
  const Module* module = nullptr;          // where it is declared
  const NetworkDecl* network = nullptr;    // one of the two
  const EnsembleDecl* ensemble = nullptr;
  const std::vector<Arg>* args = nullptr;  // null without parentheses
};
// nullopt after an error.
std::optional<TrainedNetwork> find_network(Project& project, const Module& module, const Expression& value, DiagnosticSink& sink);

// Every key checked; later entries override earlier ones and those of `use`. nullopt after errors.
std::optional<Recipe> build_recipe(Project& project, const Module& module, const TrainDecl& train, DiagnosticSink& sink);

// The data set of that name, every key checked. nullopt after errors.
std::optional<DatasetSpec> find_dataset(Project& project, const Module& module, const Name& name, DiagnosticSink& sink);
std::optional<NamesMap> build_names_map(Project& project, const Module& module, const NamesDecl& names, DiagnosticSink& sink);

// Where entry `index` of the value of a recipe's key is written; the network's place in the `train` if there is none.
Span setting_span(Project& project, const Module& module, const TrainDecl& train, const std::string& key, size_t index);
// The same for a key of the data set that `train` names; its name there if there is none.
Span dataset_span(Project& project, const Module& module, const TrainDecl& train, const std::string& key, size_t index);

// Reports E0515 for each pattern of `precision` that matches no layer. `graph`: of the network, for training.
// REQUIRES: build_recipe gave a recipe.
void check_layer_patterns(Project& project, const Module& module, const TrainDecl& train, const Graph& graph,
                          DiagnosticSink& sink);

// Checks what no `train` of the module reaches: its data sets, recipes, name maps and ensembles.
void check_configurations(Project& project, const Module& module, DiagnosticSink& sink);

}  // namespace netc
