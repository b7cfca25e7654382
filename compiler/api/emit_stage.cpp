#include "compiler/api/emit_stage.h"

#include <fmt/format.h>

#include "compiler/api/cuda_kernels.h"
#include "compiler/ast/print.h"
#include "compiler/backend/cpu/cpu_backend.h"
#include "compiler/base/error.h"
#include "compiler/lower/tasks.h"
#include "compiler/passes/differentiate.h"

namespace netc {
namespace {

std::string emit_ast(Project& project, const std::string& reference) {
  DiagnosticSink sink;
  const Module* module = project.load(parse_reference(reference).module, sink);
  if (!module || sink.has_errors()) throw CompileError(sink.all());
  return print_ast(module->ast);
}

Recipe* find_train(Project& project, const NetworkRequest& request, std::optional<Recipe>& recipe) {
  DiagnosticSink sink;
  recipe = resolve_recipe(project, request.reference, sink);
  return recipe ? &*recipe : nullptr;
}

// The prelude and every function, each with what it is launched as: a file that nvcc compiles.
std::string cuda_text(const Compilation& c) {
  std::string text = cuda_prelude();
  const std::vector<CudaSource> sources = emit_cuda(cuda_kernels(c.plan), c.target, 1);
  for (const std::vector<size_t>& kernels : group_by_function(sources)) {
    for (const size_t i : kernels) text += "\n" + sources[i].comment;
    text += sources[kernels.front()].code;
  }
  return text;
}

std::string kernels_text(const Compilation& c, const std::string& stage) {
  if (stage == "cuda") return cuda_text(c);
  std::string text;
  for (size_t i = 0; i < c.plan.kernels.bodies.size(); ++i) {
    const KernelBody& body = c.plan.kernels.bodies[i];
    const std::string& symbol = c.plan.kernels.names[i];
    if (i > 0) text += "\n";
    text += stage == "llvm" ? emit_llvm_text(body, symbol, c.target) : emit_asm_text(body, symbol, c.target);
  }
  return text;
}

std::string schedule_text(const Compilation& c, bool with_bodies) {
  std::string text;
  for (const LoweredGraph& lowered : c.plan.graphs) {
    std::string entries;
    for (const EntryPoint& entry : c.plan.program.entries) entries += (entries.empty() ? "" : ", ") + entry.name;
    if (text.empty()) text += fmt::format("// entries: {}\n", entries);
    text += fmt::format("// {} kernels, arena {} bytes\n", lowered.schedule.kernels.size(), lowered.memory.arena_bytes);
    text += to_string(lowered.schedule, with_bodies) + "\n";
  }
  return text;
}

}  // namespace

const std::vector<std::string>& stage_names() {
  static const std::vector<std::string> kNames = {"ast", "graph", "grad", "schedule", "kernels", "llvm", "asm", "cuda"};
  return kNames;
}

std::string emit_stage(Project& project, const EmitRequest& request) {
  const Target target = target_of(request.settings);  // what is missing is refused at every stage
  const bool for_gpu = request.stage == "cuda", for_cpu = request.stage == "llvm" || request.stage == "asm";
  if (is_cuda(target) ? for_cpu : for_gpu)
    throw RuntimeError("E0922", fmt::format("the device `{}` has no stage `{}`", request.settings.device, request.stage),
                       for_gpu ? "--device cuda" : "--device cpu");
  precision_of(request.settings, nullptr);
  if (request.stage == "ast") return emit_ast(project, request.network.reference);

  std::optional<Recipe> recipe;
  const bool train = request.train || request.stage == "grad";
  const Recipe* found = train ? find_train(project, request.network, recipe) : nullptr;
  if (request.stage == "graph" && !train)
    return to_string(elaborate_network(project, request.network, Purpose::predict, request.batch).graph);

  Compilation c = train ? plan_training(project, request.network, found, request.batch, request.settings)
                        : plan_inference(project, request.network, request.batch, request.settings);
  if (request.stage == "graph") return to_string(c.network.graph);
  if (request.stage == "grad") return to_string(*c.gradient);
  if (request.stage == "schedule") return schedule_text(c, false);
  if (request.stage == "kernels") return schedule_text(c, true);
  return kernels_text(c, request.stage);
}

}  // namespace netc
