// netc tune: measures the tiles of a network's matrix products on the machine's GPU, and keeps the fastest in
// the cache.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "compiler/api/tune.h"
#include "compiler/driver/code_origin.h"
#include "compiler/driver/commands.h"
#include "runtime/thread_pool.h"

namespace netc {
namespace {

using Json = nlohmann::ordered_json;

struct Total {
  double planned = 0, best = 0;  // microseconds of all products in a run
  int64_t changed = 0;           // products
};
Total total_of(const std::vector<TunedProduct>& products) {
  Total total;
  for (const TunedProduct& p : products) {
    total.planned += p.planned_microseconds();
    total.best += p.best().microseconds;
    total.changed += p.best().tile != p.planned ? 1 : 0;
  }
  return total;
}

Json to_json(const std::vector<TunedProduct>& products) {
  Json list = Json::array();
  for (const TunedProduct& p : products) {
    Json measured = Json::array();
    for (const MeasuredTile& m : p.measured)
      measured.push_back({{"tile", to_string(m.tile)}, {"us", m.microseconds}});
    list.push_back({{"product", p.key},
                    {"label", p.label},
                    {"launches", p.launches},
                    {"planned", to_string(p.planned)},
                    {"tile", to_string(p.best().tile)},
                    {"measured", measured}});
  }
  const Total total = total_of(products);
  return {{"products", list}, {"changed", total.changed}, {"us_planned", total.planned}, {"us", total.best}};
}

std::string to_text(const std::vector<TunedProduct>& products) {
  Table table({{"product", Table::Align::left},
               {"launches", Table::Align::right},
               {"planned", Table::Align::right},
               {"us", Table::Align::right},
               {"fastest", Table::Align::right},
               {"us", Table::Align::right}});
  for (const TunedProduct& p : products)
    table.add({p.label, std::to_string(p.launches), to_string(p.planned),
               fmt::format("{:.1f}", p.planned_microseconds()), to_string(p.best().tile),
               fmt::format("{:.1f}", p.best().microseconds)});
  const Total total = total_of(products);
  return table.text() +
         fmt::format(
             "\n{} matrix product{}, {} faster with another tile than planned: {:.1f} us instead of {:.1f}\n",
             products.size(), products.size() == 1 ? "" : "s", total.changed, total.best, total.planned);
}

}  // namespace

int run(const TuneCommand& command, Environment& environment) {
  Project& project = environment.project;
  const NetworkRequest request{command.network.reference, command.network.set, false};
  ThreadPool pool(command.device.threads);
  std::optional<Recipe> recipe;
  DiagnosticSink sink;
  if (command.train) recipe = resolve_recipe(project, request.reference, sink);
  TuneOptions options{command.train ? "step" : "predict", 1, command.runs};
  const auto plan = [&](const CompileSettings& settings) {
    Compilation c =
        command.train ? plan_training(project, request, recipe ? &*recipe : nullptr, command.batch, settings)
                      : plan_inference(project, request, command.batch, settings);
    options.classes = c.network.classes;
    return c;
  };
  const std::vector<TunedProduct> products = tune(plan, settings_of(command.device), options, pool);
  environment.output.result(environment.output.json() ? to_json(products).dump(2) + "\n" : to_text(products));
  return kExitOk;
}

}  // namespace netc
