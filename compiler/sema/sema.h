// Elaboration: a network of the `.net` language, with its arguments, to a static Graph.
//
// Elaboration resolves names, runs what is compile-time only (`for`, `if`, `let`, block calls),
// checks the contracts of `residual` and `inception`, infers every shape, gives every parameter its
// stable path (rule 13) and every node its place in the source. It reports several independent
// errors in one run, and advice.
//
//   Project project;
//   DiagnosticSink sink;
//   auto net = elaborate(project, "resnet.net:resnet18", {.batch = 8}, sink);
//   if (!net) ...    // at least one error is in `sink`
//   net->graph       // image [8, 3, 224, 224] -> logits [8, 1000]
//
// GUARANTEES: nothing is thrown for a wrong program; the graph is verified. The order of the states
// is the textual order in which the network reaches its parameters.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "compiler/base/recipe.h"
#include "compiler/ir/graph.h"
#include "compiler/sema/names_map.h"
#include "compiler/sema/project.h"

namespace netc {

// What a program may grow to. Each is a diagnostic (E08xx) where it is exceeded.
struct ElaborateLimits {
  int64_t layers = 20'000;                         // calls after expansion, counted before they are built
  int64_t steps = 5'000'000;                       // of evaluation: expressions, values of ranges, iterations
  int errors = 100;                                // further ones are not looked for
  int64_t call_depth = 64;                         // nested block calls
  int64_t elements = int64_t{1} << 32;             // of one value or parameter, without the batch
  int64_t parameter_bytes = int64_t{64} << 30;
  int64_t activation_bytes = int64_t{1} << 40;     // of all values, with the batch
};

enum class Purpose : uint8_t {
  predict,  // the network's declared outputs
  train,    // "loss" and "correct" (top-1 count); auxiliary heads, dropout, batch statistics
  eval,     // "probabilities" [N, C], "loss_sum", "top1", "top5"
};

struct ElaborateConfig {
  Purpose purpose = Purpose::predict;
  int64_t batch = 1;
  std::map<std::string, std::string> set{};  // network arguments as text: {"classes", "10"}
  ElaborateLimits limits{};
  bool advice = true;
  // The input is augmented as in training, except that no samples are mixed: what test-time augmentation evaluates.
  bool augmented = false;
  // Only the output "seen": what the network gets of the input.
  bool input_only = false;
  // In place of the loss the declared outputs and the auxiliary heads': the structure of a network that need not be a
  // classifier.
  bool without_loss = false;
  // The input keeps the dtype that the network declares, whatever a data set says (raw tensors).
  bool raw_input = false;
};

// One line of the layer table, or a construct around lines. The tree is in textual order.
struct LayerNode {
  enum class Kind : uint8_t { network, block, residual, shortcut, inception, branch, aux_head, loop, layer };
  Kind kind = Kind::layer;
  int32_t parent = -1;        // -1: the network itself, element 0
  std::string path;           // "stage.0.0.bottleneck0.conv_bn1"; constructs without one have their scope's
  std::string name;           // the callee ("conv_bn") or the construct's word ("residual")
  std::string text;           // the call with its arguments' values: "conv_bn(64, 3x3, stride = 2)"
  Origin origin;
  std::vector<Shape> inputs;  // without the batch
  Shape output;
  int32_t first_node = 0, last_node = 0;  // the graph's nodes [first, last) that it made
};

struct InputInfo {
  std::string name;
  Shape shape;                // without the batch: [3, 224, 224]
  DType dtype = DType::f32;   // of the graph's input: u8 images are normalised inside
  bool normalized = false;    // the graph divides by 255 and applies mean and std
  std::vector<double> mean, std;
};

struct AuxHead {
  std::string name;
  double weight = 0;
  ValueId value;
};

// A network inside of this one's graph, and the weights that it has of its own.
struct InnerNetwork {
  std::string name;  // its paths begin with it; of a teacher that is one network empty
  std::optional<WeightsSpec> weights;
};

struct ElaboratedNetwork {
  std::string name;                   // "resnet50"
  std::string reference;              // as written: "resnet50(classes = 102)"
  Graph graph;
  std::vector<InputInfo> inputs;      // in textual order
  std::vector<GraphOutput> outputs;   // the declared ones, whatever the purpose, in textual order
  std::vector<AuxHead> aux_heads;     // training only
  std::vector<LayerNode> layers;      // element 0 is the network
  std::set<std::string> frozen;       // paths of parameters that the recipe freezes; their states are buffers
  std::vector<InnerNetwork> members;  // of an ensemble
  std::vector<std::string> shared;    // of an ensemble: globs of what members have in common, under "shared."
  std::vector<InnerNetwork> teachers; // of a training that distills: under "teacher."
  int64_t classes = 0;                // the extent of the first output if it is [C], else 0
  std::vector<std::string> class_names;  // of the data set, may be empty
  std::optional<DatasetSpec> dataset;    // where a `train` was named
};

// `reference`: "file.net", "file.net:name", "std.resnet:resnet50"; the name of a network or of a
// `train`, whose network, data set and (purpose train) augmentation and loss are used. Without a name:
// the only `train`, or else the only network. nullopt after errors, which are in `sink`.
std::optional<ElaboratedNetwork> elaborate(Project& project, const std::string& reference,
                                           const ElaborateConfig& config, DiagnosticSink& sink);

// The same for a recipe that `resolve_recipe` gave: purpose train and eval take its loss and augmentation.
std::optional<ElaboratedNetwork> elaborate(Project& project, const std::string& reference, const Recipe& recipe,
                                           const ElaborateConfig& config, DiagnosticSink& sink);

// The recipe of "file.net:NAME", or of the file's only `train`. nullopt after errors.
std::optional<Recipe> resolve_recipe(Project& project, const std::string& reference, DiagnosticSink& sink);

// Checks a whole file: every network with its default arguments, every recipe, every name of every
// block. With a name, only that network or recipe.
bool check(Project& project, const std::string& reference, const ElaborateConfig& config, DiagnosticSink& sink);

struct Listing {
  std::vector<std::string> networks, trains, names_maps;
};
// What a module declares. nullopt if it cannot be read.
std::optional<Listing> list_declarations(Project& project, const std::string& module, DiagnosticSink& sink);

// The `names` map of "file.net:NAME" or "std.names:torchvision_resnet". nullopt after errors.
std::optional<NamesMap> resolve_names_map(Project& project, const std::string& reference, DiagnosticSink& sink);

}  // namespace netc
