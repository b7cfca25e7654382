#include "compiler/api/train_ensemble.h"

#include <filesystem>

#include "runtime/train/evaluate.h"

namespace netc {

std::optional<EvalResult> join_members(Project& project, const JoinRequest& request, Executor& executor) {
  constexpr int64_t kBatch = 100;  // results do not depend on it
  Recipe recipe = find_recipe(project, request.network.reference);
  balance_classes(recipe, project, request.network, request.data, executor);
  Model model = load_model(plan_evaluation(project, request.network, recipe, kBatch, request.settings), executor.workers());
  for (InnerNetwork& member : model.compilation.network.members) {
    const auto file = request.files.find(member.name);
    if (file == request.files.end()) continue;
    member.weights = WeightsSpec{};
    member.weights->path = std::filesystem::absolute(file->second).string();
  }
  const ModelInfo info = load_member_weights(model, project, executor);
  save_checkpoint(request.output, *model.state, info);
  const std::string role = evaluation_role(recipe.dataset);
  if (role == "test" && !recipe.dataset.test) return std::nullopt;
  const std::unique_ptr<Dataset> test =
      load_role(recipe.dataset, role, request.data, model.compilation.network, executor, recipe.loss.ignored_label, info.class_names);
  Context context(*model.executable, model.state);
  return evaluate(context, *test, executor);
}

}  // namespace netc
