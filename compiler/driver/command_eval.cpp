// netc eval: loss and accuracy on a recipe's test set.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "compiler/api/training.h"
#include "compiler/driver/code_origin.h"
#include "compiler/driver/commands.h"
#include "runtime/thread_pool.h"

namespace netc {

int run(const EvalCommand& command, Environment& environment) {
  Output& output = environment.output;
  Project& project = environment.project;
  NetworkRequest request{command.network.reference, command.network.set, false};
  request.augmented = command.views > 0;
  const Recipe recipe = find_recipe(project, request.reference);
  ThreadPool pool(command.device.threads);
  Model model = load_model(plan_evaluation(project, request, recipe, command.batch, settings_of(command.device)), pool.workers());
  report_warnings(model.compilation.origin, environment);
  load_weights_into(model, command.weights, command.names, project, pool);
  const ElaboratedNetwork& network = model.compilation.network;
  const std::unique_ptr<Dataset> test = request.augmented ? load_augmented(recipe, "test", command.data, network, pool)
                                                          : load_role(recipe.dataset, "test", command.data, network, pool, recipe.loss.ignored_label);

  Context context(*model.executable, model.state);
  EvalOptions options;
  options.on_progress = [&](int64_t done, int64_t samples) { output.progress(fmt::format("testing {}/{}", done, samples)); };
  const EvalResult result = request.augmented ? evaluate_views(context, recipe, command.views, *test, pool, options)
                                              : evaluate(context, *test, pool, options);
  output.progress("");
  if (output.json()) {
    const nlohmann::ordered_json json = {
        {"loss", result.loss}, {"top1", result.top1}, {"top5", result.top5}, {"samples", result.samples}};
    output.result(json.dump(2) + "\n");
    return kExitOk;
  }
  output.result(fmt::format("{}loss {:.4f}  top-1 {:.2f} %  top-5 {:.2f} %  of {} samples\n", output.animates() ? "\r" : "",
                            result.loss, 100 * result.top1, 100 * result.top5, commas(result.samples)));
  return kExitOk;
}

}  // namespace netc
